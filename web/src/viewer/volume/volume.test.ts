import { describe, expect, it } from 'vitest'
import type { Vec3 } from '../geometry'
import type { Plane } from '../planes'
import { AT_FIRST, nextMode, slabWords, stepThrough, thicker } from './slab'
import { turned, turnedAbout } from './turn'
import { gridOver, layersOf } from './resample'
import { judge, unevenWords } from './volumes'

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
const wordsOf = (planes: Plane[]) => {
  const found = judge(planes)
  return found.isVolume && found.uneven ? unevenWords(found.uneven) : []
}

describe('what is a volume', () => {
  it('is straight slices at equal steps, up or down', () => {
    expect(judge(slices(even))).toEqual({ isVolume: true, step: 2.5, uneven: null })
    expect(judge(slices([...even].reverse()))).toEqual({ isVolume: true, step: 2.5, uneven: null })
    // Positions written with few decimals.
    expect(judge(slices(even.map((place, at) => place + (at % 2) * 0.01)))).toMatchObject({ isVolume: true, uneven: null })
  })

  it('says what is missing, and what is another spacing', () => {
    expect(wordsOf(slices(even.filter((_, at) => at !== 7 && at !== 8)))).toEqual(['2 slices are missing between images 7 and 8: left black'])
    expect(wordsOf(slices([...even].reverse().filter((_, at) => at !== 3)))).toEqual(['1 slice is missing between images 3 and 4: left black'])
    expect(wordsOf(slices([0, 1, 2, 3, 4, 6, 8, 10, 12]))).toEqual(['Slices 1 to 2 mm apart, filled in between'])
  })

  it('says how far it was tilted', () => {
    const tilt = Math.tan((15 * Math.PI) / 180)
    const sheared = slices(even, (at) => ({ origin: [-100, -100 + at * 2.5 * tilt, at * 2.5] }))
    expect(wordsOf(sheared)).toEqual(['Gantry tilt of 15° set straight'])
    // Oblique slices straight above each other are a volume as any other.
    const [c, s] = [Math.cos(0.4), Math.sin(0.4)]
    const oblique = slices(even, (at) => ({ column: [0, c, s], origin: [0, -s * at * 2.5, c * at * 2.5] as Vec3 }))
    expect(judge(oblique)).toMatchObject({ isVolume: true, uneven: null })
  })

  it('has slices of one kind, each at its own place, and enough of them', () => {
    expect(reasonOf(slices(even, (at) => (at === 3 ? { betweenRows: 0.6 } : {})))).toBe('The slices differ in size, spacing or direction.')
    expect(reasonOf(slices([0, 0, 2, 2, 4, 4]))).toBe('Several images lie at the same place.')
    expect(reasonOf(slices([0, 1, 2]))).toBe('Planes need at least 5 slices.')
  })
})

describe('an even grid over uneven slices', () => {
  /** What a place in the patient is worth: linear, so that a right grid tells it exactly wherever it is asked. */
  const worth = ([x, y, z]: readonly number[]) => 3 * (x ?? 0) - 2 * (y ?? 0) + 5 * (z ?? 0)
  const small = { width: 8, height: 6, betweenRows: 1, betweenColumns: 2 }
  const valuesIn = (planes: Plane[]) => (index: number) => {
    const plane = planes[index] as Plane
    const data = Array.from({ length: 4 * 6 }, (_, at) => {
      const [x, y] = [(at % 4) * 2, Math.floor(at / 4)]
      return worth([0, 1, 2].map((axis) => (plane.origin[axis] ?? 0) + x * (plane.row[axis] ?? 0) + y * (plane.column[axis] ?? 0)))
    })
    return { columns: 4, rows: 6, data }
  }
  const check = (planes: Plane[]) => {
    const found = judge(planes)
    if (!found.isVolume || !found.uneven) throw new Error('It is even.')
    const grid = gridOver(planes, found.uneven.missing)
    let inside = 0
    let layer = 0
    const empty: number[] = []
    for (const values of layersOf(grid, valuesIn(planes), -9999)) {
      if (values.every((value) => value === -9999)) empty.push(layer)
      values.forEach((value, at) => {
        if (value === -9999) return
        inside++
        const [x, y] = [(at % grid.columns) * grid.spacing[0], Math.floor(at / grid.columns) * grid.spacing[1]]
        const place = [0, 1, 2].map((axis) => (grid.origin[axis] ?? 0) + x * (grid.row[axis] ?? 0) + y * (grid.column[axis] ?? 0) + layer * grid.spacing[2] * (grid.normal[axis] ?? 0))
        expect(value).toBeCloseTo(worth(place), 2)
      })
      layer++
    }
    return { grid, inside, empty }
  }

  it('has each value at its place in the patient, however the gantry was tilted', () => {
    for (const degrees of [12, -20]) {
      const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)]
      // The table moves straight on, and the slices lie tilted on it.
      const planes = slices([0, 3, 6, 9, 12, 15], (at) => ({ ...small, column: [0, c, s], origin: [-4, -3, 3 * at] as Vec3 }))
      const { grid, inside } = check(planes)
      expect(grid.layers).toHaveLength(6)
      expect(grid.spacing[2]).toBeCloseTo(3 * c, 6)
      expect(inside).toBeGreaterThan(6 * 4 * 5 - 1)
    }
  })

  it('goes by the least step, and fills in between', () => {
    const { grid, empty } = check(slices([0, 1, 2, 3, 5, 7, 9, 11], () => small))
    expect(grid.layers).toHaveLength(12)
    expect(empty).toEqual([])
  })

  it('is empty where slices are missing', () => {
    expect(check(slices([0, 1, 2, 3, 7, 8, 9, 10], () => small)).empty).toEqual([4, 5, 6])
    // The stack may run the other way.
    expect(check(slices([10, 9, 8, 7, 3, 2, 1, 0], () => small)).empty).toEqual([4, 5, 6])
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

it('looks into a slab often enough to meet what is a voxel thick on any plane, but not without end', () => {
  expect(stepThrough([0.5, 0.5, 5], 10)).toBeCloseTo(0.0625)
  expect(stepThrough([1, 1, 1], 10)).toBeCloseTo(0.125)
  expect(stepThrough([0.2, 0.2, 0.2], 80)).toBeCloseTo(0.08)
})
