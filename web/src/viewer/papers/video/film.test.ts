import { describe, expect, it } from 'vitest'
import { frameAt, rateOfFilm, rateTold, timeOf, wrappingOf } from './film'

const bytes = (...values: (number | string)[]) => Uint8Array.from(values.flatMap((one) => (typeof one === 'string' ? [...one].map((letter) => letter.charCodeAt(0)) : [one])))

describe('a film', () => {
  it('is told by how it begins', () => {
    expect(wrappingOf(bytes(0, 0, 0, 24, 'ftypisom'))).toBe('mp4')
    const transport = new Uint8Array(400)
    transport[0] = transport[188] = 0x47
    expect(wrappingOf(transport)).toBe('transport')
    transport[188] = 0
    expect(wrappingOf(transport)).toBe('unknown')
    expect(wrappingOf(bytes(0, 0, 1, 0xba, 0x44))).toBe('program')
    expect(wrappingOf(bytes(0, 0, 1, 0xb3, 0x28))).toBe('bare')
    expect(wrappingOf(bytes(0, 0, 0, 1, 0x67, 0x64))).toBe('bare')
    expect(wrappingOf(bytes('<html>'))).toBe('unknown')
    expect(wrappingOf(bytes())).toBe('unknown')
  })

  it('is stepped by the pictures that it has, whatever its maker recommends', () => {
    expect(rateTold({ '00181063': { vr: 'DS', Value: [40] } })).toBe(25)
    expect(rateTold({ '00180040': { vr: 'IS', Value: [0] }, '00082144': { vr: 'IS', Value: [30] } })).toBe(30)
    expect(rateTold({})).toBeNull()
    expect(rateOfFilm(300, 10, 15)).toBe(30)
    // A container that rounds its times is no other rate.
    expect(rateOfFilm(300, 10.02, 30)).toBe(30)
    expect(rateOfFilm(null, 10, 15)).toBe(15)
    expect(rateOfFilm(1, 10, null)).toBe(25)
  })

  it('shows each picture at its time, and none beyond the last', () => {
    for (const rate of [10, 25, 29.97, 60]) for (let frame = 0; frame < 200; frame += 1) expect(frameAt(timeOf(frame, rate), rate, 200)).toBe(frame)
    expect(frameAt(3 / 29.97, 29.97, 200)).toBe(3)
    expect(frameAt(99, 30, 200)).toBe(199)
    expect(timeOf(-5, 10)).toBe(0.05)
  })
})
