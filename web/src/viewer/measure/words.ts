import { vec3 } from '../geometry'
import { valuesOver } from '../overlays/values'
import type { Calibration } from '../stacks'
import { calibrationOfTarget, differenceOfTarget } from './calibration'

/** What Cornerstone worked out of one measurement on one target; each tool fills in its own. */
export interface Stats {
  length?: number
  width?: number
  unit?: string
  angle?: number | string | null
  area?: number
  areaUnit?: string
  isEmptyArea?: boolean
  /** Null: no pixel of it counts. */
  mean?: number | null
  stdDev?: number
  min?: number
  max?: number
  modalityUnit?: string | string[]
  /** Null: padding, which has none. */
  value?: number | number[] | null
  index?: ArrayLike<number>
  ratio?: number
  heart?: number
  chest?: number
  /** On planes, of what its values are: the thin plane, or a slab. */
  plane?: string
  /** On planes, the part of it that was not scanned, 0 to 1. */
  beyond?: number
  /** Its picture is coarse yet, and values are not read from that. */
  waiting?: true
}

export interface Measured {
  label?: string
  cachedStats?: Record<string, Stats>
  handles?: { points?: readonly (readonly number[])[] }
}

const IMAGE = 'imageId:'
const NOT_CALIBRATED = 'Not calibrated'
const WAITING = 'Values wait for full quality'

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

/** A number as a reader wants it: never more places than the pixels can bear. */
export function rounded(value: number): string {
  const size = Math.abs(value)
  return value.toFixed(size >= 100 || Number.isInteger(value) ? 0 : size >= 1 ? 1 : 2)
}

/** What stands behind a length's unit: where its millimetres come from, if not from the patient. */
function origin(kind: Calibration['kind']): string {
  if (kind === 'detector') return ' at detector'
  if (kind === 'calibrated') return ' calibrated'
  return ''
}

/**
 * Cornerstone writes `mm`, `cm US Region`, `px`; null where the length means nothing. Of a projection it writes `px`, for
 * it has no plane in the patient, but counts by the spacing that the picture was given: those are millimetres.
 */
function unitOf(unit: string | undefined, kind: Calibration['kind']): string | null {
  const written = (unit ?? '').split(' ')[0] ?? ''
  const plain = kind === 'detector' || kind === 'calibrated' ? written.replace(/^px/, 'mm') : written
  if (kind === 'none' || !/^(mm|cm)/.test(plain)) return null
  return plain + origin(kind)
}

/** A length with its unit, or that there is none. */
function lengthOf(value: number | undefined, unit: string | undefined, kind: Calibration['kind'], before = ''): string | null {
  if (!isNumber(value)) return null
  const said = unitOf(unit, kind)
  return said === null ? NOT_CALIBRATED : `${before}${rounded(value)} ${said}`
}

function valueUnit(stats: Stats): string {
  const unit = Array.isArray(stats.modalityUnit) ? stats.modalityUnit[0] : stats.modalityUnit
  return unit && unit !== 'raw' && unit !== 'unknown' ? ` ${unit}` : ''
}

function regionWords(stats: Stats, kind: Calibration['kind']): string[] {
  const words: string[] = []
  if (isNumber(stats.mean)) {
    const unit = valueUnit(stats)
    words.push(`Mean ${rounded(stats.mean)}${unit}${isNumber(stats.stdDev) ? ` · SD ${rounded(stats.stdDev)}` : ''}`)
    if (isNumber(stats.min) && isNumber(stats.max)) words.push(`Min ${rounded(stats.min)} · max ${rounded(stats.max)}`)
  }
  if (stats.mean === null) words.push(isBeyond(stats) ? 'No values: nothing was scanned here' : 'No values: padding, or behind a shutter')
  if (isNumber(stats.area) && !stats.isEmptyArea) {
    const unit = unitOf(stats.areaUnit, kind)
    words.push(unit === null ? NOT_CALIBRATED : `Area ${areaWords(stats.area, unit)}`)
  }
  words.push(...planeWords(stats))
  return words
}

/** On a plane: whether all of it lies where nothing was scanned. */
function isBeyond({ plane, beyond }: Stats): boolean {
  return plane !== undefined && (beyond === undefined || beyond > 0.999)
}

/** Of what the values on a plane are, and which part of what is drawn was not scanned and does not count. */
function planeWords(stats: Stats): string[] {
  const { plane, beyond } = stats
  if (plane === undefined) return []
  if (!isNumber(beyond) || beyond <= 0 || isBeyond(stats)) return [plane]
  const part = beyond < 0.01 ? 'Less than 1' : String(Math.min(99, Math.round(beyond * 100)))
  return [`${part} % outside the images: not counted`, plane]
}

function areaWords(area: number, unit: string): string {
  return unit.startsWith('mm²') && area >= 100 ? `${rounded(area / 100)} ${unit.replace('mm²', 'cm²')}` : `${rounded(area)} ${unit}`
}

function degrees(angle: Stats['angle']): string[] {
  return isNumber(angle) ? [`${angle.toFixed(1)}°`] : []
}

type Words = (stats: Stats, kind: Calibration['kind'], label: string) => (string | null)[]

const WORDS: Record<string, Words> = {
  Length: (stats, kind) => [lengthOf(stats.length, stats.unit, kind)],
  Angle: (stats) => degrees(stats.angle),
  CobbAngle: (stats) => degrees(stats.angle),
  Bidirectional: (stats, kind) => {
    const long = lengthOf(stats.length, stats.unit, kind, 'Long ')
    return long === NOT_CALIBRATED ? [long] : [long, lengthOf(stats.width, stats.unit, kind, 'Short ')]
  },
  EllipticalROI: regionWords,
  RectangleROI: regionWords,
  PlanarFreehandROI: regionWords,
  Probe: (stats) => {
    if (stats.value === null) return [isBeyond(stats) ? 'No value: nothing was scanned here' : 'No value: padding']
    return isNumber(stats.value) ? [`${rounded(stats.value)}${valueUnit(stats)}`, ...planeWords(stats)] : Array.isArray(stats.value) ? [colour(stats.value)] : []
  },
  ArrowAnnotate: (_, __, label) => [label],
  Label: (_, __, label) => [label],
  SpineLabel: (_, __, label) => [label],
  CardiothoracicRatio: (stats, kind) =>
    isNumber(stats.ratio)
      ? [
          `CTR ${stats.ratio.toFixed(2)}`,
          unitOf('mm', kind) === null || !isNumber(stats.heart) || !isNumber(stats.chest)
            ? null
            : `Heart ${rounded(stats.heart / 10)} · chest ${rounded(stats.chest / 10)} cm${origin(kind)}`,
        ]
      : [],
}

function colour(parts: readonly number[]): string {
  return parts.map((part) => rounded(part)).join(' / ')
}

/** The words of one measurement, a line each; `toolName` is Cornerstone's. */
export function wordsOf(toolName: string, data: Measured, targetId: string): string[] {
  const stats = data.cachedStats?.[targetId] ?? {}
  if (stats.waiting) return [WAITING]
  const difference = differenceOfTarget(targetId)
  // Thousandths of a logarithm have no unit of the modality's.
  const told = difference === 'logarithms' ? { ...stats, modalityUnit: '‰' } : stats
  const lines = (WORDS[toolName]?.(told, calibrationOfTarget(targetId), data.label ?? '') ?? []).filter((line): line is string => line !== null && line !== '')
  return difference && (stats.value !== undefined || stats.mean !== undefined) ? [difference === 'logarithms' ? 'Difference of logarithms' : 'Difference', ...lines] : lines
}

/** For a Cornerstone tool's `getTextLines`, which is given one target or, by some tools, all of them. */
export function wordsFor(toolName: string): (data: Measured, target: string | readonly string[]) => string[] {
  return (data, target) => {
    const first = typeof target === 'string' ? target : (target[0] ?? '')
    const lines = wordsOf(toolName, data, first)
    const point = toolName === 'Probe' && first.startsWith(IMAGE) ? vec3(data.handles?.points?.[0]) : null
    // What is laid over a picture is no value of its own: it is said, and not kept with the measurement.
    return point ? [...lines, ...valuesOver(first.slice(IMAGE.length), point)] : lines
  }
}

