import { item, numbers, text, values, type DicomJson } from '../../dicom'
import { isItem, spokenValue, unitOf, type Group } from './samples'

/** What a device or a person wrote of a waveform (PS3.3 C.10.10). */
export interface Note {
  key: string
  kind: 'statement' | 'measurement' | 'mark'
  words: string
  /** Of a measurement `161 ms`. */
  value: string | null
  /** Where it is, from the beginning of the recording; one: a point, two: from and to. Empty: it is of all of it. */
  spans: readonly (readonly [number, number])[]
  /** Numbers of groups and channels, from 1; channel 0 is all of a group. */
  channels: readonly (readonly [number, number])[]
}

const SPANNING = new Set(['SEGMENT', 'MULTISEGMENT'])

function timesOf(one: DicomJson, groups: readonly Group[], channels: readonly (readonly [number, number])[]): number[] {
  const named = channels[0]?.[0] ?? 1
  const group = groups.find((one) => one.number === named)
  const positions = numbers(one, '0040A132')
  // The first sample is 1 (PS3.3 C.10.10.1.1).
  if (positions.length && group) return positions.map((position) => group.begins_s + (position - 1) / group.frequency)
  return numbers(one, '0040A138')
}

function spansOf(one: DicomJson, groups: readonly Group[], channels: readonly (readonly [number, number])[], end: number): (readonly [number, number])[] {
  const times = timesOf(one, groups, channels)
  const type = text(one, '0040A130') ?? 'POINT'
  if (SPANNING.has(type)) return Array.from({ length: Math.floor(times.length / 2) }, (_, at) => [times[2 * at] ?? 0, times[2 * at + 1] ?? 0] as const)
  if (type === 'BEGIN') return times.slice(0, 1).map((time) => [time, end] as const)
  if (type === 'END') return times.slice(0, 1).map((time) => [0, time] as const)
  return times.map((time) => [time, time] as const)
}

/** The annotations of an object, as they are written; those that say nothing are left out. */
export function notesOf(instance: DicomJson, groups: readonly Group[], end_s: number): Note[] {
  return values(instance, '0040B020')
    .filter(isItem)
    .flatMap((one, at): Note[] => {
      const said = numbers(one, '0040A0B0')
      const channels = Array.from({ length: Math.floor(said.length / 2) }, (_, pair) => [said[2 * pair] ?? 1, said[2 * pair + 1] ?? 0] as const)
      const spans = spansOf(one, groups, channels, end_s)
      const written = text(one, '00700006')
      const concept = text(item(one, '0040A043'), '00080104')
      const coded = text(item(one, '0040A168'), '00080104')
      const [value] = numbers(one, '0040A30A')
      const unit = unitOf(item(one, '004008EA')).word
      const of = { key: String(at), spans, channels }
      if (value !== undefined && concept) return [{ ...of, kind: 'measurement', words: concept, value: [spokenValue(value), unit].filter(Boolean).join(unit === '°' ? '' : ' ') }]
      const words = [concept, coded, written].filter((word) => word !== null).join(': ')
      if (!words) return []
      return [{ ...of, kind: spans.length ? 'mark' : 'statement', words, value: null }]
    })
}

/** Short for what stands many times along a curve: `QRS onset` is known by its first letters. */
export function shortFor(words: string): string {
  const found = /^(P|QRS|QT|T|R|Q|S|J|U)\b.*?\b(onset|offset|peak|wave|point)?/i.exec(words)
  if (/fiducial/i.test(words)) return 'R'
  if (found) return `${found[1]}${/onset/i.test(words) ? '[' : /offset/i.test(words) ? ']' : ''}`
  return words.length > 14 ? `${words.slice(0, 13)}…` : words
}
