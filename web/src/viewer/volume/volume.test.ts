import { describe, expect, it } from 'vitest'
import type { Vec3 } from '../geometry'
import type { Plane } from '../planes'
import { AT_FIRST, nextMode, slabWords, thicker } from './slab'
import { turned, turnedAbout } from './turn'
import { judge } from './volumes'

const slices = (places: readonly number[], over: (at: number) => Partial<Plane> = () => ({})): Plane[] =>
  places.map((z, at) => ({
    origin: [-100, -100, z],
    row: [1, 0, 0],
    column: [0, 1, 0],
    width: 256,
    height: 256,
    betweenRows: 0.5,
    betweenColumns: 0.5,
    ...over(at),
  }))
const even = Array.from({ length: 20 }, (_, at) => at * 2.5)
const reasonOf = (planes: Plane[]) => {
  const found = judge(planes)
  return found.isVolume ? null : found.reason
}

describe('what is a volume', () => {
  it('is straight slices at equal steps, up or down', () => {
    expect(judge(slices(even))).toEqual({ isVolume: true, step: 2.5 })
    expect(judge(slices([...even].reverse()))).toEqual({ isVolume: true, step: 2.5 })
    // Positions written with few decimals.
    expect(judge(slices(even.map((place, at) => place + (at % 2) * 0.01)))).toMatchObject({ isVolume: true })
  })

  it('has no gap', () => {
    expect(reasonOf(slices(even.filter((_, at) => at !== 7 && at !== 8)))).toBe('2 slices are missing between images 7 and 8.')
    expect(reasonOf(slices(even.map((place, at) => (at > 9 ? place + 1 : place))))).toBe('The slices are unevenly spaced between images 10 and 11.')
  })

  it('was not tilted', () => {
    const tilt = Math.tan((15 * Math.PI) / 180)
    const sheared = slices(even, (at) => ({ origin: [-100, -100 + at * 2.5 * tilt, at * 2.5] }))
    expect(reasonOf(sheared)).toBe('The gantry was tilted by 15°; planes through these slices would be askew.')
    // Oblique slices straight above each other are a volume as any other.
    const [c, s] = [Math.cos(0.4), Math.sin(0.4)]
    const oblique = slices(even, (at) => ({ column: [0, c, s], origin: [0, -s * at * 2.5, c * at * 2.5] as Vec3 }))
    expect(judge(oblique)).toMatchObject({ isVolume: true })
  })

  it('has slices of one kind, each at its own place, and enough of them', () => {
    expect(reasonOf(slices(even, (at) => (at === 3 ? { betweenRows: 0.6 } : {})))).toBe('The slices differ in size, spacing or direction.')
    expect(reasonOf(slices([0, 0, 2, 2, 4, 4]))).toBe('Several images lie at the same place.')
    expect(reasonOf(slices([0, 1, 2]))).toBe('Planes need at least 5 slices.')
  })
})

describe('turning a plane', () => {
  const close = (found: Vec3, wanted: Vec3) => found.forEach((value, axis) => expect(value).toBeCloseTo(wanted[axis] ?? NaN, 9))

  it('goes by the right hand', () => {
    close(turned([1, 0, 0], [0, 0, 1], 90), [0, 1, 0])
    close(turned([0, 1, 0], [1, 0, 0], 90), [0, 0, 1])
    close(turned([0, 0, 5], [0, 0, 1], 37), [0, 0, 5])
  })

  it('leaves where the planes meet in its place', () => {
    close(turnedAbout([10, 20, 30], [10, 20, 30], [0, 0, 1], 45), [10, 20, 30])
    close(turnedAbout([11, 20, 30], [10, 20, 30], [0, 0, 1], 90), [10, 21, 30])
  })
})

describe('a slab', () => {
  it('says what it is on the picture', () => {
    expect(slabWords(AT_FIRST)).toBeNull()
    expect(slabWords({ mode: 'mip', thickness: 12 })).toBe('MIP 12 mm')
    expect(['thin', 'mip', 'minip', 'average'].map((mode) => nextMode({ ...AT_FIRST, mode: mode as 'thin' }).mode)).toEqual(['mip', 'minip', 'average', 'thin'])
  })

  it('is neither thinner nor thicker than can be drawn', () => {
    expect(thicker({ mode: 'mip', thickness: 3 }, -2).thickness).toBe(2)
    expect(thicker({ mode: 'mip', thickness: 79 }, 10).thickness).toBe(80)
  })
})
