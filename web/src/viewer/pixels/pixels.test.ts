import { describe, expect, it } from 'vitest'
import { metadataOfFrame } from '../functionalGroups'
import { countsOf, isAroundTable } from '../measure/counting'
import { rangeOfRegion } from '../regionWindow'
import { colours, saysItsColours } from './colours'
import { isPlain } from './plain'
import { looked, tableOf } from './tables'
import { beyondTables, extremes, layoutOf, modalityValues, paddingOf, storedValues, type Layout } from './values'

const layout = (more: Partial<Layout>): Layout => ({
  rows: 1,
  columns: 4,
  samples: 1,
  photometric: 'MONOCHROME2',
  allocated: 16,
  stored: 16,
  highBit: 15,
  signed: false,
  planes: false,
  kind: 'integer',
  transferSyntaxUid: '1.2.840.10008.1.2.1',
  ...more,
})
const words = (...of: number[]) => new Uint8Array(Uint16Array.from(of).buffer)

describe('stored values', () => {
  it('are cleared of bits that are none of theirs, and keep their sign', () => {
    expect([...storedValues(words(0xf123, 0x0fff, 0x8000, 0x1001), layout({ stored: 12, highBit: 11 }))]).toEqual([0x123, 0xfff, 0, 1])
    expect([...storedValues(words(0x0fff, 0x0800, 0x07ff, 0xf001), layout({ stored: 12, highBit: 11, signed: true }))]).toEqual([-1, -2048, 2047, 1])
    expect([...storedValues(words(0x1230, 0xfff0, 0x000f, 0), layout({ stored: 12, highBit: 15 }))]).toEqual([0x123, 0xfff, 0, 0])
  })

  it('of fewer pixels than were told are no picture', () => {
    expect(() => storedValues(words(1, 2, 3), layout({}))).toThrow('fewer pixels')
  })

  it('become those of the modality, parts kept', () => {
    expect([...modalityValues(Int16Array.of(0, 1, 2), { slope: 0.5, intercept: -1 }, null)]).toEqual([-1, -0.5, 0])
    expect(modalityValues(Int16Array.of(0, 32767), { slope: 2, intercept: 0 }, null)).toBeInstanceOf(Float32Array)
  })
})

describe('tables', () => {
  it('have 65,536 entries where they say none, and a sign in their first value only', () => {
    const whole = tableOf([0, 0, 16], new Uint8Array(131072).fill(1), false)
    expect(whole?.entries.length).toBe(65536)
    // PS3.3 C.11.1.1: a first value of -2816 is written as 62720; entries are never negative.
    const table = tableOf([4, 62720, 16], words(0, 32752, 32768, 65520), true)
    expect(table?.first).toBe(-2816)
    expect([-9999, -2815, -2814, 5].map((value) => table && looked(table, value))).toEqual([0, 32752, 32768, 65520])
  })

  it('may be narrower than they say', () => {
    expect([...(tableOf([3, 0, 16], Uint8Array.of(1, 2, 3, 0), false)?.entries as Uint16Array)]).toEqual([1, 2, 3])
  })
})

describe('padding', () => {
  const metadata = (more: object) => ({ '00280103': { vr: 'US', Value: [1] }, ...more })

  it('is a value or a range, whatever the sign that it was written with', () => {
    const one = paddingOf(metadata({ '00280120': { vr: 'US', Value: [63536] } }))
    expect([-2000, -1999].map((value) => one?.(value))).toEqual([true, false])
    const range = paddingOf(metadata({ '00280120': { vr: 'SS', Value: [-32768] }, '00280121': { vr: 'SS', Value: [-32000] } }))
    expect([-32768, -32500, -32000, -31999].map((value) => range?.(value))).toEqual([true, true, true, false])
    expect(paddingOf(metadata({}))).toBeNull()
  })

  it('behind a table is what was stored so, whatever the table makes of it, and no other value that the table makes the same', () => {
    // The table begins at 0, so that padding of -2000 … -1990 is mapped to its first entry: the brightest.
    const said = metadata({ '00280120': { vr: 'SS', Value: [-2000] }, '00280121': { vr: 'SS', Value: [-1990] }, '00283000': { vr: 'SQ', Value: [{}] } })
    const is = paddingOf(said) as (stored: number) => boolean
    const stored = Int16Array.of(-2000, -1990, -1989, 0, 1, 2)
    for (const brightest of [4000, 65535]) {
      const table = { first: 0, entries: [brightest, 700, 30], explanation: null }
      const values = modalityValues(stored, { slope: 9, intercept: 9 }, table, { is, white: false })
      // Below all that a table can give, so black by each window.
      expect([...values]).toEqual([-1, -1, brightest, brightest, 700, 30])
      expect(extremes(values, beyondTables)).toEqual([30, brightest])
      expect([...values].map((value) => countsOf(said)?.(value, 0, 0))).toEqual([false, false, true, true, true, true])
      // Where zero is white, black lies above all.
      expect([...modalityValues(stored, null, table, { is, white: true })]).toEqual([65536, 65536, brightest, brightest, 700, 30])
      expect(countsOf(said)?.(65536, 0, 0)).toBe(false)
    }
    expect([isAroundTable(said, -1), isAroundTable(said, 0), isAroundTable(metadata({}), -1)]).toEqual([true, false, false])
    // The same value is padding before a table, and a value after it.
    expect(countsOf(said)?.(-2000, 0, 0)).toBe(false)
    expect(countsOf(metadata({ '00280120': { vr: 'US', Value: [30] }, '00283000': { vr: 'SQ', Value: [{}] } }))?.(30, 0, 0)).toBe(true)
    expect(rangeOfRegion([-1, -1, -1, 30, 30, 30, 700, 700], 4, 2, [0, 0], [3, 1], countsOf(said))).toEqual({ lower: 30, upper: 700 })
  })
})

describe('the window of a region', () => {
  it('may be less than one of fractions, and is not of whole numbers', () => {
    expect(rangeOfRegion(Float32Array.of(2, 2.25, 2.5, 2.5), 2, 2, [0, 0], [1, 1])).toEqual({ lower: 2, upper: 2.5 })
    expect(rangeOfRegion(Int16Array.of(7, 7, 7, 7), 2, 2, [0, 0], [1, 1])).toEqual({ lower: 6, upper: 8 })
  })
})

describe('colours', () => {
  it('of plain YBR_FULL_422 share theirs between two pixels', () => {
    const bytes = Uint8Array.of(76, 76, 85, 255, 29, 29, 255, 107)
    const out = colours(bytes, layout({ samples: 3, photometric: 'YBR_FULL_422', allocated: 8, stored: 8 }))
    expect([...out.slice(0, 3)].map((one) => Math.round(one / 10))).toEqual([25, 0, 0])
    expect([...out.slice(9)].map((one) => Math.round(one / 10))).toEqual([0, 0, 25])
  })

  it('lie in planes, or have 16 bits', () => {
    const planes = colours(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), layout({ samples: 3, photometric: 'RGB', allocated: 8, stored: 8, planes: true }))
    expect([...planes.slice(0, 6)]).toEqual([1, 5, 9, 2, 6, 10])
    const deep = colours(words(...Array.from({ length: 12 }, (_, at) => at << 8)), layout({ samples: 3, photometric: 'RGB' }))
    expect([...deep]).toEqual(Array.from({ length: 12 }, (_, at) => at))
  })

  it('of a JPEG are told by JFIF or by a whole marker of Adobe’s', () => {
    const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0))
    expect(saysItsColours(bytes('\xff\xd8\xff\xe0\x00\x10JFIF'))).toBe(true)
    expect(saysItsColours(bytes('\xff\xd8\xff\xee\x00\x0eAdobe'))).toBe(true)
    expect(saysItsColours(bytes('\xff\xd8\xff\xee\x00\x07Adobe'))).toBe(false)
    expect(saysItsColours(bytes('\xff\xd8\xff\xdb'))).toBe(false)
  })
})

describe('what Cornerstone may decode', () => {
  const plain = (more: object) => {
    const metadata = { '00280100': { vr: 'US', Value: [16] }, '00083002': { vr: 'UI', Value: ['1.2.840.10008.1.2.1'] }, ...more }
    return isPlain(metadata, layoutOf(metadata))
  }

  it('are whole grey numbers without tables', () => {
    expect(plain({})).toBe(true)
    expect(plain({ '00281053': { vr: 'DS', Value: [0.05] } })).toBe(false)
    expect(plain({ '00283000': { vr: 'SQ', Value: [{}] } })).toBe(false)
    expect(plain({ '00083002': { vr: 'UI', Value: ['1.2.840.10008.1.2.4.51'] } })).toBe(false)
    expect(plain({ '00280004': { vr: 'CS', Value: ['PALETTE COLOR'] } })).toBe(false)
  })
})

describe('functional groups', () => {
  const macro = (tag: string, of: object) => ({ [tag]: { vr: 'SQ', Value: [of] } })
  const spacing = (value: number) => macro('00289110', { '00280030': { vr: 'DS', Value: [value, value] } })

  it('of the frame stand before the shared ones, those before the top, and none leaks into another frame', () => {
    const instance = {
      '00280008': { vr: 'IS', Value: [2] },
      '00280030': { vr: 'DS', Value: [9, 9] },
      '52009229': { vr: 'SQ', Value: [spacing(1)] },
      '52009230': { vr: 'SQ', Value: [spacing(2), {}] },
    }
    expect(metadataOfFrame(instance, 1)['00280030']?.Value).toEqual([2, 2])
    expect(metadataOfFrame(instance, 2)['00280030']?.Value).toEqual([1, 1])
    expect(instance['00280030'].Value).toEqual([9, 9])
  })
})
