import { number, numbers, text, type DicomJson } from '../dicom'
import { looked, type Table } from './tables'

/** How the pixels of a frame are stored (PS3.3 C.7.6.3). */
export interface Layout {
  rows: number
  columns: number
  samples: number
  photometric: string
  allocated: number
  stored: number
  highBit: number
  signed: boolean
  planes: boolean
  kind: 'integer' | 'float' | 'double'
  transferSyntaxUid: string
}

/**
 * By what a picture's values are seen. An image's Presentation LUT Shape says again what its Photometric Interpretation says
 * (PS3.3 C.8.11.3.1.2), and nothing is turned round twice; where they differ, the shape is what the scanner's own screen
 * went by.
 */
function photometricOf(metadata: DicomJson): string {
  const photometric = text(metadata, '00280004') ?? 'MONOCHROME2'
  const shape = text(metadata, '20500020')
  if (!photometric.startsWith('MONOCHROME')) return photometric
  return shape === 'INVERSE' ? 'MONOCHROME1' : shape === 'IDENTITY' ? 'MONOCHROME2' : photometric
}

/** Whether the least of a picture's values is white. */
export function isLeastWhite(metadata: DicomJson): boolean {
  return photometricOf(metadata) === 'MONOCHROME1'
}

/** A picture's metadata for who asks its Photometric Interpretation alone. */
export function withPhotometric(metadata: DicomJson): DicomJson {
  const photometric = photometricOf(metadata)
  return photometric === text(metadata, '00280004') ? metadata : { ...metadata, '00280004': { vr: 'CS', Value: [photometric] } }
}

export function layoutOf(metadata: DicomJson): Layout {
  const allocated = number(metadata, '00280100') ?? 16
  const stored = number(metadata, '00280101') ?? allocated
  return {
    rows: number(metadata, '00280010') ?? 0,
    columns: number(metadata, '00280011') ?? 0,
    samples: number(metadata, '00280002') ?? 1,
    photometric: photometricOf(metadata),
    allocated,
    stored,
    highBit: number(metadata, '00280102') ?? stored - 1,
    signed: number(metadata, '00280103') === 1,
    planes: number(metadata, '00280006') === 1,
    kind: metadata['7FE00008'] ? 'float' : metadata['7FE00009'] ? 'double' : 'integer',
    transferSyntaxUid: text(metadata, '00083002') ?? '',
  }
}

export type Values = Uint8Array | Uint16Array | Int16Array | Float32Array

/** The stored values of plain little-endian pixels of one sample, cleared of bits that are none of theirs (PS3.5 8.1.1). */
export function storedValues(bytes: Uint8Array, layout: Layout): Values {
  const { rows, columns, allocated, stored, highBit, signed, kind } = layout
  const size = rows * columns
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const need = (width: number) => {
    if (bytes.byteLength < size * width) throw new Error('The picture has fewer pixels than it says.')
  }
  if (kind !== 'integer') {
    need(kind === 'float' ? 4 : 8)
    return Float32Array.from({ length: size }, (_, at) => (kind === 'float' ? view.getFloat32(4 * at, true) : view.getFloat64(8 * at, true)))
  }
  if (allocated === 1) {
    need(1 / 8)
    return Uint8Array.from({ length: size }, (_, at) => ((bytes[at >> 3] ?? 0) >> (at & 7)) & 1)
  }
  const width = allocated / 8
  need(width)
  const shift = Math.max(0, highBit + 1 - stored)
  if (allocated === 32) {
    const raw = (at: number) => (signed ? view.getInt32(4 * at, true) : view.getUint32(4 * at, true))
    if (stored >= 32) return Float32Array.from({ length: size }, (_, at) => raw(at))
    return Float32Array.from({ length: size }, (_, at) => {
      const value = (view.getUint32(4 * at, true) >>> shift) % 2 ** stored
      return signed && value >= 2 ** (stored - 1) ? value - 2 ** stored : value
    })
  }
  const mask = 2 ** stored - 1
  const half = 2 ** (stored - 1)
  const at16 = (at: number) => {
    const value = ((width === 1 ? (bytes[at] ?? 0) : view.getUint16(2 * at, true)) >> shift) & mask
    return signed && value >= half ? value - 2 * half : value
  }
  const out = signed ? new Int16Array(size) : width === 1 ? new Uint8Array(size) : new Uint16Array(size)
  for (let at = 0; at < size; at++) out[at] = at16(at)
  return out
}

/** Rescale Slope and Intercept of a frame; null: none, or a table stands in their place. */
export function rescaleOf(metadata: DicomJson): { slope: number; intercept: number } | null {
  const slope = number(metadata, '00281053')
  const intercept = number(metadata, '00281052')
  return slope === null && intercept === null ? null : { slope: slope || 1, intercept: intercept ?? 0 }
}

/** Values of the modality: by its table, else by slope and intercept (PS3.3 C.11.1). Padding behind a table is `beyondTables`. */
export function modalityValues(
  stored: Values,
  rescale: { slope: number; intercept: number } | null,
  table: Table | null,
  padding: { is: (stored: number) => boolean; white: boolean } | null = null,
): Values {
  if (table && padding && stored.some((value) => padding.is(value))) return aroundTable(stored, table, padding)
  if (table) return Uint16Array.from(stored, (value) => looked(table, value))
  if (!rescale || (rescale.slope === 1 && rescale.intercept === 0)) return stored
  const { slope, intercept } = rescale
  const [low, high] = extremes(stored)
  const ends = [low * slope + intercept, high * slope + intercept]
  const whole = Number.isInteger(slope) && Number.isInteger(intercept) && !(stored instanceof Float32Array)
  const out = whole && Math.min(...ends) >= -32768 && Math.max(...ends) <= 32767 ? new Int16Array(stored.length) : new Float32Array(stored.length)
  for (let at = 0; at < stored.length; at++) out[at] = (stored[at] ?? 0) * slope + intercept
  return out
}

/**
 * Whether a value can be none of a Modality LUT's, whose entries have 16 bits and no sign (PS3.3 C.11.1.1): so padding is
 * kept apart from the picture, since what was stored cannot be told from what a table has made of it.
 */
export function beyondTables(value: number): boolean {
  return value < 0 || value > 65535
}

/** Padding is told by what was stored, before the table (PS3.3 C.7.5.1.1.2); where zero is white, black lies above all. */
function aroundTable(stored: Values, table: Table, { is, white }: { is: (stored: number) => boolean; white: boolean }): Values {
  const background = white ? 65536 : -1
  const wide = white || Array.prototype.some.call(table.entries, (entry: number) => entry > 32767)
  const out = wide ? new Float32Array(stored.length) : new Int16Array(stored.length)
  for (let at = 0; at < stored.length; at++) {
    const value = stored[at] ?? 0
    out[at] = is(value) ? background : looked(table, value)
  }
  return out
}

export function extremes(values: ArrayLike<number>, left: (value: number) => boolean = () => false): [number, number] {
  let [low, high] = [Infinity, -Infinity]
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? NaN
    if (!Number.isFinite(value) || left(value)) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  return low <= high ? [low, high] : [0, 1]
}

/** Whether a stored value is padding that lies around the picture (PS3.3 C.7.5.1.1.2); null: there is none. */
export function paddingOf(metadata: DicomJson): ((stored: number) => boolean) | null {
  const [value] = numbers(metadata, '00280120')
  if (value === undefined) return null
  const [limit] = numbers(metadata, '00280121')
  const signed = number(metadata, '00280103') === 1
  // The value is US or SS as the pixels are; writers get it wrong.
  const meant = (one: number) => (signed && one > 0x7fff && one <= 0xffff ? one - 0x10000 : !signed && one < 0 ? one + 0x10000 : one)
  const [from, to] = [meant(value), meant(limit ?? value)].sort((a, b) => a - b) as [number, number]
  return (stored) => stored >= from && stored <= to
}
