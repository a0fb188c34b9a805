import type { DicomJson } from './dicom'

const SHARED = '52009229'
const PER_FRAME = '52009230'
const OF_ALL_FRAMES = new Set([SHARED, PER_FRAME, '00280008'])
/** Macros whose attributes mean what they mean at the top of a single picture (PS3.3 C.7.6.16.2). */
const MACROS = new Set([
  '00289110', // Pixel Measures
  '00209113', // Plane Position
  '00209116', // Plane Orientation
  '00289132', // Frame VOI LUT
  '00289145', // Pixel Value Transformation
  '00209071', // Frame Anatomy: Frame Laterality
  '00209111', // Frame Content
  '00289415', // Frame Pixel Shift: of the first subtraction item
  '00289443', // XA/XRF Frame Pixel Data Properties: Pixel Intensity Relationship
])

/**
 * What is true of one frame (from 1), as if it were a picture by itself: its own functional groups before the shared
 * ones, those before the top level.
 */
export function metadataOfFrame(instance: DicomJson, frameNumber: number): DicomJson {
  return metadataOfFrames(instance)(frameNumber)
}

/** The same of each frame of an instance: what all of them share is gone through once, not a thousand times. */
export function metadataOfFrames(instance: DicomJson): (frameNumber: number) => DicomJson {
  const isShared = (tag: string) => !OF_ALL_FRAMES.has(tag)
  // Of thousands of single pictures each is copied, and none is gone through.
  const shared: DicomJson = [...OF_ALL_FRAMES].some((tag) => tag in instance) ? Object.fromEntries(Object.entries(instance).filter(([tag]) => isShared(tag))) : { ...instance }
  layOver(shared, instance[SHARED]?.Value?.[0])
  const groups = instance[PER_FRAME]?.Value ?? []
  return (frameNumber) => {
    const out = { ...shared }
    layOver(out, groups[frameNumber - 1])
    return out
  }
}

function layOver(out: DicomJson, group: unknown): void {
  for (const [tag, macro] of Object.entries((group ?? {}) as DicomJson)) {
    const first = macro.Value?.[0]
    if (MACROS.has(tag) && first !== null && typeof first === 'object') Object.assign(out, first)
  }
}
