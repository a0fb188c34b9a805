import { bytesOf } from '../bulk'
import { item, numbers, text, values, type DicomJson } from '../dicom'

/** A lookup table: the value that its first entry stands for, and its entries. */
export interface Table {
  first: number
  entries: ArrayLike<number>
  explanation: string | null
}

const DESCRIPTOR = '00283002'
const DATA = '00283006'
const EXPLANATION = '00283003'

/**
 * Descriptor and data of a table (PS3.3 C.11.1.1): no entries means 65,536; only the first value mapped can be negative.
 * Writers err in the width of entries, so the length of the data decides. Null: no table.
 */
export function tableOf(descriptor: readonly number[], bytes: Uint8Array, signed: boolean, explanation: string | null = null): Table | null {
  const [told, start] = descriptor
  if (told === undefined || start === undefined || !bytes.length) return null
  const count = (told & 0xffff) || 65536
  const first = signed && (start & 0xffff) > 0x7fff ? (start & 0xffff) - 0x10000 : start & 0xffff
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const wide = bytes.length >= 2 * count
  const length = Math.min(count, wide ? bytes.length >> 1 : bytes.length)
  return { first, entries: Uint16Array.from({ length }, (_, at) => (wide ? view.getUint16(2 * at, true) : (bytes[at] ?? 0))), explanation }
}

/** The first table of a sequence of them: Modality LUT (0028,3000) or VOI LUT (0028,3010). */
export async function tableIn(metadata: DicomJson, sequence: string, signed: boolean): Promise<Table | null> {
  const first = item(metadata, sequence)
  const data = first?.[DATA]
  if (!first || !data) return null
  const words = numbers(first, DATA)
  const bytes = words.length ? new Uint8Array(Uint16Array.from(words).buffer) : await bytesOf(data)
  return tableOf(numbers(first, DESCRIPTOR), bytes, signed, text(first, EXPLANATION))
}

/** Red, green and blue of a palette (PS3.3 C.7.9), 8 bits an entry; null where one is missing. */
export async function paletteOf(metadata: DicomJson): Promise<readonly Table[] | null> {
  const found: Table[] = []
  for (const colour of ['1', '2', '3']) {
    const descriptor = numbers(metadata, `0028110${colour}`)
    const data = metadata[`0028120${colour}`]
    const words = values(metadata, `0028120${colour}`).length ? numbers(metadata, `0028120${colour}`) : null
    const bytes = words ? new Uint8Array(Uint16Array.from(words).buffer) : data ? await bytesOf(data) : new Uint8Array(0)
    const table = tableOf(descriptor, bytes, false)
    if (!table) return null
    const entries = Uint16Array.from(table.entries)
    // Some writers say 16 bits of tables whose entries need but 8.
    const wide = entries.some((entry) => entry > 255)
    found.push({ ...table, entries: wide ? entries.map((entry) => entry >> 8) : entries })
  }
  return found
}

/** The entry that a value is mapped to; values outside of a table get its ends. */
export function looked(table: Table, value: number): number {
  return table.entries[Math.max(0, Math.min(table.entries.length - 1, Math.round(value) - table.first))] ?? 0
}
