import type { Calibration, Frame } from '../stacks'

const kinds = new Map<string, Calibration['kind']>()

/** Remembers what a millimetre on these pictures is worth, for the words beside measurements. */
export function rememberCalibration(frames: readonly Frame[]): void {
  for (const frame of frames) kinds.set(frame.imageId, frame.calibration.kind)
}

/** What Cornerstone measured on: `imageId:…` of a picture, `volumeId:…` of slices that were stacked into a volume. */
export function calibrationOfTarget(targetId: string): Calibration['kind'] {
  // A volume is only made of slices that have their place in the patient.
  if (!targetId.startsWith('imageId:')) return 'patient'
  return kinds.get(targetId.slice('imageId:'.length)) ?? 'none'
}
