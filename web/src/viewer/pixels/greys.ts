import { number, numbers, type DicomJson } from '../dicom'
import { shownBy } from './suv'
import { looked, tableOf, type Table } from './tables'
import { layoutOf, rescaleOf } from './values'

/** How values of a picture become brightness: by the line through these points, level beyond both ends. */
export interface Greys {
  /** Value as the viewer keeps it, and brightness from 0 (black) to 1; values ascend. */
  points: readonly (readonly [number, number])[]
  explanation: string | null
}

/** A table of a presentation state as it was sent. */
export interface RawTable {
  descriptor: readonly number[]
  bytes: Uint8Array
  explanation: string | null
}

/** The steps of PS3.4 N.2 that a presentation state says of a picture; null: an identity. */
export interface Steps {
  modality: RawTable | { slope: number; intercept: number } | 'as the image' | null
  voi: RawTable | { center: number; width: number; function: string } | null
  presentation: RawTable | null
}

/** More points are no use: the texture that a graphics processor looks them up in has as many. */
const POINTS_MAX = 1024
/** Of two brightnesses that differ less, a screen makes one. */
const SAME = 1 / 512

const isRaw = (step: unknown): step is RawTable => step !== null && typeof step === 'object' && 'bytes' in step

/** What is white in a table: the most that its bits can hold, but where half of them are not used, what it reaches. */
export function whiteOf(table: Table, bits: number | undefined): number {
  let most = 1
  for (let at = 0; at < table.entries.length; at++) most = Math.max(most, table.entries[at] ?? 0)
  const full = bits !== undefined && bits >= 1 && bits <= 16 ? 2 ** bits - 1 : most
  return most <= full && most > full / 2 ? full : most
}

/** Brightness by a window (PS3.3 C.11.2.1.2.1, C.11.2.1.3), from 0 to 1. */
export function windowed(value: number, { center, width, function: by }: { center: number; width: number; function: string }): number {
  if (by === 'SIGMOID') return 1 / (1 + Math.exp((-4 * (value - center)) / Math.max(width, 1e-6)))
  const exact = by === 'LINEAR_EXACT'
  const [low, span] = exact ? [center - width / 2, width] : [center - 0.5 - (width - 1) / 2, width - 1]
  return span > 0 ? Math.min(1, Math.max(0, (value - low) / span)) : value > low ? 1 : 0
}

/**
 * The greys of a picture by the steps of a presentation state, which take the place of the picture's own (PS3.4 N.2.1):
 * stored value, value of the modality, of interest, P-Value. Null where they cannot be told: the picture has no whole
 * numbers of at most 16 bits, or its own Modality LUT `own` has made one value of two that the state tells apart.
 */
export function greysOf(metadata: DicomJson, own: Table | null, steps: Steps): Greys | null {
  const layout = layoutOf(metadata)
  if (layout.samples !== 1 || layout.kind !== 'integer' || layout.stored > 16 || layout.photometric === 'PALETTE COLOR') return null
  const first = layout.signed ? -(2 ** (layout.stored - 1)) : 0
  const last = first + 2 ** layout.stored - 1
  const { slope, intercept } = rescaleOf(metadata) ?? { slope: 1, intercept: 0 }
  const ofImage = (stored: number) => (own ? looked(own, stored) : stored * slope + intercept)
  const factor = shownBy(metadata)

  const modality = modalityOf(steps.modality, ofImage, layout.signed)
  const ends = isRaw(steps.modality) ? [0, 2 ** (steps.modality.descriptor[2] ?? 16) - 1] : [modality(first), modality(last)]
  const interest = interestOf(steps.voi, Math.min(...ends), Math.max(...ends))
  const pValue = pValueOf(steps.presentation)

  const found: [number, number][] = []
  for (let stored = first; stored <= last; stored++) found.push([ofImage(stored) * factor, pValue(interest(modality(stored)))])
  found.sort((one, other) => one[0] - other[0])
  const points: [number, number][] = []
  for (const point of found) {
    const before = points[points.length - 1]
    if (before?.[0] !== point[0]) points.push(point)
    else if (Math.abs(before[1] - point[1]) > SAME) return null
  }
  const said = [steps.voi, steps.presentation, steps.modality].find(isRaw)?.explanation ?? null
  return { points: thinned(points), explanation: said }
}

function modalityOf(step: Steps['modality'], ofImage: (stored: number) => number, signed: boolean): (stored: number) => number {
  if (step === 'as the image') return ofImage
  if (step === null) return (stored) => stored
  if (!isRaw(step)) return (stored) => stored * step.slope + step.intercept
  const table = tableOf(step.descriptor, step.bytes, signed)
  return table ? (stored) => looked(table, stored) : (stored) => stored
}

/** Without a step the whole range of what the modality gives is shown (PS3.4 N.2.1.2). */
function interestOf(step: Steps['voi'], least: number, most: number): (value: number) => number {
  if (step === null) return (value) => (value - least) / Math.max(1, most - least)
  if (!isRaw(step)) return (value) => windowed(value, step)
  // Of the descriptor's numbers the first value mapped alone can be negative, and only where values can (PS3.3 C.11.2.1.1).
  const table = tableOf(step.descriptor, step.bytes, least < 0)
  if (!table) return (value) => (value - least) / Math.max(1, most - least)
  const white = whiteOf(table, step.descriptor[2])
  return (value) => looked(table, value) / white
}

/** The whole range of what comes in is spread over all entries of a Presentation LUT (PS3.3 C.11.6.1.1). */
function pValueOf(step: RawTable | null): (level: number) => number {
  const table = step && tableOf([step.descriptor[0] ?? 0, 0], step.bytes, false)
  if (!table) return (level) => level
  const white = whiteOf(table, step.descriptor[2])
  return (level) => looked(table, level * (table.entries.length - 1)) / white
}

/** The points without those that lie on the line between their neighbours, and without what is level at both ends. */
function thinned(points: readonly [number, number][]): [number, number][] {
  let [from, to] = [0, points.length - 1]
  while (from < to && points[from + 1]?.[1] === points[from]?.[1]) from += 1
  while (to > from && points[to - 1]?.[1] === points[to]?.[1]) to -= 1
  const kept: [number, number][] = []
  for (const point of points.slice(from, to + 1)) {
    const [before, middle] = kept.slice(-2)
    if (before && middle && Math.abs(before[1] + ((point[1] - before[1]) * (middle[0] - before[0])) / (point[0] - before[0]) - middle[1]) < 1e-9) kept.pop()
    kept.push(point)
  }
  if (kept.length <= POINTS_MAX) return kept
  const [low, high] = [points[from]?.[0] ?? 0, points[to]?.[0] ?? 1]
  let at = 0
  return Array.from({ length: POINTS_MAX }, (_, step) => {
    const value = low + ((high - low) * step) / (POINTS_MAX - 1)
    while (at < kept.length - 2 && (kept[at + 1]?.[0] ?? 0) < value) at += 1
    const [[x1, y1], [x2, y2]] = [kept[at] ?? [0, 0], kept[at + 1] ?? [1, 1]]
    return [value, y1 + ((y2 - y1) * (value - x1)) / (x2 - x1)]
  })
}

/** Slope and intercept as a state says them; null: none. */
export function rescaleIn(state: DicomJson): { slope: number; intercept: number } | null {
  return numbers(state, '00281053').length ? { slope: number(state, '00281053') || 1, intercept: number(state, '00281052') ?? 0 } : null
}
