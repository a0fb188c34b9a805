import { describe, expect, it } from 'vitest'
import type { DicomJson } from '../../dicom'
import { notesOf, shortFor } from './annotations'
import { decoded, groupsOf, leadName, Trace, type Interpretation } from './samples'
import { clock, isTwelveLead, layoutsFor, LEADS, sheetOf, spanWords, stripAt, timeAt, valueAt, xOf, yOf } from './sheet'

const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })
const bytes = (...all: number[]) => Uint8Array.from(all)
const code = (value: string, meaning = value): DicomJson => ({ '00080100': element('SH', value), '00080104': element('LO', meaning) })

function channel(name: string, over: DicomJson = {}): DicomJson {
  return {
    '003A0208': element('SQ', code('x', name)),
    '003A0210': element('DS', 2.5),
    '003A0211': element('SQ', code('uV')),
    '003A0212': element('DS', 2),
    '003A0213': element('DS', 10),
    ...over,
  }
}

function recording(names: readonly string[], over: DicomJson = {}): DicomJson {
  return {
    '54000100': element('SQ', {
      '54001006': element('CS', 'SS'),
      '003A001A': element('DS', 500),
      '003A0010': element('UL', 5000),
      '003A0200': element('SQ', ...names.map((name) => channel(name))),
      ...over,
    }),
  }
}

function traces(names: readonly string[], make: (index: number, channel: number) => number, over: DicomJson = {}): Trace[] {
  const [group] = groupsOf(recording(names, over))
  if (!group) throw new Error('No group')
  const stored = new Int16Array(names.length * group.count)
  for (let at = 0; at < group.count; at++) for (let one = 0; one < names.length; one++) stored[at * names.length + one] = make(at, one)
  return group.channels.map((each) => new Trace(each, group, stored))
}

describe('stored samples', () => {
  it.each<[Interpretation, Uint8Array, number[]]>([
    ['SB', bytes(0xff, 0x7f), [-1, 127]],
    ['UB', bytes(0xff, 0x01), [255, 1]],
    ['SS', bytes(0xfe, 0xff, 0x01, 0x80), [-2, -32767]],
    ['US', bytes(0xfe, 0xff), [65534]],
    ['SL', bytes(0xfe, 0xff, 0xff, 0xff), [-2]],
    ['UL', bytes(0xfe, 0xff, 0xff, 0xff), [4294967294]],
    ['SV', bytes(0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), [-2]],
    ['UV', bytes(1, 0, 0, 0, 1, 0, 0, 0), [4294967297]],
    // ITU-T G.711: nothing, and the greatest of both signs.
    ['MB', bytes(0xff, 0x80, 0x00), [0, 32124, -32124]],
    ['AB', bytes(0xd5, 0xaa, 0x2a), [8, 32256, -32256]],
  ])('%s', (interpretation, from, values) => {
    expect([...decoded(from, interpretation)]).toEqual(values)
  })

  it('are read where words do not begin at a word, and a part of one at the end is none', () => {
    expect([...decoded(bytes(9, 0x01, 0x02, 0x03, 0x04, 0x05).subarray(1), 'SS')]).toEqual([0x0201, 0x0403])
  })
})

describe('a channel', () => {
  it('has values by sensitivity, its correction and the baseline', () => {
    const [first, second] = traces(['Lead I', 'Lead II'], (at, one) => at * 10 + one)
    expect(first?.at(3)).toBe(30 * 2.5 * 2 + 10)
    expect(second?.at(3)).toBe(31 * 2.5 * 2 + 10)
    expect(second?.at(5000)).toBeNaN()
  })

  it('of no sensitivity has steps, and no unit', () => {
    const [group] = groupsOf({ '54000100': element('SQ', { '54001006': element('CS', 'UB'), '003A001A': element('DS', 10), '003A0010': element('UL', 2), '003A0200': element('SQ', {}) }) })
    expect(group?.channels[0]).toMatchObject({ perStep: null, name: 'Channel 1', unit: { code: '', word: '' } })
    if (group?.channels[0]) expect(new Trace(group.channels[0], group, Uint8Array.from([7, 8])).at(1)).toBe(8)
  })

  it('begins later by its skew and its offset', () => {
    const skewed = channel('I', { '003A0215': element('DS', 5), '003A0218': element('DS', 0.5) })
    const [group] = groupsOf({ '54000100': element('SQ', { ...(recording(['I'])['54000100']?.Value?.[0] as DicomJson), '003A0200': element('SQ', skewed), '00181068': element('DS', 2000) }) })
    const trace = group?.channels[0] && new Trace(group.channels[0], group, new Int16Array(5000))
    expect(trace?.begins_s).toBeCloseTo(2 + 0.01 + 0.5)
    expect(trace?.indexAt(trace.timeAt(77))).toBeCloseTo(77)
  })

  it('has gaps where padding stands', () => {
    const padded = { '5400100A': { vr: 'OW', InlineBinary: btoa('\x00\x80') } }
    const [trace] = traces(['I'], (at) => (at === 4 ? -32768 : at), padded)
    expect(trace?.at(4)).toBeNaN()
    expect(trace?.extremes(3, 6)).toEqual([25, 35])
    expect(trace?.extremes(4, 5)).toBeNull()
  })

  it('is told by blocks as sample by sample', () => {
    const [trace] = traces(['I'], (at) => ((at * 7919) % 20011) - 10000)
    const one = Array.from({ length: 4300 }, (_, at) => trace?.at(at + 37) ?? NaN)
    expect(trace?.extremes(37, 4337)).toEqual([Math.fround(Math.min(...one)), Math.fround(Math.max(...one))])
  })

  it.each([
    ['5.6.3-9-61', 'III'],
    ['2:62', 'aVR'],
    ['2:9999', 'Ableitung'],
  ])('coded %s is %s', (coded, name) => {
    const [group] = groupsOf({ '54000100': element('SQ', { ...(recording([])['54000100']?.Value?.[0] as DicomJson), '003A0200': element('SQ', { '003A0208': element('SQ', code(coded, 'Ableitung')) }) }) })
    expect(group?.channels[0]?.name).toBe(name)
  })

  it.each([
    ['Lead II', 'II'],
    ['aVR, augmented voltage, right', 'aVR'],
    ['MDC_ECG_LEAD_V5', 'V5'],
    ['AVR', 'aVR'],
    ['Lead V3', 'V3'],
    ['Lead I (Einthoven)', 'I'],
    ['v4r', 'V4R'],
    ['ART', 'ART'],
  ])('called %s is %s', (said, name) => {
    expect(leadName(said)).toBe(name)
  })
})

describe('the paper', () => {
  const twelve = traces(LEADS, (at, one) => (at % 400 === 0 ? 200 : one))

  it('of twelve leads stands as it is used to', () => {
    expect(isTwelveLead(twelve)).toBe(true)
    expect(layoutsFor(twelve)).toHaveLength(4)
    expect(layoutsFor(twelve.slice(0, 3))).toEqual(['All channels'])
    const { strips } = sheetOf({ traces: twelve, layout: '3 × 4 + rhythm', speed: 25, gain: 10, width: 261, from_s: 0 })
    expect(strips.map((strip) => strip.trace.channel.name)).toEqual(['I', 'II', 'III', 'aVR', 'aVL', 'aVF', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6', 'II'])
    // Each column goes on in time where the one before ends: it is one recording.
    expect(strips.map((strip) => strip.from_s)).toEqual([0, 0, 0, 2.5, 2.5, 2.5, 5, 5, 5, 7.5, 7.5, 7.5, 0])
    expect(strips.at(-1)?.width).toBe(250)
  })

  it.each([
    [25, 10],
    [50, 20],
    [12.5, 5],
  ])('has %s mm a second and %s mm a millivolt', (speed, gain) => {
    const sheet = sheetOf({ traces: twelve, layout: '12 × 1', speed, gain, width: 261, from_s: 1 })
    const [strip] = sheet.strips
    if (!strip) throw new Error('No strip')
    expect(xOf(sheet, strip, 2) - xOf(sheet, strip, 1)).toBeCloseTo(speed)
    expect(yOf(strip, 0) - yOf(strip, 1000)).toBeCloseTo(gain)
    expect(timeAt(sheet, strip, xOf(sheet, strip, 1.7))).toBeCloseTo(1.7)
    expect(valueAt(strip, yOf(strip, -250))).toBeCloseTo(-250)
    expect(stripAt(sheet, 100, strip.middle + 1)).toBe(strip)
  })

  it('of other channels fits each unit into its rows', () => {
    const pressure = traces(['ART', 'CVP'], (at, one) => (one ? at % 10 : at % 160), { '003A0200': element('SQ', ...['ART', 'CVP'].map((name) => channel(name, { '003A0211': element('SQ', code('mm[Hg]')), '003A0210': element('DS', 0.5) }))) })
    const sheet = sheetOf({ traces: pressure, layout: 'All channels', speed: 25, gain: 10, width: 261, from_s: 0 })
    expect(sheet.ecg).toBe(false)
    for (const strip of sheet.strips) {
      const range = strip.trace.extremes(0, 5000)
      expect(Math.abs(yOf(strip, range?.[0] ?? NaN) - strip.middle)).toBeLessThan(strip.reach)
    }
    // One scale for one unit, or heights could not be compared.
    expect(sheet.strips[0]?.scale).toBe(sheet.strips[1]?.scale)
  })

  it('says what lies between two places', () => {
    const [strip] = sheetOf({ traces: twelve, layout: '12 × 1', speed: 25, gain: 10, width: 261, from_s: 0 }).strips
    if (!strip) throw new Error('No strip')
    expect(spanWords({ from: { time_s: 1, value: 0 }, to: { time_s: 1.8, value: -500 } }, strip)).toEqual(['800 ms', '75 /min', '-0.50 mV'])
  })

  it('tells time', () => {
    expect([0, 9.96, 72.34, 3723].map(clock)).toEqual(['0:00.0', '0:10.0', '1:12.3', '1:02:03'])
  })
})

describe('what a device wrote', () => {
  const groups = groupsOf(recording(['I']))
  const note = (over: DicomJson): DicomJson => ({ '0040A0B0': element('US', 1, 0), ...over })

  it('is a statement, a measurement or a mark', () => {
    const found = notesOf(
      {
        '0040B020': element(
          'SQ',
          note({ '00700006': element('ST', 'Sinus rhythm') }),
          note({ '0040A043': element('SQ', code('1', 'PR Interval')), '0040A30A': element('DS', 161), '004008EA': element('SQ', code('ms')) }),
          note({ '0040A043': element('SQ', code('2', 'QRS Axis')), '0040A30A': element('DS', 52), '004008EA': element('SQ', code('deg')) }),
          note({ '0040A043': element('SQ', code('3', 'QRS Onset')), '0040A130': element('CS', 'POINT'), '0040A132': element('UL', 501) }),
          note({ '0040A043': element('SQ', code('4', 'Noise')), '0040A130': element('CS', 'SEGMENT'), '0040A138': element('DS', 1.5, 2) }),
          note({}),
        ),
      },
      groups,
      10,
    )
    expect(found.map((one) => [one.kind, one.words, one.value, one.spans])).toEqual([
      ['statement', 'Sinus rhythm', null, []],
      ['measurement', 'PR Interval', '161 ms', []],
      ['measurement', 'QRS Axis', '52°', []],
      // The first sample is number 1.
      ['mark', 'QRS Onset', null, [[1, 1]]],
      ['mark', 'Noise', null, [[1.5, 2]]],
    ])
  })

  it('is short along a curve', () => {
    expect(['P Onset', 'QRS Offset', 'Fiducial Point', 'Noise'].map(shortFor)).toEqual(['P[', 'QRS]', 'R', 'Noise'])
  })
})
