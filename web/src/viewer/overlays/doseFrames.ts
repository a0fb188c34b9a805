import { number, numbers, type DicomJson } from '../dicom'
import { vec3 } from '../geometry'
import { axesOf } from './solids'

const OFFSETS = '3004000C'
export const TOLERANCE_MM = 0.01

/**
 * Where each frame lies along the normal from Image Position (Patient): Grid Frame Offset Vector tells it from there where
 * its first value is 0, or as z of the patient where that is z of the position (PS3.3 C.8.8.3.2). Null: neither.
 */
export function frameOffsets(instance: DicomJson): number[] | null {
  const given = numbers(instance, OFFSETS)
  const frames = number(instance, '00280008') ?? 1
  const axes = axesOf(numbers(instance, '00200037'))
  const origin = vec3(numbers(instance, '00200032'))
  if (!axes || !origin) return null
  if (!given.length) return frames === 1 ? [0] : null
  const [first = NaN] = given
  if (given.length !== frames) return null
  if (first === 0) return given
  if (Math.abs(first - origin[2]) > TOLERANCE_MM || Math.abs(Math.abs(axes.normal[2]) - 1) > 1e-3) return null
  return given.map((z) => (z - origin[2]) * Math.sign(axes.normal[2]))
}
