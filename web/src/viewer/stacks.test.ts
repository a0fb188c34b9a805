// @vitest-environment jsdom
import { describe, expect, it, vi } from 'vitest'
import type { DicomJson } from './dicom'
import { firstStack, hang } from './hanging/builtIn'
import { FOUR, SIDE_BY_SIDE } from './layout'
import { presetsFor, rangeOf, windowOf } from './presets'
import { calibrationOf, makeStacks, mostAlike, seriesHead, speltLaterality, stacksOfSeries, type SeriesHead, type Stack } from './stacks'
import { priorLabel } from './study'
import { scaleBar } from './view'

const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })
const HEAD: SeriesHead = { seriesInstanceUid: '1.2', seriesNumber: 3, description: 'Axial', modality: 'CT', bodyPart: 'HEAD', instances: 0 }

function slice(number: number, z: number, over: DicomJson = {}): DicomJson {
  return {
    '00080018': element('UI', `1.2.${number}`),
    '00080060': element('CS', 'CT'),
    '00200013': element('IS', number),
    '00200032': element('DS', -100, -100, z),
    '00200037': element('DS', 1, 0, 0, 0, 1, 0),
    '00200052': element('UI', '1.9'),
    '00280010': element('US', 512),
    '00280011': element('US', 512),
    '00280030': element('DS', 0.5, 0.5),
    ...over,
  }
}

function view(side: string, position: string, uid: string): DicomJson {
  return {
    '00080018': element('UI', uid),
    '00080060': element('CS', 'MG'),
    '00185101': element('CS', position),
    '00200062': element('CS', side),
    '00200020': element('CS', 'A', 'R'),
    '00181164': element('DS', 0.1, 0.1),
    '00280010': element('US', 100),
    '00280011': element('US', 100),
  }
}

const mammogram = (side: string, position: string): Stack => {
  const uid = `7.${side}${position}`
  return stacksOfSeries('1', { ...HEAD, seriesInstanceUid: uid, modality: 'MG' }, [view(side, position, uid)])[0] as Stack
}

describe('the stacks of a series', () => {
  it('makes the same ones of the same metadata, and others of another, or where the series is told otherwise', () => {
    const instances = [slice(1, 0), slice(2, 5)]
    const stacks = stacksOfSeries('1', HEAD, instances)
    expect(stacksOfSeries('1', { ...HEAD }, instances)).toBe(stacks)
    expect(stacksOfSeries('1', { ...HEAD, description: 'Coronal' }, instances)[0]?.label).toBe('Coronal')
    expect(stacksOfSeries('2', HEAD, instances)[0]?.frames[0]?.imageId).not.toBe(stacks[0]?.frames[0]?.imageId)
    expect(stacksOfSeries('1', HEAD, [...instances, slice(3, 10)])[0]?.length).toBe(3)
  })

  it('says side and thickness of each frame of an enhanced object by its own functional groups', () => {
    const anatomy = (side: string) => ({ '00209071': element('SQ', { '00209072': element('CS', side) }) })
    const enhanced: DicomJson = {
      ...slice(1, 0),
      '00200060': element('CS', 'B'),
      '00280008': element('IS', 2),
      '52009229': element('SQ', { '00289110': element('SQ', { '00180050': element('DS', 2.5) }), ...anatomy('L') }),
      '52009230': element('SQ', {}, anatomy('R')),
    }
    const frames = stacksOfSeries('1', HEAD, [enhanced]).flatMap((stack) => stack.frames)
    expect(frames.map((frame) => [frame.laterality, frame.sliceThickness])).toEqual([['L', 2.5], ['R', 2.5]])
    const single = stacksOfSeries('1', HEAD, [slice(1, 0, { '00200060': element('CS', 'R') })])[0]?.frames[0]
    expect([single?.laterality, single?.sliceThickness]).toEqual(['R', null])
  })

  it('orders slices by place, running as the scanner numbered them', () => {
    const [up] = stacksOfSeries('1', HEAD, [slice(2, 5), slice(3, 10), slice(1, 0)])
    expect(up?.positions).toEqual([0, 5, 10])
    const [down] = stacksOfSeries('1', HEAD, [slice(2, 5), slice(1, 10), slice(3, 0)])
    expect(down?.positions).toEqual([10, 5, 0])
    expect(down?.frames.map((frame) => frame.instanceNumber)).toEqual([1, 2, 3])
  })

  it('goes by place where the numbers jump about', () => {
    const [stack] = stacksOfSeries('1', HEAD, [slice(1, 0), slice(3, 5), slice(2, 10), slice(4, 15)])
    expect(stack?.positions).toEqual([0, 5, 10, 15])
  })

  it('goes by number where two slices share a place (phases)', () => {
    const [stack] = stacksOfSeries('1', HEAD, [slice(2, 0), slice(1, 0), slice(3, 5)])
    expect(stack?.positions).toBeNull()
    expect(stack?.frames.map((frame) => frame.instanceNumber)).toEqual([1, 2, 3])
  })

  it('keeps a localiser out of the slices', () => {
    const scout = slice(1, 0, { '00200037': element('DS', 1, 0, 0, 0, 0, -1), '00080008': element('CS', 'ORIGINAL', 'PRIMARY', 'LOCALIZER') })
    const stacks = stacksOfSeries('1', HEAD, [scout, slice(2, 0), slice(3, 5)])
    expect(stacks.map((stack) => stack.length)).toEqual([2, 1])
    expect(firstStack([...stacks].reverse())?.length).toBe(2)
  })

  it('gives a cine its frames with a rate, and what has no pixels no stack', () => {
    const cine: DicomJson = {
      ...view('', '', '5.1'),
      '00280008': element('IS', 30),
      '00180040': element('IS', 24),
    }
    const [stack] = stacksOfSeries('1', { ...HEAD, modality: 'US' }, [cine])
    expect([stack?.length, stack?.cineRate, stack?.frames[29]?.frameNumber]).toEqual([30, 24, 30])
    expect(stack?.frames[29]?.imageId).toMatch(/^wadors:http.*\/studies\/1\/series\/1\.2\/instances\/5\.1\/frames\/30$/)
    expect(stacksOfSeries('1', HEAD, [{ '00080018': element('UI', '1'), '00080060': element('CS', 'SR') }])).toEqual([])
  })

  it('reads a series as QIDO-RS lists it', () => {
    expect(seriesHead({ '0020000E': element('UI', '1.2'), '00200011': element('IS', '4'), '00201209': element('IS', 7) })).toMatchObject({
      seriesInstanceUid: '1.2',
      seriesNumber: 4,
      instances: 7,
    })
    expect(seriesHead({})).toBeNull()
  })
})

describe('what a millimetre is worth', () => {
  it.each([
    ['a slice', slice(1, 0), 'patient'],
    ['a radiograph with the detector’s spacing alone', { '00080060': element('CS', 'DX'), '00181164': element('DS', 0.14, 0.14) }, 'detector'],
    [
      'a radiograph that repeats the detector’s spacing',
      { '00080060': element('CS', 'DX'), '00181164': element('DS', 0.14, 0.14), '00280030': element('DS', 0.14, 0.14) },
      'detector',
    ],
    [
      'a radiograph calibrated by a fiducial',
      { '00080060': element('CS', 'DX'), '00280030': element('DS', 0.13, 0.13), '00280A02': element('CS', 'FIDUCIAL') },
      'calibrated',
    ],
    ['a picture with no spacing', { '00080060': element('CS', 'OT') }, 'none'],
    ['ultrasound with regions', { '00080060': element('CS', 'US'), '00186011': element('SQ', {}) }, 'region'],
  ] as [string, DicomJson, string][])('%s', (_, instance, kind) => {
    expect(calibrationOf(instance).calibration.kind).toBe(kind)
  })

  it('takes the magnification out of a mammogram’s spacing', () => {
    const found = calibrationOf({ ...view('L', 'CC', '1'), '00181114': element('DS', 1.25) })
    expect(found.spacing).toEqual([0.08, 0.08])
    expect(found.calibration.kind).toBe('calibrated')
  })
})

describe('the shape of a pixel', () => {
  const shapeOf = (over: DicomJson) => {
    const plain: DicomJson = { ...view('', '', '1'), '00080060': element('CS', 'OT') }
    delete plain['00181164']
    const frame = stacksOfSeries('1', HEAD, [{ ...plain, ...over }])[0]?.frames[0]
    return [frame?.metadata['00280030']?.Value, frame?.calibration.kind]
  }

  it('is kept without making millimetres of it', () => {
    // Twice as high as wide.
    expect(shapeOf({ '00280034': element('IS', 2, 1) })).toEqual([[2, 1], 'none'])
    expect(shapeOf({ '00280034': element('IS', 1, 1) })).toEqual([undefined, 'none'])
    expect(shapeOf({})).toEqual([undefined, 'none'])
  })

  it('is that of an ultrasound region with the same units both ways', () => {
    const region = (over: DicomJson) => ({
      '00186011': element('SQ', { '00186024': element('US', 3), '00186026': element('US', 3), '0018602C': element('FD', 0.02), '0018602E': element('FD', 0.03), ...over }),
    })
    expect(shapeOf(region({}))).toEqual([[expect.closeTo(1.5, 9), 1], 'region'])
    // Seconds across, centimetres down: an M-mode trace has no shape.
    expect(shapeOf(region({ '00186024': element('US', 4) }))).toEqual([undefined, 'region'])
  })
})

describe('hanging', () => {
  it('hangs four mammograms back to back, right breast on the left', () => {
    const stacks = [mammogram('L', 'MLO'), mammogram('R', 'CC'), mammogram('L', 'CC'), mammogram('R', 'MLO')]
    const hanging = hang(stacks, null)
    expect(hanging.layout).toEqual(FOUR)
    expect(hanging.stacks.map((stack) => `${stack?.frames[0]?.laterality}${stack?.frames[0]?.viewPosition}`)).toEqual(['RCC', 'LCC', 'RMLO', 'LMLO'])
  })

  it('puts the prior’s most similar stack beside', () => {
    const [now] = stacksOfSeries('1', HEAD, [slice(1, 0), slice(2, 5)])
    const bone = stacksOfSeries('2', { ...HEAD, seriesInstanceUid: '2.1', description: 'Bone' }, [slice(1, 0), slice(2, 5)])[0] as Stack
    const axial = stacksOfSeries('2', { ...HEAD, seriesInstanceUid: '2.2' }, [slice(1, 0), slice(2, 5)])[0] as Stack
    expect(hang([now as Stack], [bone, axial])).toMatchObject({ layout: SIDE_BY_SIDE, stacks: [now, axial] })
    expect(mostAlike(mammogram('L', 'CC'), [mammogram('R', 'CC'), mammogram('L', 'MLO'), mammogram('L', 'CC')])?.key).toBe(mammogram('L', 'CC').key)
  })
})

describe('words', () => {
  it('tells a prior’s age from the study’s date, not from today', () => {
    const study = (study_date: string | null) => ({ study_pk: 1, study_instance_uid: '1', study_date, study_description: null, modalities_in_study: [] })
    expect(priorLabel(study('2025-09-25'), study('2026-11-25'))).toBe('PRIOR · 14 months')
    expect(priorLabel(study('2025-09-26'), study('2026-11-25'))).toBe('PRIOR · 13 months')
    expect(priorLabel(study('2024-11-25'), study('2026-11-25'))).toBe('PRIOR · 2 years')
    expect(priorLabel(study('20261125'), study('2026-11-25'))).toBe('PRIOR · same day')
    expect(priorLabel(study('2026-11-24'), study('2026-11-25'))).toBe('PRIOR · 1 day')
    expect(priorLabel(study('2021-01-01'), study('2026-11-25'))).toBe('PRIOR · 5 years')
    expect(priorLabel(study('2026-12-01'), study('2026-11-25'))).toBe('LATER · 6 days')
    expect(priorLabel(study(null), study('2026-11-25'))).toBe('PRIOR · date unknown')
  })

  it('spells a side', () => {
    expect([speltLaterality('L'), speltLaterality('R'), speltLaterality('U'), speltLaterality(null)]).toEqual(['LEFT', 'RIGHT', null, null])
  })

  it('turns a window into a range and back (PS3.3 C.11.2.1.2.1)', () => {
    expect(rangeOf({ center: 40, width: 80 })).toEqual({ lower: 0, upper: 79 })
    expect(windowOf(rangeOf({ center: -600, width: 1500 }))).toEqual({ center: -600, width: 1500 })
    expect(presetsFor('CT', 'HEAD')[0]?.label).toBe('Brain')
    expect(presetsFor('MR', 'HEAD')).toEqual([])
  })

  it('draws a scale bar of a round length that fits', () => {
    expect(scaleBar(3, 110)).toEqual({ units: 20, length_px: 60 })
    expect(scaleBar(2, 110)).toEqual({ units: 50, length_px: 100 })
    expect(scaleBar(0, 110)).toBeNull()
  })
})

describe('the stacks of a large series', () => {
  it('are made a little at a time, and are those of whoever asks after', async () => {
    const slices = Array.from({ length: 200 }, (_, at) => slice(at + 1, at))
    let now = 0
    vi.spyOn(performance, 'now').mockImplementation(() => (now += 7))
    const pauses = vi.spyOn(globalThis, 'setTimeout')
    await makeStacks('1', HEAD, slices)
    expect(pauses.mock.calls.length).toBeGreaterThanOrEqual(2)
    vi.restoreAllMocks()
    const made = stacksOfSeries('1', HEAD, slices)
    expect(made[0]?.length).toBe(200)
    expect(stacksOfSeries('1', HEAD, slices)).toBe(made)
    expect(made).toEqual(stacksOfSeries('1', HEAD, [...slices]))
  })
})
