import { inMillivolts, spokenValue, type Trace } from './samples'

/** Millimetres of paper a second. */
export const SPEEDS = [1, 5, 12.5, 25, 50, 100, 200] as const
/** Millimetres of paper a millivolt. */
export const GAINS = [2.5, 5, 10, 20, 40] as const
export const STANDARD = { speed: 25, gain: 10 } as const

export const LAYOUTS = ['3 × 4 + rhythm', '3 × 4', '6 × 2', '12 × 1', 'All channels'] as const
export type LayoutName = (typeof LAYOUTS)[number]

export const LEADS = ['I', 'II', 'III', 'aVR', 'aVL', 'aVF', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6'] as const
/** Half a second of paper before each row, for the calibration pulse. */
const PULSE_MM = 10
const ROW_MM = 26
const CLOSE_ROW_MM = 18
const NAME_MM = 5
const ROW_MOST_MM = 70

/** A piece of a channel on the paper; all lengths in millimetres of paper, from its upper left corner. */
export interface Strip {
  trace: Trace
  left: number
  width: number
  /** Where its line of nothing, or its middle, lies. */
  middle: number
  /** Half of the room that it has above and below. */
  reach: number
  /** What is drawn at its left edge, seconds. */
  from_s: number
  /** Of its value on the line in the middle. */
  zero: number
  /** Millimetres of one of its unit. */
  scale: number
  /** Whether a calibration pulse stands before it. */
  pulse: boolean
}

export interface Sheet {
  width: number
  height: number
  /** What is seen, from the beginning of the recording. */
  from_s: number
  to_s: number
  speed: number
  gain: number
  strips: readonly Strip[]
  ecg: boolean
}

/** Whether these are the leads of an ECG that stand in a fixed order. */
export function isTwelveLead(traces: readonly Trace[]): boolean {
  const names = new Set(traces.map((trace) => trace.channel.name))
  return LEADS.every((lead) => names.has(lead)) && traces.every((trace) => inMillivolts(trace.channel.unit) !== null || !LEADS.some((lead) => lead === trace.channel.name))
}

export function layoutsFor(traces: readonly Trace[]): readonly LayoutName[] {
  return isTwelveLead(traces) ? (traces.length > LEADS.length ? LAYOUTS : LAYOUTS.slice(0, 4)) : ['All channels']
}

const COLUMNS: Readonly<Record<LayoutName, readonly (readonly string[])[]>> = {
  '3 × 4 + rhythm': [['I', 'II', 'III'], ['aVR', 'aVL', 'aVF'], ['V1', 'V2', 'V3'], ['V4', 'V5', 'V6']],
  '3 × 4': [['I', 'II', 'III'], ['aVR', 'aVL', 'aVF'], ['V1', 'V2', 'V3'], ['V4', 'V5', 'V6']],
  '6 × 2': [['I', 'II', 'III', 'aVR', 'aVL', 'aVF'], ['V1', 'V2', 'V3', 'V4', 'V5', 'V6']],
  '12 × 1': [LEADS],
  'All channels': [],
}
const RHYTHM = 'II'

/** One, two or five times a power of ten. */
function round125(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-12)))
  return ([1, 2, 5, 10].find((step) => step * power >= value * 0.999) ?? 10) * power
}

const ranges = new WeakMap<Trace, readonly [number, number] | null>()

/** Of all of a channel; worked out once. */
export function rangeOf(trace: Trace): readonly [number, number] | null {
  if (!ranges.has(trace)) ranges.set(trace, trace.extremes(0, trace.count))
  return ranges.get(trace) ?? null
}

/** How many of its unit a centimetre of paper is, so that the largest channel of that unit fits into its row. */
export function perCentimetre(traces: readonly Trace[], unit: string, reach: number): number {
  const spans = traces.filter((trace) => trace.channel.unit.code === unit).map((trace) => rangeOf(trace)).map((range) => (range ? range[1] - range[0] : 0))
  return round125((Math.max(...spans, 1e-9) * 10) / (2 * reach))
}

interface Asked {
  traces: readonly Trace[]
  layout: LayoutName
  speed: number
  gain: number
  /** The width of the paper that is seen, millimetres. */
  width: number
  from_s: number
  /** How high the paper may be without anything being lost: rows of no fixed height share it. */
  room?: number
}

/** The seconds that are seen at once in a layout. */
export function pageSeconds(width: number, speed: number): number {
  return Math.max(0.05, (width - PULSE_MM - 1) / speed)
}

/** Where everything lies on the paper. */
export function sheetOf({ traces, layout, speed, gain, width, from_s, room = 0 }: Asked): Sheet {
  const seconds = pageSeconds(width, speed)
  const across = width - PULSE_MM - 1
  const columns = COLUMNS[layout]
  const named = (lead: string) => traces.find((trace) => trace.channel.name === lead)
  const ends_s = Math.max(from_s, ...traces.map((trace) => trace.ends_s))
  const base = { width, from_s, to_s: Math.min(from_s + seconds, ends_s), speed, gain }
  if (columns.length) {
    const rows = columns[0]?.length ?? 0
    const row = rows > 6 ? CLOSE_ROW_MM : ROW_MM
    const strips = columns.flatMap((leads, column) =>
      leads.flatMap((lead, at): Strip[] => {
        const trace = named(lead)
        const part = across / columns.length
        return trace ? [stripOf(trace, { left: PULSE_MM + column * part, width: part, top: at * row, row, from_s: from_s + (column * part) / speed, gain, pulse: column === 0 })] : []
      }),
    )
    const rhythm = layout === '3 × 4 + rhythm' ? named(RHYTHM) : undefined
    if (rhythm) strips.push(stripOf(rhythm, { left: PULSE_MM, width: across, top: rows * row, row, from_s, gain, pulse: true }))
    return { ...base, strips, ecg: true, height: (rows + (rhythm ? 1 : 0)) * row + NAME_MM }
  }
  const ecg = traces.every((trace) => inMillivolts(trace.channel.unit) !== null && isEcgScale(trace))
  const least = traces.length > 6 ? CLOSE_ROW_MM : ROW_MM
  const row = ecg ? least : Math.max(least, Math.min(ROW_MOST_MM, Math.floor((room - NAME_MM) / traces.length)))
  const strips = traces.map((trace, at) => {
    const place = { left: PULSE_MM, width: across, top: at * row, row, from_s, gain, pulse: true }
    if (ecg) return stripOf(trace, place)
    // Ten millimetres are what fits; more or less of it where a reader asks for it.
    const each = (perCentimetre(traces, trace.channel.unit.code, row / 2 - 3) * STANDARD.gain) / gain
    const range = rangeOf(trace)
    // Thick lines stand for round values.
    return { ...stripOf(trace, place), zero: range ? Math.round((range[0] + range[1]) / 2 / each) * each : 0, scale: 10 / each, pulse: false }
  })
  return { ...base, strips, ecg, height: traces.length * row + NAME_MM }
}

/** An ECG has millivolts; of microvolts of a brain nobody draws ten millimetres a millivolt. */
function isEcgScale(trace: Trace): boolean {
  const range = rangeOf(trace)
  const factor = inMillivolts(trace.channel.unit)
  return range !== null && factor !== null && (range[1] - range[0]) * factor > 0.2 && (range[1] - range[0]) * factor < 40
}

const levels = new WeakMap<Trace, number>()
const LEVEL_MV = 1.5
const LOOKED_AT = 2000

/** An amplifier that keeps the level of the skin draws far from nothing: such a curve is drawn about its own middle. */
function levelOf(trace: Trace): number {
  const known = levels.get(trace)
  if (known !== undefined) return known
  const step = Math.max(1, Math.floor(trace.count / LOOKED_AT))
  const some = Array.from({ length: Math.ceil(trace.count / step) }, (_, at) => trace.at(at * step)).filter(Number.isFinite).sort((a, b) => a - b)
  const middle = some[some.length >> 1] ?? 0
  const level = Math.abs(middle) * (inMillivolts(trace.channel.unit) ?? 0) > LEVEL_MV ? middle : 0
  levels.set(trace, level)
  return level
}

function stripOf(trace: Trace, { left, width, top, row, from_s, gain, pulse }: { left: number; width: number; top: number; row: number; from_s: number; gain: number; pulse: boolean }): Strip {
  return { trace, left, width, middle: top + NAME_MM + row / 2, reach: row / 2, from_s, zero: levelOf(trace), scale: gain * (inMillivolts(trace.channel.unit) ?? 1), pulse }
}

/** `10 mm/mV`, or what a centimetre of a strip is. */
export function scaleWords(sheet: Sheet, strip: Strip | undefined): string {
  if (sheet.ecg || !strip) return `${sheet.gain} mm/mV`
  return `${spokenValue(10 / strip.scale)} ${strip.trace.channel.unit.word || 'steps'}/cm`
}

/** How it was sampled, and through which filters. */
export function sampledWords({ strips }: Sheet): string[] {
  const [first] = strips
  if (!first) return []
  const filters = [...new Set(strips.map((strip) => strip.trace.channel.filters.join(', ')))]
  return [`${Number(first.trace.group.frequency.toFixed(2))} Hz`, filters.length > 1 ? 'filters differ' : filters[0] ? `filters ${filters[0]}` : 'no filters told']
}

/** Whether a centimetre means the same in all strips, so that it need be said once alone. */
export function isUniform({ strips }: Sheet): boolean {
  const [first] = strips
  return strips.every((strip) => strip.scale === first?.scale && strip.trace.channel.unit.code === first.trace.channel.unit.code)
}

/** The strip under a place on the paper; null: there is none. */
export function stripAt(sheet: Sheet, x: number, y: number): Strip | null {
  const over = sheet.strips.filter((strip) => x >= strip.left && x <= strip.left + strip.width)
  return over.reduce<Strip | null>((best, strip) => (best === null || Math.abs(strip.middle - y) < Math.abs(best.middle - y) ? strip : best), null)
}

export function timeAt(sheet: Sheet, strip: Strip, x: number): number {
  return strip.from_s + (x - strip.left) / sheet.speed
}

export function valueAt(strip: Strip, y: number): number {
  return strip.zero + (strip.middle - y) / strip.scale
}

export function xOf(sheet: Sheet, strip: Strip, time_s: number): number {
  return strip.left + (time_s - strip.from_s) * sheet.speed
}

export function yOf(strip: Strip, value: number): number {
  return strip.middle - (value - strip.zero) * strip.scale
}

/** Two places on one strip. */
export interface Span {
  from: { time_s: number; value: number }
  to: { time_s: number; value: number }
}

/** What calipers say: time, rate, and the difference of values. */
export function spanWords({ from, to }: Span, strip: Strip): string[] {
  const seconds = Math.abs(to.time_s - from.time_s)
  const { unit } = strip.trace.channel
  const difference = to.value - from.value
  const millivolts = inMillivolts(unit)
  const time = seconds < 10 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(2)} s`
  return [
    time,
    ...(seconds > 0 ? [`${spokenValue(60 / seconds)} /min`] : []),
    millivolts === null ? `${spokenValue(difference)}${unit.word ? ` ${unit.word}` : ''}` : `${(difference * millivolts).toFixed(2)} mV`,
  ]
}

/** `0:12.4`, `1:02:03`. */
export function clock(time_s: number): string {
  const whole = Math.max(0, time_s)
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60]
  const two = (value: number) => String(value).padStart(2, '0')
  return hours ? `${hours}:${two(minutes)}:${two(Math.floor(seconds))}` : `${minutes}:${seconds < 9.95 ? '0' : ''}${seconds.toFixed(1)}`
}
