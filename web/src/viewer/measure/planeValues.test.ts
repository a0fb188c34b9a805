import { afterEach, describe, expect, it } from 'vitest'
import type { Types as ToolTypes } from '@cornerstonejs/tools'
import type { Vec3 } from '../geometry'
import type { Slab } from '../volume/slab'
import { wordsOf, type Stats } from './words'
import { countedAs, countOnPlane, openValues, type PlaneValues } from './planeValues'

const SPACE = '1.2.3'
let close: (() => void) | null = null

function open(at: PlaneValues['at'], slab: Slab = { mode: 'thin', thickness: 10 }, isWhole = true, reaches: PlaneValues['reaches'] = (point) => at(point) !== null): void {
  const axes = [[1, 0, 0], [0, 1, 0], [0, 0, 1]] as const
  close = openValues({ frameOfReferenceUid: SPACE, at, reaches, origin: [0, 0, 0], axes, spacing: [1, 2, 3], slab: () => slab, isWhole: () => isWhole, unit: 'HU' })
}

function drawn(points: readonly Vec3[], normal: Vec3 = [0, 0, -1], up: Vec3 = [0, -1, 0]): ToolTypes.Annotation {
  return { metadata: { FrameOfReferenceUID: SPACE, viewPlaneNormal: normal, viewUp: up }, data: { handles: { points } } } as unknown as ToolTypes.Annotation
}

/** Corners as Cornerstone keeps them: upper left, upper right, lower left, lower right. */
const rectangle = (left: number, top: number, right: number, bottom: number, z = 0) =>
  drawn([
    [left, top, z],
    [right, top, z],
    [left, bottom, z],
    [right, bottom, z],
  ])

describe('what a region on a plane holds', () => {
  afterEach(() => close?.())

  it('is each voxel within it once, where the plane lies in their layer', () => {
    const asked: string[] = []
    open(([x, y, z]) => {
      asked.push([x, y, z].map((one) => one.toFixed(3)).join())
      return x * 10 + y
    })
    const found = countOnPlane(rectangle(-0.4, -0.5, 2.4, 2.5), 'rectangle')
    expect(asked.sort()).toEqual(['0.000,0.000,0.000', '0.000,2.000,0.000', '1.000,0.000,0.000', '1.000,2.000,0.000', '2.000,0.000,0.000', '2.000,2.000,0.000'])
    expect(found).toMatchObject({ mean: 11, min: 0, max: 22, modalityUnit: 'HU', plane: 'Thin plane' })
    expect(found?.stdDev).toBeCloseTo(Math.sqrt(200 / 3 + 1), 9)
    expect(found?.area).toBeCloseTo(2.8 * 3, 9)
  })

  it('is the brightest through a slab, also where there is nothing at its edge', () => {
    open(([, , z]) => (z > 4.2 ? null : z), { mode: 'mip', thickness: 10 })
    const found = countOnPlane(rectangle(0, 0, 3, 3), 'rectangle')
    expect(found?.max).toBeGreaterThan(3.5)
    expect(found?.max).toBeLessThanOrEqual(4.2)
    expect(found?.plane).toBe('MIP 10 mm')
  })

  it('stays of the slab in which it was kept until it is moved', () => {
    open(([, , z]) => z, { mode: 'mip', thickness: 10 })
    const one = rectangle(0, 0, 3, 3)
    Object.assign(one.data, { counted: countedAs(one, null) })
    expect(countOnPlane(one, 'rectangle')).toMatchObject({ max: 0, plane: 'Thin plane' })
    Object.assign(one.data, { handles: rectangle(0, 0, 3, 4).data.handles })
    expect(countOnPlane(one, 'rectangle')).toMatchObject({ max: 5, plane: 'MIP 10 mm' })
  })

  it('says which part of it was not scanned, and counts the rest', () => {
    const words = (found: Stats | null, tool = 'RectangleROI') => wordsOf(tool, { cachedStats: { plane: found ?? {} } }, 'plane')
    // Of 10 columns 3 lie beyond the last; of those within one is padding.
    const within = ([x]: Vec3) => x < 6.5
    open(([x, y, z]) => (within([x, y, z]) && Math.round(x) !== 2 ? Math.round(x) : null), undefined, true, within)
    expect(countOnPlane(rectangle(-0.4, -0.5, 9.4, 2.5), 'rectangle')).toMatchObject({ beyond: 0.3, min: 0, max: 6 })
    expect(words(countOnPlane(rectangle(-0.4, -0.5, 9.4, 2.5), 'rectangle'))).toContain('30 % outside the images: not counted')
    expect(words(countOnPlane(rectangle(-0.4, -0.5, 5.4, 2.5), 'rectangle')).join()).not.toContain('outside')
    expect(words(countOnPlane(rectangle(1.6, -0.5, 2.4, 2.5), 'rectangle'))).toContain('No values: padding, or behind a shutter')
    expect(words(countOnPlane(rectangle(7.6, -0.5, 9.4, 2.5), 'rectangle'))).toContain('No values: nothing was scanned here')
    expect(words(countOnPlane(drawn([[2, 0, 0]]), 'probe'), 'Probe')).toEqual(['No value: padding'])
    expect(words(countOnPlane(drawn([[8, 0, 0]]), 'probe'), 'Probe')).toEqual(['No value: nothing was scanned here'])
    close?.()
    // A slab of which the upper quarter was not scanned.
    open(([, , z]) => (z > 2.5 ? null : 7), { mode: 'average', thickness: 10 })
    expect(countOnPlane(drawn([[0, 0, 0]]), 'probe')).toMatchObject({ value: 7 })
    expect(countOnPlane(drawn([[0, 0, 0]]), 'probe')?.beyond).toBeCloseTo(0.25, 1)
    expect(words(countOnPlane(drawn([[0, 0, 0]]), 'probe'), 'Probe')[1]).toMatch(/^2[3-7] % outside the images: not counted$/)
  })

  it('is no value where nothing was scanned, and waits for what has not come', () => {
    open(() => null)
    expect(countOnPlane(rectangle(0, 0, 3, 3), 'rectangle')).toMatchObject({ mean: null, plane: 'Thin plane' })
    expect(countOnPlane(drawn([[1, 1, 0]]), 'probe')).toMatchObject({ value: null })
    close?.()
    open(() => 1, { mode: 'thin', thickness: 10 }, false)
    expect(countOnPlane(rectangle(0, 0, 3, 3), 'rectangle')).toEqual({ waiting: true })
    close?.()
    expect(countOnPlane(rectangle(0, 0, 3, 3), 'rectangle')).toBeNull()
  })
})
