import { item, number, text, values, type DicomElement, type DicomJson } from '../../dicom'

/** How a sample is stored (PS3.3 C.10.9.1.5). */
export type Interpretation = 'SB' | 'UB' | 'MB' | 'AB' | 'SS' | 'US' | 'SL' | 'UL' | 'SV' | 'UV'

const BYTES: Readonly<Record<Interpretation, number>> = { SB: 1, UB: 1, MB: 1, AB: 1, SS: 2, US: 2, SL: 4, UL: 4, SV: 8, UV: 8 }

/** What a value is told in. */
export interface Unit {
  /** As the object codes it: UCUM; empty where it says none. */
  code: string
  /** As people write it. */
  word: string
}

export interface Channel {
  /** From 1, in its group. */
  number: number
  name: string
  unit: Unit
  /** Of one step of the stored value; null: the object does not say, so values are steps. */
  perStep: number | null
  baseline: number
  /** How much later than the group its first sample was taken, or is to be shown, seconds. */
  delay_s: number
  /** `0.05–150 Hz`, `notch 50 Hz`. */
  filters: readonly string[]
}

/** Channels that were sampled together (Multiplex Group). */
export interface Group {
  /** From 1, by its place in the object: annotations name it so. */
  number: number
  label: string
  /** Hz. */
  frequency: number
  /** Samples of each channel. */
  count: number
  /** From the beginning of the recording, seconds. */
  begins_s: number
  /** It was worked out and not recorded, as a median beat is. */
  derived: boolean
  interpretation: Interpretation
  /** What stands for no value; null: nothing does. */
  padding: number | null
  channels: readonly Channel[]
  data: DicomElement | undefined
}

export const isItem = (one: unknown): one is DicomJson => one !== null && typeof one === 'object'

const WORDS: Readonly<Record<string, string>> = { uV: 'µV', 'mm[Hg]': 'mmHg', 'cm[H2O]': 'cmH₂O', Cel: '°C', deg: '°', '[degF]': '°F', '{beats}/min': '/min', '1/min': '/min', '%': '%', ohm: 'Ω', '1': '' }

export function unitOf(coded: DicomJson | undefined): Unit {
  const code = text(coded, '00080100') ?? ''
  return { code, word: WORDS[code] ?? (code || (text(coded, '00080104') ?? '')) }
}

/** Numbers of leads, in SCP-ECG (`5.6.3-9-1`) and MDC (`2:1`) alike. */
const NUMBERED: Readonly<Record<string, string>> = { '1': 'I', '2': 'II', '3': 'V1', '4': 'V2', '5': 'V3', '6': 'V4', '7': 'V5', '8': 'V6', '61': 'III', '62': 'aVR', '63': 'aVL', '64': 'aVF' }

function leadOf(source: DicomJson | undefined): string | null {
  const number = /^(?:5\.6\.3-9-|2:)(\d+)$/.exec(text(source, '00080100') ?? '')?.[1]
  return number === undefined ? null : (NUMBERED[number] ?? null)
}

/** A lead by the name that everybody knows: `Lead II (Einthoven)` is II. */
export function leadName(said: string): string {
  const plain = (said.split(',')[0] ?? said)
    .replace(/^MDC_ECG_(LEAD_|ELEC_POTL_)?/i, '')
    .replace(/\((.*?)\)/g, ' ')
    .replace(/\b(lead|ecg|channel|electrode|derivation)\b/gi, ' ')
    .replace(/[_:,]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
  const lead = /^(?:(III|II|I)|(a\s?v\s?[rlf])|(v\s?\d[rR]?|v\s?[xyz]))$/i.exec(plain)
  if (!lead) return plain || said
  if (lead[1]) return lead[1].toUpperCase()
  if (lead[2]) return `aV${(lead[2].at(-1) ?? '').toUpperCase()}`
  return (lead[3] ?? '').replace(/\s/g, '').toUpperCase()
}

function nameOf(definition: DicomJson, at: number): string {
  const source = item(definition, '003A0208')
  const said = text(definition, '003A0203') ?? text(source, '00080104') ?? text(source, '00080100')
  return leadOf(source) ?? (said ? leadName(said) : `Channel ${at + 1}`)
}

function filtersOf(definition: DicomJson): string[] {
  const [low, high, notch] = ['003A0220', '003A0221', '003A0222'].map((tag) => number(definition, tag))
  const spoken = (value: number) => String(Number(value.toFixed(3)))
  const band = low && high ? `${spoken(low)}–${spoken(high)} Hz` : low ? `from ${spoken(low)} Hz` : high ? `to ${spoken(high)} Hz` : null
  return [band, notch ? `notch ${spoken(notch)} Hz` : null].filter((one) => one !== null)
}

function channelOf(definition: DicomJson, at: number, frequency: number): Channel {
  const sensitivity = number(definition, '003A0210')
  const skew = number(definition, '003A0214') ?? (number(definition, '003A0215') ?? 0) / frequency
  return {
    number: at + 1,
    name: nameOf(definition, at),
    unit: unitOf(item(definition, '003A0211')),
    perStep: sensitivity === null ? null : sensitivity * (number(definition, '003A0212') ?? 1),
    baseline: sensitivity === null ? 0 : (number(definition, '003A0213') ?? 0),
    delay_s: skew + (number(definition, '003A0218') ?? 0),
    filters: filtersOf(definition),
  }
}

function paddingOf(element: DicomElement | undefined, interpretation: Interpretation): number | null {
  if (element?.InlineBinary === undefined) return null
  const bytes = Uint8Array.from(atob(element.InlineBinary), (letter) => letter.charCodeAt(0))
  return bytes.length >= BYTES[interpretation] ? (decoded(bytes.slice(0, BYTES[interpretation]), interpretation)[0] ?? null) : null
}

/** The multiplex groups of an object; what cannot be drawn, for it says no frequency or an unknown kind of sample, is left out. */
export function groupsOf(instance: DicomJson): Group[] {
  return values(instance, '54000100')
    .filter(isItem)
    .flatMap((group, at): Group[] => {
      const interpretation = text(group, '54001006') as Interpretation | null
      const frequency = number(group, '003A001A')
      const definitions = values(group, '003A0200').filter(isItem)
      if (!interpretation || !(interpretation in BYTES) || !frequency || frequency <= 0 || !definitions.length) return []
      return [
        {
          number: at + 1,
          label: text(group, '003A0020') ?? `Group ${at + 1}`,
          frequency,
          count: number(group, '003A0010') ?? 0,
          begins_s: (number(group, '00181068') ?? 0) / 1000,
          derived: text(group, '003A0004') === 'DERIVED',
          interpretation,
          padding: paddingOf(group['5400100A'], interpretation),
          channels: definitions.map((definition, channel) => channelOf(definition, channel, frequency)),
          data: group['54001010'],
        },
      ]
    })
}

/** Sounds are companded to 8 bits by logarithms (ITU-T G.711), of which these are the values of 16 bits. */
function expanded(byte: number, law: 'MB' | 'AB'): number {
  if (law === 'MB') {
    const turned = ~byte & 0xff
    const size = ((((turned & 0x0f) << 3) + 0x84) << ((turned & 0x70) >> 4)) - 0x84
    return turned & 0x80 ? -size : size
  }
  const turned = byte ^ 0x55
  const step = (turned & 0x70) >> 4
  const part = (turned & 0x0f) << 4
  const size = step === 0 ? part + 8 : (part + 0x108) << (step - 1)
  return turned & 0x80 ? size : -size
}

export type Stored = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float64Array

/** Little-endian bytes as stored values, the channels of one time after each other. */
export function decoded(bytes: Uint8Array, interpretation: Interpretation): Stored {
  const width = BYTES[interpretation]
  const count = Math.floor(bytes.byteLength / width)
  // An array of words begins at a word.
  const { buffer, byteOffset } = bytes.byteOffset % width ? bytes.slice() : bytes
  switch (interpretation) {
    case 'SB':
      return new Int8Array(buffer, byteOffset, count)
    case 'UB':
      return new Uint8Array(buffer, byteOffset, count)
    case 'MB':
    case 'AB':
      return Int16Array.from(new Uint8Array(buffer, byteOffset, count), (byte) => expanded(byte, interpretation))
    case 'SS':
      return new Int16Array(buffer, byteOffset, count)
    case 'US':
      return new Uint16Array(buffer, byteOffset, count)
    case 'SL':
      return new Int32Array(buffer, byteOffset, count)
    case 'UL':
      return new Uint32Array(buffer, byteOffset, count)
    case 'SV':
      return Float64Array.from(new BigInt64Array(buffer, byteOffset, count), Number)
    case 'UV':
      return Float64Array.from(new BigUint64Array(buffer, byteOffset, count), Number)
  }
}

/** As many samples as this are told by their least and greatest value, for long recordings seen from afar. */
const BLOCK = 256

/** One channel of a recording: its values in its unit, by time from the beginning of the recording. */
export class Trace {
  private readonly of: number
  private blocks: { least: Float32Array; most: Float32Array } | null = null

  constructor(
    readonly channel: Channel,
    readonly group: Group,
    private readonly stored: Stored,
  ) {
    this.of = group.channels.length
  }

  /** Samples that are there, whatever the object says. */
  get count(): number {
    return Math.min(this.group.count, Math.floor(this.stored.length / this.of))
  }

  get begins_s(): number {
    return this.group.begins_s + this.channel.delay_s
  }

  get ends_s(): number {
    return this.begins_s + this.count / this.group.frequency
  }

  /** In the channel's unit; NaN: there is no value. */
  at(index: number): number {
    if (index < 0 || index >= this.count) return NaN
    const stored = this.stored[index * this.of + this.channel.number - 1] ?? NaN
    return stored === this.group.padding ? NaN : this.valued(stored)
  }

  private valued(stored: number): number {
    const { perStep, baseline } = this.channel
    return perStep === null ? stored : stored * perStep + baseline
  }

  indexAt(time_s: number): number {
    return (time_s - this.begins_s) * this.group.frequency
  }

  timeAt(index: number): number {
    return this.begins_s + index / this.group.frequency
  }

  /** The least and the greatest value of samples `from` … `to` (not with it); null: there is none. */
  extremes(from: number, to: number): readonly [number, number] | null {
    let [low, high] = [Infinity, -Infinity]
    const see = (value: number) => {
      if (value < low) low = value
      if (value > high) high = value
    }
    let at = Math.max(0, Math.floor(from))
    const end = Math.min(this.count, Math.ceil(to))
    const blocks = end - at > 4 * BLOCK ? this.summed() : null
    while (at < end) {
      if (blocks && at % BLOCK === 0 && at + BLOCK <= end) {
        const block = at / BLOCK
        see(blocks.least[block] ?? NaN)
        see(blocks.most[block] ?? NaN)
        at += BLOCK
      } else {
        see(this.at(at))
        at += 1
      }
    }
    return low <= high ? [low, high] : null
  }

  private summed(): { least: Float32Array; most: Float32Array } {
    if (this.blocks) return this.blocks
    const size = Math.floor(this.count / BLOCK)
    const blocks = { least: new Float32Array(size), most: new Float32Array(size) }
    for (let block = 0; block < size; block++) {
      let [low, high] = [Infinity, -Infinity]
      for (let at = block * BLOCK; at < (block + 1) * BLOCK; at++) {
        const value = this.at(at)
        if (value < low) low = value
        if (value > high) high = value
      }
      blocks.least[block] = low <= high ? low : NaN
      blocks.most[block] = low <= high ? high : NaN
    }
    this.blocks = blocks
    return blocks
  }
}

/** How many millivolts one of a unit is; null: it is no voltage. */
export function inMillivolts({ code }: Unit): number | null {
  return { V: 1e3, mV: 1, uV: 1e-3, nV: 1e-6 }[code] ?? null
}

/** `12.5`, `0.062`: as many places as tell. */
export function spokenValue(value: number): string {
  const size = Math.abs(value)
  return String(Number(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)))
}
