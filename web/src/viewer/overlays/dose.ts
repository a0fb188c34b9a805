import { number, numbers, text, type DicomJson } from '../dicom'
import { vec3, type Vec3 } from '../geometry'
import type { Rgb } from './colours'
import { frameOffsets, TOLERANCE_MM } from './doseFrames'
import { colourOf, itemsIn, labelOf, patientOf, worded, type Layer, type Part } from './layers'
import { axesOf } from './solids'

/** A grid of more values than this is not held. */
const VALUES_MOST = 128 * 1024 * 1024

/** The planes of an RT Dose (PS3.3 C.8.8.3) in space, and how its values are read. */
export interface DoseGeometry {
  origin: Vec3
  row: Vec3
  column: Vec3
  normal: Vec3
  /** Along a row and down a column, mm. */
  spacing: readonly [number, number]
  columns: number
  rows: number
  /** How far each frame lies from the origin along the normal, in the order of the frames. */
  offsets: readonly number[]
  /** Of the one plane of a dose that has no more; 0: nothing tells. */
  thickness: number
  scaling: number
  allocated: number
  isSigned: boolean
}

/** How a dose is looked at. */
export interface DoseLook {
  /** What is called 100 %, in the dose's own unit. */
  reference: number
  /** Levels are parts of the reference, in per cent; else in the dose's unit. */
  inPercent: boolean
  levels: readonly number[]
}

const PERCENT: readonly number[] = [110, 105, 100, 95, 90, 80, 70, 50, 30]
export const LEVELS_MOST = 24
/** The number of the part that is all of the dose, in colours. */
export const WASH = 0

/** `levels` numbers parts by what they are, so that others name the same ones. */
export function partOfLevel(level: number): number {
  return Math.round(level * 100)
}

/** In the dose's unit. */
export function doseOf(level: number, look: DoseLook): number {
  return look.inPercent ? (level * look.reference) / 100 : level
}

/** `57.3`, `0.043`. */
export function rounded(value: number): string {
  return String(Number(Math.abs(value) >= 100 ? value.toFixed(1) : Math.abs(value) >= 1 ? value.toFixed(2) : value.toPrecision(3)))
}

/** How the values of a dose are called: `Gy`, or nothing where they are relative. */
export function unitOf(instance: DicomJson): string {
  return text(instance, '30040002') === 'RELATIVE' ? '' : 'Gy'
}

/** `57.3 Gy`; of a relative dose `0.95, relative`. */
export function doseWords(value: number, instance: DicomJson): string {
  const unit = unitOf(instance)
  return unit ? `${rounded(value)} ${unit}` : `${rounded(value)}, relative`
}

/** From blue through green and yellow to red at the reference, and to violet above it. */
export function heat(part: number): Rgb {
  const at = Math.max(0, Math.min(1.2, part))
  const hue = at <= 1 ? 240 * (1 - at) : 360 - (at - 1) * 250
  const channel = (shift: number) => {
    const k = (shift + hue / 30) % 12
    return Math.round(255 * (0.52 - 0.48 * Math.max(-1, Math.min(k - 3, 9 - k, 1))))
  }
  return [channel(0), channel(8), channel(4)]
}

const TYPE: Readonly<Record<string, string>> = { PHYSICAL: 'Physical dose', EFFECTIVE: 'Effective dose', ERROR: 'Difference of doses' }
const SUMMATION: Readonly<Record<string, string>> = {
  PLAN: 'of the plan',
  MULTI_PLAN: 'of several plans',
  PLAN_OVERVIEW: 'of all plans',
  FRACTION: 'of one fraction',
  BEAM: 'of one beam',
  BRACHY: 'of one brachytherapy application',
  FRACTION_SESSION: 'of one session',
  BEAM_SESSION: 'of one beam in a session',
  BRACHY_SESSION: 'of one application in a session',
  CONTROL_POINT: 'of one control point',
  RECORD: 'as delivered',
}

/** What the values are, in words: `Physical dose of the plan`. */
export function kindOfDose(instance: DicomJson): string {
  const [type, summation] = [text(instance, '30040004') ?? '', text(instance, '3004000A') ?? '']
  return [TYPE[type] ?? (worded(type || null) ? `${worded(type)} dose` : 'Dose'), SUMMATION[summation] ?? (summation ? `(${summation.toLowerCase()})` : null)].filter(Boolean).join(' ')
}

/** More that is said of how the values came to be. */
export function notesOfDose(instance: DicomJson): string[] {
  const heterogeneity = (instance['30040014']?.Value ?? []).filter((one): one is string => typeof one === 'string')
  const words = { IMAGE: 'by image data', ROI_OVERRIDE: 'by densities that were set', WATER: 'as if all were water' } as Record<string, string>
  return [
    text(instance, '30040006'),
    heterogeneity.length ? `Reckoned ${heterogeneity.map((one) => words[one] ?? one.toLowerCase()).join(', ')}` : null,
    text(instance, '30040005') === 'RIGID' || text(instance, '30040005') === 'NON_RIGID' ? `Moved here from another frame of reference (${text(instance, '30040005')?.toLowerCase().replace('_', ' ')})` : null,
  ].filter((one) => one !== null)
}

/** How an RT Dose lies; why it cannot be laid over anything. */
export function geometryOf(instance: DicomJson): DoseGeometry | string {
  const axes = axesOf(numbers(instance, '00200037'))
  const origin = vec3(numbers(instance, '00200032'))
  const [betweenRows, betweenColumns] = numbers(instance, '00280030')
  const [rows, columns] = [number(instance, '00280010') ?? 0, number(instance, '00280011') ?? 0]
  const scaling = number(instance, '3004000E')
  const allocated = number(instance, '00280100') ?? 0
  if (!rows || !columns) return 'It has no grid of doses.'
  if (!axes || !origin || !betweenRows || !betweenColumns) return 'It does not say where its grid lies.'
  if (scaling === null || scaling === 0) return 'It does not say what its values are worth (Dose Grid Scaling).'
  if (![8, 16, 32].includes(allocated)) return `Values of ${allocated} bits are none of a dose.`
  const offsets = frameOffsets(instance)
  if (!offsets) return 'It does not say where its planes lie (Grid Frame Offset Vector).'
  const sorted = [...offsets].sort((a, b) => a - b)
  if (sorted.some((one, at) => at > 0 && one - (sorted[at - 1] ?? 0) < TOLERANCE_MM)) return 'Several of its planes lie at one place.'
  if (rows * columns * offsets.length > VALUES_MOST) return 'It is too large for this device.'
  return {
    origin,
    ...axes,
    spacing: [betweenColumns, betweenRows],
    columns,
    rows,
    offsets,
    thickness: number(instance, '00180050') ?? 0,
    scaling,
    allocated,
    isSigned: number(instance, '00280103') === 1,
  }
}

/** An RT Dose as what is laid over pictures; its parts are those of a look. */
export function doseLayerOf(instance: DicomJson): Layer | null {
  const [key, study, series] = [text(instance, '00080018'), text(instance, '0020000D'), text(instance, '0020000E')]
  if (!key || !study || !series) return null
  const geometry = geometryOf(instance)
  const frameOfReferenceUid = text(instance, '00200052')
  return {
    key,
    kind: 'dose',
    studyInstanceUid: study,
    seriesInstanceUid: series,
    label: labelOf(instance, [], text(instance, '30040006') ?? 'Dose'),
    patient: patientOf(instance),
    parts: [wash(frameOfReferenceUid)],
    series: new Set(),
    instances: new Set(),
    instance,
    fault: typeof geometry === 'string' ? geometry : frameOfReferenceUid === null ? 'It does not say in which frame of reference it lies.' : null,
  }
}

function wash(frameOfReferenceUid: string | null): Part {
  return { number: WASH, label: 'In colours', colour: colourOf(heat(0.6)), meaning: null, made: null, frameOfReferenceUid }
}

/** The parts of a dose, as it is looked at: all of it in colours, and a line for each level. */
export function dosePartsOf(layer: Layer, look: DoseLook): Part[] {
  const space = layer.parts[0]?.frameOfReferenceUid ?? null
  const lines = [...look.levels]
    .sort((a, b) => b - a)
    .map((level): Part => {
      const dose = doseOf(level, look)
      const [own, other] = [look.inPercent ? `${rounded(level)} %` : doseWords(level, layer.instance), look.inPercent ? doseWords(dose, layer.instance) : `${rounded((100 * dose) / look.reference)} %`]
      return { number: partOfLevel(level), label: own, colour: colourOf(heat(dose / look.reference)), meaning: other, made: null, frameOfReferenceUid: space }
    })
  return [wash(space), ...lines]
}

/** How a dose is looked at before anybody says otherwise: of what was prescribed, else of the greatest. */
export function lookAtFirst(most: number, prescribed: number | null): DoseLook {
  const reference = prescribed ?? (Number(most.toPrecision(3)) || 1)
  return { reference, inPercent: true, levels: prescribed === null ? PERCENT.filter((one) => one <= 100) : PERCENT }
}

/** The greatest dose that a plan prescribes to a target, Gy (PS3.3 C.8.8.10); null: it prescribes none. */
export function prescribedBy(plan: DicomJson): number | null {
  const doses = itemsIn(plan, '300A0010').flatMap((one) => number(one, '300A0026') ?? [])
  return doses.length ? Math.max(...doses) : null
}

/** The plans that a dose is of. */
export function plansOf(dose: DicomJson): string[] {
  return itemsIn(dose, '300C0002').flatMap((one) => text(one, '00081155') ?? [])
}

