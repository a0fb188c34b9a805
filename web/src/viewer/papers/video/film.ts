import { number, type DicomJson } from '../../dicom'

/** How the bytes of a film begin: what they are wrapped in, or that they are not wrapped at all. */
export type Wrapping = 'mp4' | 'transport' | 'program' | 'bare' | 'unknown'

/** PS3.5 8.2.5 to 8.2.11: a stream of MPEG-2, H.264 or H.265, in MP4, in MPEG-2 systems, or bare. */
export function wrappingOf(head: Uint8Array): Wrapping {
  const starts = (at: number, ...bytes: number[]) => bytes.every((byte, n) => head[at + n] === byte)
  if (starts(4, 0x66, 0x74, 0x79, 0x70)) return 'mp4'
  if (starts(0, 0x47) && (head.length < 189 || starts(188, 0x47))) return 'transport'
  if (starts(0, 0, 0, 1, 0xba)) return 'program'
  if (starts(0, 0, 0, 1) || starts(0, 0, 0, 0, 1)) return 'bare'
  return 'unknown'
}

/** Pictures a second as the object says; null where it says nothing that can be. */
export function rateTold(instance: DicomJson): number | null {
  const time_ms = number(instance, '00181063')
  const told = [number(instance, '00180040'), time_ms ? 1000 / time_ms : null, number(instance, '00082144')].find((one) => one !== null && one > 0 && one <= 1000)
  return told ?? null
}

/**
 * Pictures a second by which a film is stepped through: by how many it has and how long it takes; what the object says
 * where those contradict it by more than a rounding is only what its maker recommends.
 */
export function rateOfFilm(frames: number | null, duration_s: number, told: number | null): number {
  const counted = frames && frames > 1 && duration_s > 0 ? frames / duration_s : null
  const rate = counted ?? told ?? 25
  return told !== null && counted !== null && Math.abs(told / counted - 1) < 0.02 ? told : rate
}

/** Which picture is seen at a time, from 0. */
export function frameAt(time_s: number, rate: number, frames: number | null): number {
  const at = Math.max(0, Math.floor(time_s * rate + 1e-3))
  return frames ? Math.min(frames - 1, at) : at
}

/** A time at which a picture is seen, well within it. */
export function timeOf(frame: number, rate: number): number {
  return (Math.max(0, frame) + 0.5) / rate
}
