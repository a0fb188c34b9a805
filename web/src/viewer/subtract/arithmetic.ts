import { item, text, type DicomJson } from '../dicom'
import type { Shift } from './types'

/** In what a difference is told. */
export type Scale = 'values' | 'logarithms'

const PROJECTIONS = new Set(['XA', 'RF', 'XRF', 'DX', 'CR'])
/** Differences of logarithms are thousandths: of small ones, parts per thousand of the beam. */
const LOG_UNIT = 1000

/**
 * Of X-rays the thickness of contrast shows in the logarithm of the beam. Where pixels are proportional to the beam (Pixel
 * Intensity Relationship LIN, PS3.3 C.8.7.1.1.2) and no Modality LUT has made logarithms of them, they are made here.
 */
export function scaleOf(metadata: DicomJson): Scale {
  const isBeam = text(metadata, '00281040') === 'LIN' && PROJECTIONS.has(text(metadata, '00080060') ?? '')
  return isBeam && !item(metadata, '00283000') ? 'logarithms' : 'values'
}

export function scaled(values: ArrayLike<number>, scale: Scale): Float32Array {
  if (scale === 'values') return Float32Array.from(values)
  return Float32Array.from(values, (value) => LOG_UNIT * Math.log(Math.max(1, value)))
}

export function averaged(all: readonly Float32Array[]): Float32Array {
  const [first] = all
  if (!first) throw new Error('There is nothing to average.')
  if (all.length === 1) return first
  const out = new Float32Array(first.length)
  for (const one of all) for (let at = 0; at < out.length; at++) out[at] = (out[at] ?? 0) + (one[at] ?? 0) / all.length
  return out
}

/** What is left when a mask is moved and taken away: values that the mask does not reach count as equal to it. */
export function difference(contrast: Float32Array, mask: Float32Array, columns: number, { right, down }: Shift, kept: number): Float32Array {
  const rows = columns ? contrast.length / columns : 0
  const out = new Float32Array(contrast.length)
  const part = 1 - kept
  if (right === 0 && down === 0) {
    for (let at = 0; at < out.length; at++) out[at] = (contrast[at] ?? 0) - part * (mask[at] ?? 0)
    return out
  }
  for (let y = 0; y < rows; y++) {
    const fromY = y - down
    const top = Math.floor(fromY)
    const below = fromY - top
    for (let x = 0; x < columns; x++) {
      const at = y * columns + x
      const value = contrast[at] ?? 0
      const fromX = x - right
      const left = Math.floor(fromX)
      const beside = fromX - left
      if (top < 0 || left < 0 || top + (below > 0 ? 1 : 0) >= rows || left + (beside > 0 ? 1 : 0) >= columns) {
        out[at] = kept * value
        continue
      }
      const corner = top * columns + left
      const upper = (mask[corner] ?? 0) * (1 - beside) + (beside > 0 ? (mask[corner + 1] ?? 0) * beside : 0)
      const lower = below > 0 ? (mask[corner + columns] ?? 0) * (1 - beside) + (beside > 0 ? (mask[corner + columns + 1] ?? 0) * beside : 0) : 0
      out[at] = value - part * (upper * (1 - below) + lower * below)
    }
  }
  return out
}

/** Of the values this part is left out at each end: few pixels, of metal or an edge, do not decide. */
const LEFT_OUT = 0.003
const SAMPLES_MOST = 60_000

/** The window that shows what is left after subtraction: around nothing, or with all of the anatomy that was kept. */
export function windowAround(all: readonly Float32Array[], kept: number): { center: number; width: number } {
  const count = all.reduce((sum, one) => sum + one.length, 0)
  const step = Math.max(1, Math.ceil(count / SAMPLES_MOST))
  const found: number[] = []
  for (const one of all) for (let at = 0; at < one.length; at += step) found.push(one[at] ?? 0)
  const sorted = Float32Array.from(found.filter(Number.isFinite)).sort()
  const at = (part: number) => sorted[Math.round(part * (sorted.length - 1))] ?? 0
  const [low, high] = [at(LEFT_OUT), at(1 - LEFT_OUT)]
  const reach = Math.max(Math.abs(low), Math.abs(high), 0.5)
  // `center - 0.5` is the middle of a window (PS3.3 C.11.2.1.2.1): nothing is grey, exactly.
  if (kept < 0.005) return { center: 0.5, width: 2 * reach + 1 }
  return { center: (low + high) / 2 + 0.5, width: Math.max(1, high - low) + 1 }
}
