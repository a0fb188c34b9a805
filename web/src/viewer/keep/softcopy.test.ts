import { describe, expect, it } from 'vitest'
import type { DicomJson } from '../dicom'
import type { Greys } from '../pixels/greys'
import { tableOf } from '../pixels/tables'
import { notShown } from './presentation'
import { softcopyOf, tablesOf } from './softcopy'

const sq = (...items: object[]) => ({ vr: 'SQ', Value: items })
const ds = (...of: number[]) => ({ vr: 'DS', Value: of })
const us = (...of: number[]) => ({ vr: 'US', Value: of })
const cs = (of: string) => ({ vr: 'CS', Value: [of] })
const lut = (first: number, bits: number, ...entries: number[]) => ({ '00283002': us(entries.length, first, bits), '00283006': us(...entries) })

/** A CT of 12 bits: a stored value is 1024 more than the HU. */
const ct = { '00280100': us(16), '00280101': us(12), '00280103': us(0), '00281053': ds(1), '00281052': ds(-1024) }
const about = { '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.11.1'] }, '00081115': sq({ '00081140': sq({ '00081155': { vr: 'UI', Value: ['1.2'] } }) }), '20500020': cs('IDENTITY') }
const frameOf = (metadata: object) => ({ sopInstanceUid: '1.2', frameNumber: 1, metadata: metadata as DicomJson })
const none = () => Promise.reject(new Error('nothing is to be fetched'))
const greys = async (state: object, metadata: object = ct, own: Parameters<typeof softcopyOf>[3] = null) => {
  const all = { ...about, ...state } as DicomJson
  return softcopyOf(all, await tablesOf(all, none), frameOf(metadata), own)
}
/** Brightness of a value of the viewer's: by the line through the points, level beyond them. */
const at = (of: Greys | 'window' | null, value: number): number => {
  if (of === null || of === 'window') throw new Error(`There are no greys: ${of}`)
  const after = of.points.findIndex((point) => point[0] >= value)
  const [here, before] = [of.points[after], of.points[after - 1]]
  if (!here) return of.points[of.points.length - 1]?.[1] ?? NaN
  return before ? before[1] + ((here[1] - before[1]) * (value - before[0])) / (here[0] - before[0]) : here[1]
}
const hu = { '00281053': ds(1), '00281052': ds(-1024) }

describe('the greys of a presentation state', () => {
  it('are a window where that says all, in the units of the picture', async () => {
    const windowed = { '00283110': sq({ '00281050': ds(40), '00281051': ds(80) }) }
    expect(await greys({ ...hu, ...windowed })).toBe('window')
    expect(await greys(hu)).toBe('window')
    expect(await greys({ '00283000': sq(lut(0, 8, 0, 255)) }, { ...ct, '00280002': us(3) })).toBeNull()
    // Another picture's state says nothing of this one.
    expect(await greys({ '00081115': sq(), '20500010': sq(lut(0, 8, 0, 255)) })).toBe('window')
  })

  it('by a window count from what was stored where the state has no Modality LUT: that of the picture is not to be used', async () => {
    const found = await greys({ '00283110': sq({ '00281050': ds(1064), '00281051': ds(101) }) })
    // Stored 1013.5 to 1113.5 are -10.5 to 89.5 HU.
    expect([-100, -10, 40, 89, 200].map((value) => +at(found, value).toFixed(3))).toEqual([0, 0.005, 0.505, 0.995, 1])
    // Windows that were kept here are in the units of the picture.
    expect(await greys({ '00080070': { vr: 'LO', Value: ['Wetread'] }, '00283110': sq({ '00281050': ds(40), '00281051': ds(80) }) })).toBe('window')
    const sigmoid = await greys({ ...hu, '00283110': sq({ '00281050': ds(40), '00281051': ds(80), '00281056': cs('SIGMOID') }) })
    expect([0, 40, 80].map((value) => +at(sigmoid, value).toFixed(4))).toEqual([0.1192, 0.5, 0.8808])
  })

  it('by a VOI LUT have its entries, and the one of the item that names the picture', async () => {
    const naming = (uid: string) => ({ '00081140': sq({ '00081155': { vr: 'UI', Value: [uid] } }) })
    // Its first value is -1000, written without a sign (PS3.3 C.11.2.1.1).
    const found = await greys({ ...hu, '00283110': sq({ ...naming('9'), '00283010': sq(lut(0, 8, 255, 0)) }, { ...naming('1.2'), '00283010': sq(lut(64536, 12, 4095, 1024, 0, 2048)) }) })
    expect([-1024, -1000, -999, -998, -997, 500].map((value) => +at(found, value).toFixed(2))).toEqual([1, 1, 0.25, 0, 0.5, 0.5])
    expect(notShown({ '00283110': sq({ '00283010': sq(lut(0, 8, 0)) }) } as DicomJson)).toEqual([])
  })

  it('go through Modality LUT, window and Presentation LUT in this order', async () => {
    // Stored 1024 … 1027 become 0, 100, 300, 200; the window makes 0, 1/3, 1, 2/3 of them; the last table squares.
    const squares = Array.from({ length: 256 }, (_, level) => Math.round((level * level * 65535) / (255 * 255)))
    const state = { '00283000': sq(lut(1024, 16, 0, 100, 300, 200)), '00283110': sq({ '00281050': ds(150.5), '00281051': ds(301) }), '20500010': sq(lut(0, 16, ...squares)) }
    const found = await greys(state)
    expect([-1024, 0, 1, 2, 3, 3071].map((value) => +at(found, value).toFixed(2))).toEqual([0, 0, 0.11, 1, 0.44, 0.44])
    expect(notShown({ ...about, ...state } as DicomJson)).toEqual([])
  })

  it('by a Presentation LUT alone are spread over all that can be stored', async () => {
    const found = await greys({ ...hu, '20500010': sq(lut(0, 10, 0, 1023, 0)) })
    expect([-1024, 1023, 3071].map((value) => Math.round(at(found, value)))).toEqual([0, 1, 0])
  })

  it('are told behind a Modality LUT of the picture where that can be undone or is the same, and not else', async () => {
    const stored = { '00280100': us(16), '00280101': us(2), '00280103': us(0), '00283000': sq({}) }
    const table = (...entries: number[]) => tableOf([entries.length, 0, 16], new Uint8Array(Uint16Array.from(entries).buffer), false)
    // One to one, but turned: value 10 was stored as 3.
    const undone = await greys({ '00283110': sq({ '00283010': sq(lut(0, 8, 0, 51, 102, 255)) }) }, stored, table(40, 30, 20, 10))
    expect([10, 20, 30, 40].map((value) => at(undone, value))).toEqual([1, 0.4, 0.2, 0])
    const window = { '00283110': sq({ '00281050': ds(1.5), '00281051': ds(2) }) }
    expect(await greys(window, stored, table(7, 7, 7, 9))).toBeNull()
    const same = await greys({ '00283000': sq(lut(0, 16, 7, 7, 7, 9)), '00283110': sq({ '00281050': ds(8.5), '00281051': ds(3) }) }, stored, table(7, 7, 7, 9))
    expect([7, 8, 9].map((value) => at(same, value))).toEqual([0, 0.5, 1])
  })

  it('are no more points than are drawn, with the ends where they were', async () => {
    const rough = Array.from({ length: 4096 }, (_, level) => (level * 2654435761) % 65536)
    const found = (await greys({ ...hu, '20500010': sq(lut(0, 16, ...rough)) })) as Greys
    expect(found.points.length).toBe(1024)
    expect([found.points[0]?.[0], found.points[1023]?.[0]]).toEqual([-1024, 3071])
    // A window needs two.
    const plain = (await greys({ '00283110': sq({ '00281050': ds(1064), '00281051': ds(101), '00281056': cs('LINEAR_EXACT') }) })) as Greys
    expect(plain.points.length).toBeLessThanOrEqual(4)
  })
})
