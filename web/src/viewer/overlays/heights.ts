import { item, number, numbers, text, type DicomJson } from '../dicom'
import { EMPTY, itemsIn, type Form, type Layer } from './layers'
import { segmentationOf } from './segmentation'

const SHARED = '52009229'
const PER_FRAME = '52009230'
const FLOATS = '7FE00008'

/** The surface of one segment: of each row of the map the picture that it is on, `sop/frame`. */
export interface HeightFrame {
  /** From 0. */
  at: number
  segment: number
  pictures: readonly string[]
}

/** A Height Map Segmentation (PS3.3 A.91) as lines on the very pictures whose surfaces it tells. */
export function heightsOf(instance: DicomJson): Layer | null {
  const layer = segmentationOf(instance)
  if (!layer) return null
  // Heights are rows of a picture, whatever its place in the patient.
  return { ...layer, kind: 'heights', parts: layer.parts.map((part) => ({ ...part, frameOfReferenceUid: null })), fault: faultOf(instance, layer) }
}

function faultOf(instance: DicomJson, { parts, instances }: Layer): string | null {
  if (!parts.length) return 'It names no segments.'
  if (!instance[FLOATS] || number(instance, '00280100') !== 32) return 'It has no heights (Float Pixel Data).'
  if (!instances.size) return 'It does not say on which images its surfaces are.'
  return null
}

/** Which row of which frame is on which picture (PS3.3 A.91.5.1). */
export function heightFramesOf(instance: DicomJson): HeightFrame[] {
  const rows = number(instance, '00280010') ?? 0
  const shared = item(instance, SHARED)
  return itemsIn(instance, PER_FRAME).flatMap((group, at): HeightFrame[] => {
    const of = (tag: string) => item(group, tag) ?? item(shared, tag)
    const segment = number(of('0062000A'), '0062000B')
    const derivation = itemsIn(group, '00089124').length ? itemsIn(group, '00089124') : itemsIn(shared, '00089124')
    const sources = derivation.flatMap((one) => itemsIn(one, '00082112'))
    const pictures = sources.flatMap((source) => {
      const sop = text(source, '00081155') ?? ''
      const named = numbers(source, '00081160')
      // One picture of as many frames as there are rows need not name them.
      const frames = named.length ? named : sources.length === 1 ? Array.from({ length: rows }, (_, row) => row + 1) : [1]
      return frames.map((frame) => `${sop}/${frame}`)
    })
    return segment === null ? [] : [{ at, segment, pictures: pictures.slice(0, rows) }]
  })
}

/** Whether a height is one: padding is none, nor is what lies beyond the picture. */
function isHeight(instance: DicomJson): (value: number) => boolean {
  const padding = number(instance, '00280122')
  const limit = number(instance, '00280124') ?? padding
  const [least, most] = padding === null || limit === null ? [Infinity, -Infinity] : [Math.min(padding, limit), Math.max(padding, limit)]
  return (value) => Number.isFinite(value) && value >= 0 && !(value >= least && value <= most)
}

/** The line of a row of heights on its picture, whose first pixel reaches from 0 to 1: broken where there is none. */
export function lineOfHeights(heights: ArrayLike<number>, from: number, columns: number, counts: (value: number) => boolean): string {
  let [d, drawing] = ['', false]
  for (let column = 0; column < columns; column++) {
    const value = heights[from + column] ?? NaN
    const is = counts(value)
    if (is) {
      const next = counts(heights[from + column + 1] ?? NaN) && column + 1 < columns
      const y = Math.round(value * 100) / 100
      // A height with no neighbour is as long as its pixel.
      if (!drawing && !next) d += `M${column} ${y}H${column + 1}`
      else d += `${drawing ? 'L' : 'M'}${column + 0.5} ${y}`
    }
    drawing = is
  }
  return d
}

export function frameCount(instance: DicomJson): number {
  return number(instance, '00280008') ?? 1
}

/** How many bytes a frame of heights has. */
export function heightBytes(instance: DicomJson): number {
  return 4 * (number(instance, '00280010') ?? 0) * (number(instance, '00280011') ?? 0)
}

/** The forms of the segments from the frames that are here, of heights of four bytes in the order of rows and columns. */
export function heightForms(instance: DicomJson, held: readonly Uint8Array[]): Map<number, Form> {
  const [rows, columns] = [number(instance, '00280010') ?? 0, number(instance, '00280011') ?? 0]
  const frames = heightFramesOf(instance)
  if (held.some((one) => one.byteLength < 4 * rows * columns)) throw new Error('It has fewer heights than it says.')
  const counts = isHeight(instance)
  const lines = new Map<number, Map<string, string>>()
  for (const { at, segment, pictures } of frames) {
    const bytes = held[at]
    if (!bytes) continue
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const own = lines.get(segment) ?? new Map<string, string>()
    lines.set(segment, own)
    pictures.forEach((picture, row) => {
      const start = 4 * row * columns
      const heights = Float32Array.from({ length: columns }, (_, column) => view.getFloat32(start + 4 * column, true))
      const d = lineOfHeights(heights, 0, columns, counts)
      if (d) own.set(picture, (own.get(picture) ?? '') + d)
    })
  }
  return new Map(Array.from(lines, ([segment, linesOn]) => [segment, { ...EMPTY, size: [columns, 0], linesOn }]))
}
