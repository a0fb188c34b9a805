import type { Layout } from './values'
import { looked, type Table } from './tables'

const JPEG_BASELINE = new Set(['1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.51'])

/** Red, green and blue, 8 bits each, of plain pixels of three samples (PS3.3 C.7.6.3.1.2). */
export function colours(bytes: Uint8Array, layout: Layout): Uint8ClampedArray {
  const { rows, columns, photometric, allocated, stored, planes } = layout
  const size = rows * columns
  const width = allocated / 8
  if (photometric.endsWith('_422') && width === 1 && bytes.byteLength < 3 * size) return halved(bytes, size, photometric)
  if (bytes.byteLength < 3 * size * width) throw new Error('The picture has fewer pixels than it says.')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const shift = Math.max(0, stored - 8)
  const sample = (at: number) => (width === 1 ? (bytes[at] ?? 0) : width === 2 ? view.getUint16(2 * at, true) >> shift : view.getUint32(4 * at, true) / 2 ** shift)
  const out = new Uint8ClampedArray(3 * size)
  for (let at = 0; at < size; at++)
    for (let channel = 0; channel < 3; channel++) out[3 * at + channel] = Math.floor(sample(planes ? channel * size + at : 3 * at + channel))
  // Archives decode JPEG that says 4:2:2 to RGB, for it has no plain form of its own at full length.
  const isRgb = photometric === 'RGB' || photometric === 'YBR_RCT' || photometric === 'YBR_ICT' || (photometric.endsWith('_422') && JPEG_BASELINE.has(layout.transferSyntaxUid))
  if (!isRgb) for (let at = 0; at < 3 * size; at += 3) toRgb(out, at, out[at] ?? 0, out[at + 1] ?? 0, out[at + 2] ?? 0, photometric.startsWith('YBR_PARTIAL'))
  return out
}

/** Two pixels in four samples: Y, Y, Cb, Cr. */
function halved(bytes: Uint8Array, size: number, photometric: string): Uint8ClampedArray {
  const out = new Uint8ClampedArray(3 * size)
  for (let at = 0; at < size; at++) {
    const pair = 4 * (at >> 1)
    toRgb(out, 3 * at, bytes[pair + (at & 1)] ?? 0, bytes[pair + 2] ?? 128, bytes[pair + 3] ?? 128, photometric.startsWith('YBR_PARTIAL'))
  }
  return out
}

function toRgb(out: Uint8ClampedArray, at: number, y: number, cb: number, cr: number, partial: boolean): void {
  const bright = partial ? (y - 16) * (255 / 219) : y
  const blue = (cb - 128) * (partial ? 255 / 224 : 1)
  const red = (cr - 128) * (partial ? 255 / 224 : 1)
  out[at] = bright + 1.402 * red
  out[at + 1] = bright - 0.344136 * blue - 0.714136 * red
  out[at + 2] = bright + 1.772 * blue
}

/** Red, green and blue of values by a palette. */
export function painted(values: ArrayLike<number>, palette: readonly Table[]): Uint8ClampedArray {
  const out = new Uint8ClampedArray(3 * values.length)
  for (let at = 0; at < values.length; at++) palette.forEach((table, channel) => (out[3 * at + channel] = looked(table, values[at] ?? 0)))
  return out
}

/** Whether a JPEG stream says itself whether it is RGB or YCbCr: by JFIF, or by Adobe's marker. */
export function saysItsColours(jpeg: Uint8Array): boolean {
  const start = String.fromCharCode(...jpeg.subarray(0, 1024))
  const adobe = start.indexOf('Adobe')
  return start.includes('JFIF') || (adobe >= 2 && (start.charCodeAt(adobe - 2) << 8) + start.charCodeAt(adobe - 1) >= 14)
}
