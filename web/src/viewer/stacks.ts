import { item, number, numbers, TAG, text, texts, type DicomJson } from './dicom'
import { metadataOfFrames } from './functionalGroups'
import { along, dot, normalOf, vec3, type Scrollable, type Vec3 } from './geometry'
import { isPicture, offsetOfFrame } from './overlays/kinds'
import { isVideo } from './papers/kinds'
import type { Plane } from './planes'
import { alike } from './steady'
import type { Subtraction } from './subtract/types'

/** Where a length on the image comes from; shown beside each measurement and in the corner. */
export type Calibration =
  | { kind: 'patient'; label: string }
  | { kind: 'calibrated'; label: string }
  | { kind: 'detector'; label: string }
  | { kind: 'region'; label: string }
  | { kind: 'none'; label: string }

/** One picture to draw: a frame of an instance. */
export interface Frame {
  imageId: string
  /** For `<img>`: drawn by the server. */
  renderedUrl: string
  sopInstanceUid: string
  seriesInstanceUid: string
  /** From 1, as DICOM counts. */
  frameNumber: number
  instanceNumber: number | null
  position: number | null
  sliceThickness: number | null
  calibration: Calibration
  patientOrientation: readonly string[]
  hasPlane: boolean
  /** Where the picture lies in the patient; null where nothing says so. */
  plane: Plane | null
  laterality: string | null
  viewPosition: string | null
  lossy: boolean
  /** One value a pixel, no colours. */
  grey: boolean
  /** What Cornerstone is told of the instance. */
  metadata: DicomJson
  /** A difference: what was subtracted, and in what its values are. */
  subtracted?: { words: string; scale: 'values' | 'logarithms' }
  /** Among differences a picture as it is, and why. */
  notSubtracted?: string
}

/** Frames that scroll as one: a series, or the part of it that shares a plane. */
export interface Stack extends Scrollable {
  key: string
  seriesInstanceUid: string
  seriesNumber: number | null
  label: string
  modality: string | null
  bodyPart: string | null
  frames: readonly Frame[]
  /** Frames a second that the scanner recommends; null: not a cine. */
  cineRate: number | null
  /** Its pictures are differences, made so. */
  subtraction?: Subtraction
  /** The stacks of whose pictures they are made. */
  beneath?: readonly Stack[]
}

/** Where a reader begins, who looks for the finding: the middle of slices shows more of it than the first; that of others. */
export function startOf(stack: Stack): number {
  return stack.normal ? Math.floor((stack.length - 1) / 2) : 0
}

/** A localiser shows where the slices lie; reading does not begin with it. */
export function isLocaliser(stack: Stack): boolean {
  return texts(stack.frames[0]?.metadata, TAG.ImageType).some((word) => word === 'LOCALIZER')
}

/** A series as QIDO-RS lists it. */
export interface SeriesHead {
  seriesInstanceUid: string
  seriesNumber: number | null
  description: string | null
  modality: string | null
  bodyPart: string | null
  instances: number
}

export function seriesHead(found: DicomJson): SeriesHead | null {
  const seriesInstanceUid = text(found, TAG.SeriesInstanceUID)
  if (!seriesInstanceUid) return null
  return {
    seriesInstanceUid,
    seriesNumber: number(found, TAG.SeriesNumber),
    description: text(found, TAG.SeriesDescription),
    modality: text(found, TAG.Modality),
    bodyPart: text(found, TAG.BodyPartExamined),
    instances: number(found, TAG.NumberOfSeriesRelatedInstances) ?? 0,
  }
}

/** Series in the order people read them: by number, those without one last. */
export function inReadingOrder<T extends { seriesNumber: number | null; seriesInstanceUid: string }>(series: readonly T[]): T[] {
  return [...series].sort(
    (a, b) =>
      (a.seriesNumber ?? Infinity) - (b.seriesNumber ?? Infinity) || a.seriesInstanceUid.localeCompare(b.seriesInstanceUid),
  )
}

const PROJECTIONS = new Set(['CR', 'DX', 'MG', 'RF', 'XA', 'PX', 'IO', 'RG'])

function regionSpacing(instance: DicomJson): boolean {
  return item(instance, TAG.SequenceOfUltrasoundRegions) !== undefined
}

/**
 * The spacing to measure with and what it is worth. A projection's Imager Pixel Spacing is at the detector: what lies
 * nearer to the tube is drawn larger than it is (PS3.3 10.7.1.3), so its millimetres are named for what they are.
 */
export function calibrationOf(instance: DicomJson): { spacing: number[] | null; calibration: Calibration } {
  const modality = text(instance, TAG.Modality) ?? ''
  const spacing = numbers(instance, TAG.PixelSpacing)
  const imager = numbers(instance, TAG.ImagerPixelSpacing)
  const measures =
    item(item(instance, TAG.SharedFunctionalGroupsSequence), TAG.PixelMeasuresSequence) ??
    item(item(instance, TAG.PerFrameFunctionalGroupsSequence), TAG.PixelMeasuresSequence)
  if (spacing.length === 2) {
    const kind = text(instance, TAG.PixelSpacingCalibrationType)
    if (kind) return { spacing, calibration: { kind: 'calibrated', label: `mm, calibrated (${kind.toLowerCase()})` } }
    const asAtDetector = imager.length === 2 && imager.every((value, axis) => Math.abs(value - (spacing[axis] ?? 0)) < 1e-6)
    if (PROJECTIONS.has(modality))
      return asAtDetector
        ? { spacing, calibration: { kind: 'detector', label: 'mm at the detector' } }
        : { spacing, calibration: { kind: 'calibrated', label: 'mm, as the device calibrated' } }
    return { spacing, calibration: { kind: 'patient', label: 'mm in the patient' } }
  }
  if (imager.length === 2) {
    const factor = number(instance, TAG.EstimatedRadiographicMagnificationFactor)
    if (factor !== null && factor >= 1 && factor < 10)
      return {
        spacing: imager.map((value) => value / factor),
        calibration: { kind: 'calibrated', label: `mm, magnification ×${factor.toFixed(2)} corrected` },
      }
    return { spacing: imager, calibration: { kind: 'detector', label: 'mm at the detector' } }
  }
  if (measures) return { spacing: null, calibration: { kind: 'patient', label: 'mm in the patient' } }
  if (regionSpacing(instance)) return { spacing: null, calibration: { kind: 'region', label: 'calibrated in the scan region' } }
  return { spacing: null, calibration: { kind: 'none', label: 'not calibrated: pixels only' } }
}

function planeOf(instance: DicomJson, frameNumber: number): { orientation: number[]; position: number[] } {
  const shared = item(instance, TAG.SharedFunctionalGroupsSequence)
  const perFrame = instance[TAG.PerFrameFunctionalGroupsSequence]?.Value?.[frameNumber - 1] as DicomJson | undefined
  const orientation = [
    numbers(instance, TAG.ImageOrientationPatient),
    numbers(item(perFrame, TAG.PlaneOrientationSequence), TAG.ImageOrientationPatient),
    numbers(item(shared, TAG.PlaneOrientationSequence), TAG.ImageOrientationPatient),
  ].find((one) => one.length === 6)
  const position = [
    numbers(item(perFrame, TAG.PlanePositionSequence), TAG.ImagePositionPatient),
    numbers(instance, TAG.ImagePositionPatient),
    numbers(item(shared, TAG.PlanePositionSequence), TAG.ImagePositionPatient),
  ].find((one) => one.length === 3)
  return { orientation: orientation ?? [], position: position ?? [] }
}

/**
 * The height and width of a pixel in parts of its width, where they differ: Pixel Aspect Ratio (PS3.3 C.7.6.3.1.7), else
 * the one region of an ultrasound picture. No millimetres come of it.
 */
export function aspectOf(instance: DicomJson): number[] | null {
  const [vertical, horizontal] = numbers(instance, TAG.PixelAspectRatio)
  const region = item(instance, TAG.SequenceOfUltrasoundRegions)
  const across = region ? Math.abs(number(region, TAG.PhysicalDeltaX) ?? 0) : 0
  const down = region ? Math.abs(number(region, TAG.PhysicalDeltaY) ?? 0) : 0
  const alike = region && number(region, TAG.PhysicalUnitsXDirection) === number(region, TAG.PhysicalUnitsYDirection)
  const ratio = vertical && horizontal ? vertical / horizontal : alike && across && down ? down / across : 1
  return Math.abs(ratio - 1) < 1e-4 || !(ratio > 0.05 && ratio < 20) ? null : [ratio, 1]
}

/** Pixel Spacing of a frame of an enhanced object, whose own group tells more than the shared one (PS3.3 C.7.6.16.2.1). */
function spacingOf(instance: DicomJson, frameNumber: number): number[] | null {
  const perFrame = instance[TAG.PerFrameFunctionalGroupsSequence]?.Value?.[frameNumber - 1] as DicomJson | undefined
  const shared = item(instance, TAG.SharedFunctionalGroupsSequence)
  return (
    [perFrame, shared].map((group) => numbers(item(group, TAG.PixelMeasuresSequence), TAG.PixelSpacing)).find((one) => one.length === 2) ?? null
  )
}

function placedPlane(orientation: readonly number[], origin: Vec3 | null, spacing: readonly number[] | null, rows: number, columns: number): Plane | null {
  const row = vec3(orientation.slice(0, 3))
  const column = vec3(orientation.slice(3, 6))
  const [betweenRows, betweenColumns] = spacing ?? []
  if (!origin || !row || !column || !normalOf(orientation) || !betweenRows || !betweenColumns) return null
  return { origin, row, column, width: columns * betweenColumns, height: rows * betweenRows, betweenRows, betweenColumns }
}

interface Placed extends Frame {
  orientation: number[]
  normal: Vec3 | null
  group: string
}

function* framesOf(studyInstanceUid: string, seriesInstanceUid: string, instance: DicomJson): Generator<Placed> {
  const sopInstanceUid = text(instance, TAG.SOPInstanceUID)
  const rows = number(instance, TAG.Rows)
  const columns = number(instance, TAG.Columns)
  if (!sopInstanceUid || !rows || !columns || isVideo(instance) || !isPicture(instance)) return
  const { spacing, calibration } = calibrationOf(instance)
  // What Cornerstone is to draw by: without a spacing of its own, a picture still has the shape of its pixels.
  const drawnBy = calibration.kind === 'patient' ? null : (spacing ?? aspectOf(instance))
  const base = `/dicom-web/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`
  const count = Math.max(1, number(instance, TAG.NumberOfFrames) ?? 1)
  const metadataOf = metadataOfFrames(instance)
  let [written, plane] = ['', '']
  for (let at = 0; at < count; at++) {
    const frameNumber = at + 1
    const metadata = metadataOf(frameNumber)
    if (drawnBy) metadata[TAG.PixelSpacing] = { vr: 'DS', Value: drawnBy }
    // Cornerstone asks for the modality's name without looking whether there is one.
    metadata[TAG.Modality] ??= { vr: 'CS', Value: ['OT'] }
    const { orientation, position } = planeOf(instance, frameNumber)
    const normal = normalOf(orientation)
    const offset = offsetOfFrame(instance, at)
    const first = vec3(position)
    const point = normal && first && offset ? along(first, normal, offset) : first
    if (offset && point) metadata[TAG.ImagePositionPatient] = { vr: 'DS', Value: [...point] }
    const asWritten = orientation.join(',')
    if (asWritten !== written) [written, plane] = [asWritten, orientation.map((value) => value.toFixed(2)).join(',')]
    yield {
      imageId: `wadors:${window.location.origin}${base}/frames/${frameNumber}`,
      renderedUrl: `${base}/frames/${frameNumber}/rendered`,
      sopInstanceUid,
      seriesInstanceUid,
      frameNumber,
      instanceNumber: number(instance, TAG.InstanceNumber),
      position: normal && point ? dot(normal, point) : null,
      sliceThickness: number(metadata, TAG.SliceThickness),
      calibration,
      patientOrientation: texts(instance, TAG.PatientOrientation),
      hasPlane: normal !== null && point !== null,
      plane: placedPlane(orientation, point, spacing ?? spacingOf(instance, frameNumber), rows, columns),
      laterality: text(metadata, TAG.ImageLaterality) ?? text(metadata, TAG.FrameLaterality) ?? text(metadata, TAG.Laterality),
      viewPosition: text(instance, TAG.ViewPosition),
      lossy: text(instance, TAG.LossyImageCompression) === '01',
      grey: (number(instance, TAG.SamplesPerPixel) ?? 1) === 1 && text(instance, TAG.PhotometricInterpretation) !== 'PALETTE COLOR',
      metadata,
      orientation,
      normal,
      // A cine is a stack of its own; pictures of another size or plane (a localiser) do not scroll among the slices.
      group: count > 1 && !normal ? sopInstanceUid : `${rows}x${columns}/${plane}/${text(instance, TAG.FrameOfReferenceUID) ?? ''}`,
    }
  }
}

function byNumber(a: Frame, b: Frame): number {
  return (
    (a.instanceNumber ?? Infinity) - (b.instanceNumber ?? Infinity) ||
    (a.sopInstanceUid < b.sopInstanceUid ? -1 : a.sopInstanceUid > b.sopInstanceUid ? 1 : 0) ||
    a.frameNumber - b.frameNumber
  )
}

/** Along the plane's normal where every picture has its own place, running as the scanner numbered them; else by number. */
function ordered(frames: readonly Placed[]): { frames: Placed[]; positions: number[] | null } {
  const numbered = [...frames].sort(byNumber)
  const places = numbered.map((frame) => frame.position)
  const distinct = new Set(places.map((place) => place?.toFixed(3)))
  if (frames.length < 2 || places.some((place) => place === null) || distinct.size !== frames.length)
    return { frames: numbered, positions: null }
  const first = places[0] ?? 0
  const last = places[places.length - 1] ?? 0
  const direction = last < first ? -1 : 1
  const sorted = numbered.sort((a, b) => ((a.position ?? 0) - (b.position ?? 0)) * direction)
  return { frames: sorted, positions: sorted.map((frame) => frame.position ?? 0) }
}

/** What was made of a series' metadata, for as long as that is kept: of thousands of pictures it takes as long as to draw some. */
const made = new WeakMap<readonly DicomJson[], { studyInstanceUid: string; head: SeriesHead; stacks: readonly Stack[] }>()

/** The stacks of one series from its WADO-RS metadata, the same ones of the same; what holds no picture (SR, PDF, PR, KO), or a film, makes none. */
export function stacksOfSeries(studyInstanceUid: string, head: SeriesHead, instances: readonly DicomJson[]): readonly Stack[] {
  const before = made.get(instances)
  if (before?.studyInstanceUid === studyInstanceUid && alike(before.head, head)) return before.stacks
  const making = stacksOf(studyInstanceUid, head, instances)
  let step = making.next()
  while (!step.done) step = making.next()
  made.set(instances, { studyInstanceUid, head, stacks: step.value })
  return step.value
}

/** At a stretch no longer than this: what a person does meanwhile is answered, and frames are painted. */
const STRETCH_MS = 12
/** Frames that are made between two looks at the clock. */
const STRIDE = 32

const pause = () => new Promise<void>((done) => setTimeout(done))

/** Makes the stacks of a series for whoever asks for them next, a little at a time: of thousands of pictures a screen would stand still. */
export async function makeStacks(studyInstanceUid: string, head: SeriesHead, instances: readonly DicomJson[]): Promise<void> {
  const making = stacksOf(studyInstanceUid, head, instances)
  let begun = performance.now()
  for (let step = making.next(); ; step = making.next()) {
    if (step.done) {
      if (!made.has(instances)) made.set(instances, { studyInstanceUid, head, stacks: step.value })
      return
    }
    if (performance.now() - begun < STRETCH_MS) continue
    await pause()
    begun = performance.now()
  }
}

/** The stacks; it stops at times, for whoever makes them to do something else meanwhile. */
function* stacksOf(studyInstanceUid: string, head: SeriesHead, instances: readonly DicomJson[]): Generator<undefined, Stack[]> {
  const groups = new Map<string, Placed[]>()
  let frames = 0
  for (const instance of instances)
    for (const frame of framesOf(studyInstanceUid, head.seriesInstanceUid, instance)) {
      const group = groups.get(frame.group)
      if (group) group.push(frame)
      else groups.set(frame.group, [frame])
      if (++frames % STRIDE === 0) yield
    }
  return inOrder(head, groups)
}

function inOrder(head: SeriesHead, groups: ReadonlyMap<string, Placed[]>): Stack[] {
  const parts = [...groups.values()].map((group) => {
    const { frames, positions } = ordered(group)
    const first = frames[0]?.metadata
    return { frames, positions, first }
  })
  parts.sort((a, b) => b.frames.length - a.frames.length)
  return parts.map(({ frames, positions, first }, at) => ({
    key: `${head.seriesInstanceUid}#${frames[0]?.group ?? at}`,
    seriesInstanceUid: head.seriesInstanceUid,
    seriesNumber: head.seriesNumber,
    label: head.description ?? text(first, TAG.SeriesDescription) ?? head.modality ?? 'Images',
    modality: text(first, TAG.Modality) ?? head.modality,
    bodyPart: text(first, TAG.BodyPartExamined) ?? head.bodyPart,
    frames,
    frameOfReferenceUid: text(first, TAG.FrameOfReferenceUID),
    normal: frames[0]?.normal ?? null,
    positions,
    length: frames.length,
    cineRate: frames.some((frame) => frame.frameNumber > 1) && !frames[0]?.hasPlane ? (number(first, TAG.CineRate) ?? 15) : null,
  }))
}

const SPELT: Record<string, string> = { L: 'LEFT', R: 'RIGHT', B: 'BOTH SIDES' }

/** Image Laterality in words, as it always stands on a screen; an unpaired part (U) has no side to show. */
export function speltLaterality(code: string | null): string | null {
  return code ? (SPELT[code.toUpperCase()] ?? null) : null
}

/** The stack of a prior that is most like `stack`: modality, then plane, then words in its label, then length. */
export function mostAlike(stack: Stack, candidates: readonly Stack[]): Stack | null {
  const words = new Set(stack.label.toLowerCase().split(/\W+/).filter(Boolean))
  const score = (other: Stack): number => {
    let points = other.modality === stack.modality ? 100 : 0
    if (stack.normal && other.normal) points += Math.abs(dot(stack.normal, other.normal)) > 0.8 ? 50 : 0
    else if (!stack.normal && !other.normal) points += 20
    if (stack.frames[0]?.viewPosition && stack.frames[0].viewPosition === other.frames[0]?.viewPosition) points += 40
    if (stack.frames[0]?.laterality && stack.frames[0].laterality === other.frames[0]?.laterality) points += 40
    points += 10 * other.label.toLowerCase().split(/\W+/).filter((word) => words.has(word)).length
    return points + Math.min(other.length, stack.length) / Math.max(other.length, stack.length, 1)
  }
  return candidates.reduce<Stack | null>((best, other) => (best === null || score(other) > score(best) ? other : best), null)
}

/** Whether two stacks are of the same pictures in the same order. */
export function sameFrames(a: Stack | null, b: Stack): boolean {
  return a !== null && a.length === b.length && a.frames.every((frame, at) => frame.imageId === b.frames[at]?.imageId)
}
