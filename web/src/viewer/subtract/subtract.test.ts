// @vitest-environment jsdom
import { describe, expect, it } from 'vitest'
import type { DicomJson } from '../dicom'
import { stacksOfSeries, type SeriesHead, type Stack } from '../stacks'
import { averaged, difference, scaled, scaleOf, windowAround } from './arithmetic'
import { atFirst, fitOf, framesBy, isSameSubtraction, plansOf, spokenFrames, subtractionFrom } from './mask'

const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })
const head = (number: number): SeriesHead => ({ seriesInstanceUid: `1.${number}`, seriesNumber: number, description: null, modality: null, bodyPart: null, instances: 1 })

function run(mask: DicomJson[], over: DicomJson = {}): Stack {
  const instance: DicomJson = {
    '00080018': element('UI', '9.1'),
    '00080060': element('CS', 'XA'),
    '00280002': element('US', 1),
    '00280004': element('CS', 'MONOCHROME2'),
    '00280008': element('IS', 6),
    '00280010': element('US', 4),
    '00280011': element('US', 4),
    '00281090': element('CS', 'SUB'),
    '00286100': element('SQ', ...mask),
    ...over,
  }
  return stacksOfSeries('1', head(1), [instance])[0] as Stack
}

function slices(number: number, places: readonly number[], over: DicomJson = {}): Stack {
  const instances = places.map(
    (place, at): DicomJson => ({
      '00080018': element('UI', `8.${number}.${at}`),
      '00080060': element('CS', 'CT'),
      '00200052': element('UI', '7.7'),
      '00200032': element('DS', 0, 0, place),
      '00200037': element('DS', 1, 0, 0, 0, 1, 0),
      '00280002': element('US', 1),
      '00280004': element('CS', 'MONOCHROME2'),
      '00280010': element('US', 4),
      '00280011': element('US', 4),
      '00280030': element('DS', 1, 1),
      ...over,
    }),
  )
  return stacksOfSeries('1', head(number), instances)[0] as Stack
}

const operation = (name: string, over: DicomJson = {}): DicomJson => ({ '00286101': element('CS', name), ...over })
const range = (...pairs: number[]) => ({ '00286102': element('US', ...pairs) })
const masked = (stack: Stack) =>
  plansOf(stack, { mask: { kind: 'device' }, shift: { right: 0, down: 0 }, kept: 0 }, null).map((plan) => ('reason' in plan ? null : plan.mask.map((id) => Number(id.split('/').pop()))))

describe('the mask of each frame, by PS3.3 C.7.6.10.1', () => {
  it('is the average of the frames that are named, within the range', () => {
    expect(masked(run([operation('AVG_SUB', { '00286110': element('US', 1, 2), ...range(3, 4, 6, 6) })]))).toEqual([null, null, [1, 2], [1, 2], null, [1, 2]])
  })

  it('lies the offset before the frame, or after it, where there is one', () => {
    expect(masked(run([operation('TID', { '00286120': element('SS', 2) })]))).toEqual([null, null, [1], [2], [3], [4]])
    expect(masked(run([operation('TID', { '00286120': element('SS', -1) })]))).toEqual([[2], [3], [4], [5], [6], null])
    expect(masked(run([operation('TID')]))[1]).toEqual([1])
  })

  it('goes backwards from the first frame of the range', () => {
    expect(masked(run([operation('REV_TID', { '00286120': element('SS', 1), ...range(4, 6) })]))).toEqual([null, null, null, [3], [2], [1]])
  })

  it('is none where an operation is of no known kind, and frames that are not there are left out', () => {
    expect(masked(run([operation('NONE')])).every((one) => one === null)).toBe(true)
    expect(framesBy(operation('AVG_SUB', { '00286110': element('US', 9, 2) }), 3, 6)?.mask).toEqual([2])
  })

  it('is taken from as many frames as are averaged, never beyond the last', () => {
    const average = operation('AVG_SUB', { '00286110': element('US', 1), '00286112': element('US', 2) })
    expect(framesBy(average, 5, 6)?.contrast).toEqual([5, 6])
    expect(framesBy(average, 6, 6)).toBeNull()
  })

  it('is moved down by the first number and left by the second', () => {
    const stack = run([operation('AVG_SUB', { '00286110': element('US', 1), '00286114': element('FL', 0.5, 0.25) })])
    expect(plansOf(stack, { mask: { kind: 'device' }, shift: { right: 1, down: 0 }, kept: 0 }, null)[3]).toMatchObject({ shift: { right: 0.75, down: 0.5 }, words: 'mask 1' })
  })
})

describe('what is subtracted at first', () => {
  it('is what the device wrote, else the first frame of a run, else the series before that lies at the same places', () => {
    const written = run([operation('TID')])
    expect(atFirst(written, [])).toMatchObject({ mask: { kind: 'device' } })
    expect(atFirst(run([]), [])).toMatchObject({ mask: { kind: 'frames', frames: [{ sop: '9.1', frame: 1 }] } })
    const [first, second, third] = [slices(2, [0, 5, 10]), slices(3, [0, 5, 10]), slices(4, [0, 5, 10])]
    expect(atFirst(third, [first, second, third])).toMatchObject({ mask: { kind: 'series', stack: second.key } })
    expect(atFirst(first, [first])).toMatch(/no other series/)
  })
})

describe('another series', () => {
  const post = slices(5, [0, 5, 10, 15])
  it('fits by place, in whatever order and with pictures missing', () => {
    expect(fitOf(post, slices(4, [15.02, 5, 0]))).toEqual({ fits: true, pictures: 3 })
    const [pair] = plansOf(post, { mask: { kind: 'series', stack: '' }, shift: { right: 0, down: 0 }, kept: 0 }, slices(4, [15.02, 5, 0]))
    expect(pair).toMatchObject({ mask: [expect.stringContaining('/8.4.2/')] })
  })

  it.each([
    [slices(4, [0, 5], { '00080060': element('CS', 'MR') }), /MR/],
    [slices(4, [0, 5], { '00200052': element('UI', '7.8') }), /frame of reference/],
    [slices(4, [0, 5], { '00200037': element('DS', 0, 1, 0, 1, 0, 0) }), /direction/],
    [slices(4, [0, 5], { '00280011': element('US', 5) }), /5 pixels|4 × 5/],
    [slices(4, [0, 5], { '00280030': element('DS', 2, 2) }), /another size/],
    [slices(4, [2, 7]), /other places/],
  ])('that does not fit says why', (other, why) => {
    const fit = fitOf(post, other)
    expect(fit.fits ? '' : fit.reason).toMatch(why)
  })
})

describe('the difference', () => {
  const contrast = Float32Array.from([10, 20, 30, 40, 50, 60, 70, 80, 90])
  const mask = Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9])

  it('is what is left, with the part of the mask that is kept', () => {
    expect([...difference(contrast, mask, 3, { right: 0, down: 0 }, 0)]).toEqual([9, 18, 27, 36, 45, 54, 63, 72, 81])
    expect(difference(contrast, mask, 3, { right: 0, down: 0 }, 0.25)[4]).toBeCloseTo(50 - 0.75 * 5)
  })

  it('of a moved mask lies between its pixels, and nothing is where it does not reach', () => {
    const moved = difference(contrast, mask, 3, { right: 0.5, down: 1 }, 0)
    expect(moved[4]).toBeCloseTo(50 - 1.5)
    expect([moved[0], moved[3]]).toEqual([0, 0])
    expect(difference(contrast, mask, 3, { right: -1, down: 0 }, 0)[0]).toBe(10 - 2)
  })

  it('of a beam is one of logarithms, unless a table has made them', () => {
    const lin = { '00281040': element('CS', 'LIN'), '00080060': element('CS', 'XA') }
    expect(scaleOf(lin)).toBe('logarithms')
    expect(scaleOf({ ...lin, '00283000': element('SQ', {}) })).toBe('values')
    expect(scaleOf({ ...lin, '00281040': element('CS', 'LOG') })).toBe('values')
    expect((scaled([200], 'logarithms')[0] ?? 0) - (scaled([100], 'logarithms')[0] ?? 0)).toBeCloseTo(1000 * Math.log(2), 2)
    expect(scaled([0], 'logarithms')[0]).toBe(0)
  })

  it('of an averaged mask takes the mean', () => {
    expect([...averaged([Float32Array.from([1, 3]), Float32Array.from([3, 5])])]).toEqual([2, 4])
  })

  it('is seen with nothing in the middle of the greys', () => {
    expect(windowAround([Float32Array.from([-100, 0, 20])], 0)).toEqual({ center: 0.5, width: 201 })
    expect(windowAround([], 0).width).toBeGreaterThan(0)
  })
})

describe('what another page tells', () => {
  it('is taken within its bounds, or is nothing', () => {
    const told = { mask: { kind: 'frames', frames: [{ sop: '9.1', frame: 2 }, { sop: 3 }] }, shift: { right: 1e9, down: 'x' }, kept: -4 }
    expect(subtractionFrom(told)).toEqual({ mask: { kind: 'frames', frames: [{ sop: '9.1', frame: 2 }] }, shift: { right: 64, down: 0 }, kept: 0 })
    for (const bad of [null, undefined, 'device', { mask: { kind: 'frames', frames: [] } }, { mask: { kind: 'other' } }]) expect(subtractionFrom(bad)).toBeNull()
  })

  it('is the same in another order of masks', () => {
    const made = (...frames: number[]) => ({ mask: { kind: 'frames', frames: frames.map((frame) => ({ sop: '9.1', frame })) }, shift: { right: 0, down: 0 }, kept: 0 }) as const
    expect(isSameSubtraction(made(1, 2), made(2, 1))).toBe(true)
    expect(isSameSubtraction(made(1), made(2))).toBe(false)
    expect(isSameSubtraction(made(1), null)).toBe(false)
  })

  it('names runs of frames', () => {
    expect(spokenFrames([3, 1, 2, 7])).toBe('1–3, 7')
  })
})
