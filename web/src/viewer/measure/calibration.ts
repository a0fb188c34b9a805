import type { DicomJson } from '../dicom'
import type { Calibration, Frame } from '../stacks'

const known = new Map<string, Frame>()

/** Remembers what these pictures are: what a millimetre on them is worth, and which of their pixels count. */
export function rememberCalibration(frames: readonly Frame[]): void {
  for (const frame of frames) known.set(frame.imageId, frame)
}

/** What Cornerstone measured on: `imageId:…` of a picture, `volumeId:…` of slices that were stacked into a volume. */
export function calibrationOfTarget(targetId: string): Calibration['kind'] {
  // A volume is only made of slices that have their place in the patient.
  if (!targetId.startsWith('imageId:')) return 'patient'
  return known.get(targetId.slice('imageId:'.length))?.calibration.kind ?? 'none'
}

export function metadataOf(imageId: string): DicomJson | null {
  return known.get(imageId)?.metadata ?? null
}
