import { describe, expect, it } from 'vitest'
import { enlarged } from './coarse'
import { coarseHalvings } from './plain'

describe('a coarse picture', () => {
  it('has each value where it stood, and those between on the line', () => {
    // Of 1 row by 7: every second value was kept, from the first on.
    expect([...enlarged(Int16Array.of(0, 10, 30, 20), 4, 7, 1, 1)]).toEqual([0, 5, 10, 20, 30, 25, 20])
    expect([...enlarged(Uint16Array.of(0, 8), 2, 8, 1, 2)]).toEqual([0, 2, 4, 6, 8, 8, 8, 8])
    expect([...enlarged(Float32Array.of(0, 1, 1, 2), 2, 3, 3, 1)]).toEqual([0, 0.5, 1, 0.5, 1, 1.5, 1, 1.5, 2])
    expect(enlarged(Uint8Array.of(1), 1, 2, 2, 1)).toEqual(Uint8Array.of(1, 1, 1, 1))
  })

  it('is made of grey ones alone that say their window and how their values are meant', () => {
    const us = (value: number | string) => ({ vr: 'US', Value: [value] })
    const ct = { '00080060': us('CT'), '00280002': us(1), '00280004': us('MONOCHROME2'), '00280010': us(512), '00280011': us(512), '00280100': us(16), '00280101': us(16), '00280103': us(1), '00083002': us('1.2.840.10008.1.2.1'), '00281050': us(40), '00281051': us(400) }
    expect(coarseHalvings(ct)).toBe(2)
    const without = (...tags: string[]) => Object.fromEntries(Object.entries(ct).filter(([tag]) => !tags.includes(tag)))
    expect(coarseHalvings(without('00281050'))).toBe(0)
    expect(coarseHalvings({ ...ct, '00080060': us('PT') })).toBe(0)
    expect(coarseHalvings({ ...ct, '00283000': { vr: 'SQ', Value: [{}] } })).toBe(0)
    expect(coarseHalvings({ ...ct, '00280002': us(3) })).toBe(0)
    expect(coarseHalvings({ ...ct, '00280010': us(100), '00280011': us(100) })).toBe(0)
  })
})
