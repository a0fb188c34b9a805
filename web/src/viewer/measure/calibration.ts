import { frameOf } from '../pixels/remembered'
import type { DicomJson } from '../dicom'
import type { Calibration } from '../stacks'

/** What Cornerstone measured on: `imageId:…` of a picture, `volumeId:…` of slices that were stacked into a volume. */
export function calibrationOfTarget(targetId: string): Calibration['kind'] {
  // A volume is only made of slices that have their place in the patient.
  if (!targetId.startsWith('imageId:')) return 'patient'
  return frameOf(targetId.slice('imageId:'.length))?.calibration.kind ?? 'none'
}

export function metadataOf(imageId: string): DicomJson | null {
  return frameOf(imageId)?.metadata ?? null
}
