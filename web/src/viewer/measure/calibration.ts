import { frameOf } from '../pixels/remembered'
import type { DicomJson } from '../dicom'
import type { Calibration } from '../stacks'

/** What Cornerstone measured on: `imageId:…` of a picture, `volumeId:…` of slices that were stacked into a volume. */
export function calibrationOfTarget(targetId: string): Calibration['kind'] {
  // A volume is only made of slices that have their place in the patient.
  if (!targetId.startsWith('imageId:')) return 'patient'
  return frameOf(targetId.slice('imageId:'.length))?.calibration.kind ?? 'none'
}

/** In what a difference is told on which was measured; null: it was no difference. */
export function differenceOfTarget(targetId: string): 'values' | 'logarithms' | null {
  return targetId.startsWith('imageId:') ? (frameOf(targetId.slice('imageId:'.length))?.subtracted?.scale ?? null) : null
}

export function metadataOf(imageId: string): DicomJson | null {
  return frameOf(imageId)?.metadata ?? null
}
