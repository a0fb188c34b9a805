/** An MP4 file of one H.264 track (ISO/IEC 14496-12 and -15), its index before its pictures, so that it plays while it comes. */

export interface Sample {
  data: Uint8Array<ArrayBuffer>
  key: boolean
}

export interface Track {
  width: number
  height: number
  /** Pictures a second. */
  rate: number
  /** AVCDecoderConfigurationRecord, as the encoder tells it. */
  configuration: Uint8Array<ArrayBuffer>
  samples: readonly Sample[]
}

type Bytes = Uint8Array<ArrayBuffer>
const TIMESCALE = 90_000

function u8(...values: number[]): Bytes {
  return Uint8Array.from(values)
}
function u16(...values: number[]): Bytes {
  return u8(...values.flatMap((value) => [(value >> 8) & 255, value & 255]))
}
function u32(...values: number[]): Bytes {
  return u8(...values.flatMap((value) => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]))
}
function words(value: string): Bytes {
  return new TextEncoder().encode(value)
}
function joined(parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
function box(kind: string, ...parts: Bytes[]): Bytes {
  const content = joined(parts)
  return joined([u32(content.length + 8), words(kind), content])
}
/** A box with version 0 and flags. */
function full(kind: string, flags: number, ...parts: Bytes[]): Bytes {
  return box(kind, u32(flags), ...parts)
}

const MATRIX = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

function index({ width, height, rate, configuration, samples }: Track, begin: number): Bytes {
  const each = Math.round(TIMESCALE / rate)
  const duration = each * samples.length
  const keys = samples.flatMap((sample, at) => (sample.key ? [at + 1] : []))
  const picture = box(
    'avc1',
    u8(0, 0, 0, 0, 0, 0),
    u16(1),
    new Uint8Array(16),
    u16(width, height),
    u32(0x480000, 0x480000, 0),
    u16(1),
    new Uint8Array(32),
    u16(24, 0xffff),
    box('avcC', configuration),
  )
  const table = box(
    'stbl',
    full('stsd', 0, u32(1), picture),
    full('stts', 0, u32(1, samples.length, each)),
    full('stss', 0, u32(keys.length, ...keys)),
    full('stsc', 0, u32(1, 1, samples.length, 1)),
    full('stsz', 0, u32(0, samples.length), ...samples.map((sample) => u32(sample.data.length))),
    full('stco', 0, u32(1, begin)),
  )
  const media = box(
    'mdia',
    full('mdhd', 0, u32(0, 0, TIMESCALE, duration), u16(0x55c4, 0)),
    full('hdlr', 0, u32(0), words('vide'), new Uint8Array(12), words('video\0')),
    box('minf', full('vmhd', 1, new Uint8Array(8)), box('dinf', full('dref', 0, u32(1), full('url ', 1))), table),
  )
  const track = box(
    'trak',
    full('tkhd', 3, u32(0, 0, 1, 0, duration), new Uint8Array(8), u16(0, 0, 0, 0), MATRIX, u32(width * 65536, height * 65536)),
    media,
  )
  const head = full('mvhd', 0, u32(0, 0, TIMESCALE, duration, 0x10000), u16(0x100, 0), new Uint8Array(8), MATRIX, new Uint8Array(24), u32(2))
  return box('moov', head, track)
}

export function mp4(track: Track): Blob {
  const kind = box('ftyp', words('isom'), u32(0x200), words('isomiso2avc1mp41'))
  const size = track.samples.reduce((total, sample) => total + sample.data.length, 0)
  // The index tells where the pictures begin, and its own length does not depend on that.
  const begin = kind.length + index(track, 0).length + 8
  return new Blob([kind, index(track, begin), u32(size + 8), words('mdat'), ...track.samples.map((sample) => sample.data)], { type: 'video/mp4' })
}
