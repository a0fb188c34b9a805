/** A ZIP of files that are packed already (pictures): stored, each with its checksum (PKWARE APPNOTE 4.3). */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1
  return value >>> 0
})

export function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff
  for (const byte of bytes) value = (TABLE[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8)
  return (value ^ 0xffffffff) >>> 0
}

interface Entry {
  name: Uint8Array<ArrayBuffer>
  crc: number
  size: number
  at: number
}

/** Takes files one by one, so that each may be forgotten by who made it. */
export class Zip {
  private readonly parts: BlobPart[] = []
  private readonly entries: Entry[] = []
  private size = 0

  async add(name: string, content: Blob): Promise<void> {
    const bytes = new Uint8Array(await content.arrayBuffer())
    const entry = { name: new Uint8Array(new TextEncoder().encode(name)), crc: crc32(bytes), size: bytes.length, at: this.size }
    this.entries.push(entry)
    this.put(record(0x04034b50, [20], entry, [entry.name.length, 0]), entry.name)
    this.parts.push(content)
    this.size += entry.size
  }

  end(): Blob {
    const begin = this.size
    for (const entry of this.entries)
      this.put(record(0x02014b50, [20, 20], entry, [entry.name.length, 0, 0, 0, 0], 4, entry.at), entry.name)
    const length = this.size - begin
    const last = new DataView(new ArrayBuffer(22))
    last.setUint32(0, 0x06054b50, true)
    last.setUint16(8, this.entries.length, true)
    last.setUint16(10, this.entries.length, true)
    last.setUint32(12, length, true)
    last.setUint32(16, begin, true)
    this.put(new Uint8Array(last.buffer))
    return new Blob(this.parts, { type: 'application/zip' })
  }

  private put(...parts: Uint8Array<ArrayBuffer>[]): void {
    for (const part of parts) {
      this.parts.push(part)
      this.size += part.length
    }
  }
}

/** A header: signature, versions, flags (names are UTF-8), no compression, no time, checksum, sizes, then what differs. */
function record(signature: number, versions: number[], { crc, size }: Entry, lengths: number[], attributes = 0, at?: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(4 + 2 * versions.length + 8 + 12 + 2 * lengths.length + attributes + (at === undefined ? 0 : 4)))
  let place = 0
  const u16 = (value: number) => view.setUint16((place += 2) - 2, value, true)
  const u32 = (value: number) => view.setUint32((place += 4) - 4, value, true)
  u32(signature)
  versions.forEach(u16)
  u16(0x0800)
  u16(0)
  u16(0)
  u16(0x21) // the first day that ZIP knows: a picture tells no time of its own
  u32(crc)
  u32(size)
  u32(size)
  lengths.forEach(u16)
  if (attributes) u32(0)
  if (at !== undefined) u32(at)
  return new Uint8Array(view.buffer)
}
