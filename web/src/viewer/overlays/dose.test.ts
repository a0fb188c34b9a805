// @vitest-environment jsdom
import { describe, expect, it } from 'vitest'
import type { DicomJson } from '../dicom'
import { along, type Vec3 } from '../geometry'
import { firstStack } from '../hanging/builtIn'
import { stacksOfSeries, type Stack } from '../stacks'
import { doseLayerOf, dosePartsOf, geometryOf, kindOfDose, lookAtFirst, partOfLevel, WASH } from './dose'
import { frameOffsets } from './doseFrames'
import { contourOf, doseAt, doseForms, fieldOn, gridOf, type DoseGrid } from './doseGrid'
import { laidFrom, isSameLaid } from './sharedLaid'
import type { Cut } from './solids'

const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })
const [ROWS, COLUMNS] = [4, 5]

function dose(over: DicomJson = {}, offsets: number[] = [0, 3, 9]): DicomJson {
  return {
    '00080016': element('UI', '1.2.840.10008.5.1.4.1.1.481.2'),
    '00080018': element('UI', '1.5'),
    '0020000D': element('UI', '1'),
    '0020000E': element('UI', '1.4'),
    '00200052': element('UI', '1.9'),
    '00200032': element('DS', -10, -20, 30),
    '00200037': element('DS', 1, 0, 0, 0, 1, 0),
    '00280008': element('IS', offsets.length),
    '00280010': element('US', ROWS),
    '00280011': element('US', COLUMNS),
    '00280030': element('DS', 2, 2.5),
    '00280100': element('US', 16),
    '00280103': element('US', 0),
    '30040002': element('CS', 'GY'),
    '30040004': element('CS', 'PHYSICAL'),
    '3004000A': element('CS', 'PLAN'),
    '3004000C': element('DS', ...offsets),
    '3004000E': element('DS', 0.01),
    ...over,
  }
}

/** A dose that grows evenly in all directions: between its points it is known too. */
const even = ([x, y, z]: Vec3) => 40 + 0.5 * x - 0.25 * y + 1.5 * (z - 30)

function grid(instance: DicomJson): DoseGrid {
  const how = geometryOf(instance)
  if (typeof how === 'string') throw new Error(how)
  const frames = how.offsets.map((away) => {
    const stored = Uint16Array.from({ length: ROWS * COLUMNS }, (_, at) => Math.round(even(along(along(along(how.origin, how.row, (at % COLUMNS) * 2.5), how.column, Math.floor(at / COLUMNS) * 2), how.normal, away)) / 0.01))
    return new Uint8Array(stored.buffer)
  })
  return gridOf(how, frames)
}

describe('where the planes of a dose lie', () => {
  it('is told from the first, along the normal, which may lead towards the feet', () => {
    expect(frameOffsets(dose())).toEqual([0, 3, 9])
    expect(frameOffsets(dose({}, [0, -3, -9]))).toEqual([0, -3, -9])
  })

  it('or as z of the patient, where the first is that of its position', () => {
    expect(frameOffsets(dose({}, [30, 33, 39]))).toEqual([0, 3, 9])
    // Rows to the right: the normal leads to the feet, z does not.
    expect(frameOffsets(dose({ '00200037': element('DS', -1, 0, 0, 0, 1, 0) }, [30, 33, 39]))?.map((one) => one + 0)).toEqual([0, -3, -9])
    // On another plane z is none.
    expect(frameOffsets(dose({ '00200037': element('DS', 1, 0, 0, 0, 0, -1) }, [30, 33, 39]))).toBeNull()
  })

  it.each([
    ['neither', {}, [7, 10, 16], 'does not say where its planes lie'],
    ['for another number of frames', { '00280008': element('IS', 4) }, [0, 3, 9], 'does not say where its planes lie'],
    ['twice', {}, [0, 3, 3], 'Several of its planes'],
  ])('or %s: nothing is laid anywhere', (_, over, offsets, words) => {
    expect(doseLayerOf(dose(over, offsets))?.fault).toContain(words)
  })

  it('is not what is read first, though its grid is a picture', () => {
    const stacks = ['RTDOSE', 'CT'].map((modality) => ({ modality, length: 9, frames: [] })) as unknown as Stack[]
    expect(firstStack(stacks)?.modality).toBe('CT')
    expect(firstStack(stacks.slice(0, 1))?.modality).toBe('RTDOSE')
  })

  it('is that of its pictures, where it is looked at by itself', () => {
    const [stack] = stacksOfSeries('1', { seriesInstanceUid: '1.4', seriesNumber: 1, description: null, modality: 'RTDOSE', bodyPart: null, instances: 1 }, [dose()])
    expect(stack?.positions).toEqual([30, 33, 39])
    expect(stack?.frames.map((frame) => frame.plane?.origin[2])).toEqual([30, 33, 39])
  })
})

describe('the dose at a place', () => {
  const places: Vec3[] = [
    [-10, -20, 30],
    [-8.1, -17.3, 31.1],
    [-2, -15, 37.9],
    [0, -14, 39],
  ]
  it.each([
    [[0, 3, 9]],
    [[30, 33, 39]],
    // Frames in another order, and planes at uneven steps.
    [[0, 9, 3]],
  ])('is that between the points around it, by offsets %j', (offsets) => {
    const it = grid(dose({}, offsets))
    for (const place of places) expect(doseAt(it, place)).toBeCloseTo(even(place), 2)
    expect(it.most).toBeCloseTo(even([0, -20, 39]), 2)
    expect(it.peak).toEqual([0, -20, 39])
  })

  it.each([
    [[-10.5, -18, 33]],
    [[-5, -13.5, 33]],
    [[-5, -18, 29.5]],
    [[-5, -18, 39.5]],
  ] as [Vec3][])('is none at %j, beyond the grid', (place) => {
    expect(doseAt(grid(dose()), place)).toBeNull()
  })

  it('is less than nothing in a difference of doses, whose values have signs', () => {
    const instance = dose({ '30040004': element('CS', 'ERROR'), '00280103': element('US', 1), '00280100': element('US', 32) }, [0])
    const how = geometryOf(instance)
    const stored = new Uint8Array(new Int32Array(ROWS * COLUMNS).fill(-250).buffer)
    expect(typeof how === 'string' ? how : doseAt(gridOf(how, [stored]), [-10, -20, 30])).toBeCloseTo(-2.5)
    expect(kindOfDose(instance)).toBe('Difference of doses of the plan')
  })
})

const SLANTED: Cut = { origin: [-5, -17, 34], row: [0.8, 0, 0.6], column: [0, 1, 0], normal: [-0.6, 0, 0.8], thickness: 0, seen: [-50, -50, 50, 50], fine: 0.1 }

describe('lines of equal dose', () => {
  const it3 = grid(dose())
  it('go through places of that dose, on any plane, and end where the grid does', () => {
    const field = fieldOn(it3, SLANTED)
    if (!field) throw new Error('The plane goes through the grid.')
    const path = contourOf(field, 47)
    // It leaves the grid at both ends: the edge of the grid is no line of equal dose.
    expect(path.match(/M/g)).toHaveLength(1)
    expect(path).not.toContain('Z')
    for (const point of path.slice(1).split('L')) {
      const [x = NaN, y = NaN] = point.split(' ').map(Number)
      expect(even(along(along(field.origin, field.right, x), field.down, y))).toBeCloseTo(47, 1)
    }
    expect(contourOf(field, 1_000)).toBe('')
    expect(fieldOn(it3, { ...SLANTED, origin: [-5, -17, 99] })).toBeNull()
  })

  it('close around what lies within', () => {
    const values = Float32Array.from({ length: 49 }, (_, at) => 10 - Math.hypot((at % 7) - 3, Math.floor(at / 7) - 3))
    const path = contourOf({ origin: [0, 0, 0], right: [1, 0, 0], down: [0, 1, 0], width: 7, height: 7, values }, 8)
    expect(path).toMatch(/^M[^MZ]+Z$/)
  })
})

describe('how a dose is looked at', () => {
  it('is by parts of what is prescribed, else of the greatest; its lines say both', () => {
    expect(lookAtFirst(63.234, 60).reference).toBe(60)
    expect(lookAtFirst(63.234, null).reference).toBe(63.2)
    const layer = doseLayerOf(dose())
    const parts = layer && dosePartsOf(layer, { reference: 60, inPercent: true, levels: [50, 95] })
    expect(parts?.map((part) => [part.number, part.label, part.meaning])).toEqual([
      [WASH, 'In colours', null],
      [9500, '95 %', '57 Gy'],
      [5000, '50 %', '30 Gy'],
    ])
    expect(layer && dosePartsOf(layer, { reference: 60, inPercent: false, levels: [45] })[1]).toMatchObject({ label: '45 Gy', meaning: '75 %' })
  })

  it('tells how much of the patient has so much', () => {
    const forms = doseForms(grid(dose()), { reference: 100, inPercent: false, levels: [1, 49, 500] })
    // All 60 points: 20 a plane of 5 mm², of 3, 4.5 and 6 mm.
    expect(forms.get(partOfLevel(1))?.volume).toBeCloseTo(20 * 5 * 13.5)
    // Planes reckoned alone: x and y of each point where 40 + 0.5 x − 0.25 y + 1.5 z is enough.
    const count = (z: number) => Array.from({ length: 20 }, (_, at) => even([-10 + (at % 5) * 2.5, -20 + Math.floor(at / 5) * 2, 30 + z])).filter((one) => one >= 49).length
    expect(forms.get(partOfLevel(49))?.volume).toBeCloseTo(5 * (count(0) * 3 + count(3) * 4.5 + count(9) * 6))
    expect(forms.get(partOfLevel(500))).toMatchObject({ volume: 0, missing: 'Not reached' })
  })

  it('is told to others, who believe no nonsense', () => {
    const told = { '1.5': { hidden: [], opacity: 0.3, dose: { reference: 60, inPercent: true, levels: [95] } } }
    expect(laidFrom(told)).toEqual(told)
    for (const bad of [{ reference: -1 }, { inPercent: 'yes' }, { levels: [NaN] }, { levels: Array.from({ length: 99 }, () => 1) }])
      expect(laidFrom({ '1.5': { ...told['1.5'], dose: { ...told['1.5'].dose, ...bad } } })['1.5']).toEqual({ hidden: [], opacity: 0.3 })
    expect(isSameLaid(told, { '1.5': { ...told['1.5'], dose: { reference: 50, inPercent: true, levels: [95] } } }, new Set(['1.5']))).toBe(false)
  })
})
