import { describe, expect, it } from 'vitest'
import { uidOf, uuidOf } from './findings'
import { inSpace, onPicture } from './picture'
import { graphicsOfState, lookFrom, lookOf, notShown } from './presentation'
import { linesOf } from './reports'
import { handlesOfShapes, shapesOf, toolOf, type Point } from './shapes'
import { keyPictures, measured, standing, type KeptDocument } from './structured'
import type { DicomJson } from '../dicom'

const ds = (values: unknown[]) => ({ vr: 'DS', Value: values })
const sq = (...items: object[]) => ({ vr: 'SQ', Value: items })
const tilted: DicomJson = { '00200032': ds([10, -20, 30]), '00200037': ds([0, 1, 0, 0, 0, -1]), '00280030': ds([0.5, 0.25]) }

describe('places on a picture', () => {
  it('count columns and rows from the upper left corner of the first pixel', () => {
    expect(onPicture(tilted, [10, -20, 30])).toEqual([0.5, 0.5])
    // Two columns on and three rows down.
    expect(onPicture(tilted, [10, -19.5, 28.5])).toEqual([2.5, 3.5])
    expect(inSpace(tilted, [2.5, 3.5])).toEqual([10, -19.5, 28.5])
  })
})

describe('drawings', () => {
  const points: Point[] = [
    [10, 40],
    [10, 20],
    [4, 30],
    [16, 30],
  ]
  it.each(['length', 'angle', 'cobb', 'bidirectional', 'rectangle', 'probe', 'ratio'] as const)('%s comes back as it was', (tool) => {
    const given = tool === 'rectangle' ? ([[1, 1], [5, 1], [1, 9], [5, 9]] as Point[]) : points.slice(0, { length: 2, angle: 3, probe: 1 }[tool as string] ?? 4)
    const shapes = shapesOf(tool, given, [])
    const concepts = new Set([{ length: 'length', angle: 'angle', cobb: 'angle', bidirectional: 'long', rectangle: 'mean', probe: 'value', ratio: 'ratio' }[tool]])
    expect(shapes && toolOf(shapes, concepts, true)).toBe(tool)
    expect(shapes && handlesOfShapes(tool, shapes).handles).toEqual(given)
  })

  it('of an ellipse name the long axis first, and find below, above, left and right again', () => {
    const shapes = shapesOf('ellipse', points, [])
    expect(shapes?.[0]?.points).toEqual(points)
    expect(shapes && handlesOfShapes('ellipse', shapes).handles).toEqual(points)
    const wide: Point[] = [[20, 35], [20, 25], [0, 30], [40, 30]]
    const flat = shapesOf('ellipse', wide, [])
    expect(flat?.[0]?.points[0]).toEqual([0, 30])
    expect(flat && handlesOfShapes('ellipse', flat).handles).toEqual(wide)
  })

  it('keep their identity through a UID', () => {
    const uuid = '0f6c1f2a-9f0e-4a51-8c7d-3b2f6d9e1a00'
    expect(uidOf(uuid)).toMatch(/^2\.25\.\d+$/)
    expect(uuidOf(uidOf(uuid))).toBe(uuid)
    expect(uuidOf('1.2.3')).toBeNull()
  })
})

describe('a structured report', () => {
  const code = (value: string) => sq({ '00080100': { vr: 'SH', Value: [value] } })
  const image = { '0040A040': { vr: 'CS', Value: ['IMAGE'] }, '00081199': sq({ '00081155': { vr: 'UI', Value: ['1.2.3'] }, '00081160': { vr: 'IS', Value: [4] } }) }
  const line = { '0040A040': { vr: 'CS', Value: ['SCOORD'] }, '00700023': { vr: 'CS', Value: ['POLYLINE'] }, '00700022': { vr: 'FL', Value: [1, 2, 3, 4] }, '0040A730': sq(image) }
  const number = { '0040A040': { vr: 'CS', Value: ['NUM'] }, '0040A043': code('410668003'), '0040A300': sq({ '0040A30A': { vr: 'DS', Value: [33.1] }, '004008EA': code('mm') }), '0040A730': sq(line) }
  const group = { '0040A040': { vr: 'CS', Value: ['CONTAINER'] }, '0040A043': code('125007'), '0040A730': sq(number) }

  it('tells its measurements, however deep', () => {
    const [found] = measured({ '0040A730': sq({ '0040A040': { vr: 'CS', Value: ['CONTAINER'] }, '0040A730': sq(group) }) } as DicomJson)
    expect(found).toMatchObject({ sopInstanceUid: '1.2.3', frameNumber: 4, shapes: [{ graphic_type: 'POLYLINE', points: [[1, 2], [3, 4]] }] })
    expect(found?.values).toEqual([{ concept: 'length', value: 33.1, unit: 'mm', shape: 0 }])
  })

  it('stands until another one takes its place, and two that were kept at once both stand', () => {
    const kept = (sopInstanceUid: string, ...supersedes: string[]) => ({ sopInstanceUid, supersedes }) as unknown as KeptDocument
    expect(standing([kept('3', '2'), kept('2', '1'), kept('1'), kept('4', '1')]).map((one) => one.sopInstanceUid)).toEqual(['3', '4'])
  })

  it('tells key images', () => {
    expect(keyPictures({ '0040A730': sq(image) } as DicomJson)).toEqual([{ sopInstanceUid: '1.2.3', frameNumber: 4 }])
  })
})

describe('a presentation state', () => {
  const picture = { sopInstanceUid: '1.2.3', frameNumber: 1 }
  const naming = (uid: string) => ({ '00081140': sq({ '00081155': { vr: 'UI', Value: [uid] } }) })

  it('is read for the picture that it names', () => {
    const state = {
      '0070005A': sq({ ...naming('9'), '00700052': ds([1, 1]), '00700053': ds([2, 2]) }, { ...naming('1.2.3'), '00700052': ds([11, 21]), '00700053': ds([110, 120]) }),
      '00283110': sq({ '00281050': ds([40]), '00281051': ds([80]) }),
      '00700042': ds([270]),
      '00700041': { vr: 'CS', Value: ['Y'] },
      '20500020': { vr: 'CS', Value: ['INVERSE'] },
    } as DicomJson
    expect(lookOf(state, picture)).toEqual({ area: [11, 21, 110, 120], window: { center: 40, width: 80 }, rotation: 270, flipped: true, inverted: true })
  })

  it('draws circles and words, each in the units that it tells', () => {
    const drawn = (type: string, data: number[], units = 'PIXEL') => ({ '00700005': { vr: 'CS', Value: [units] }, '00700023': { vr: 'CS', Value: [type] }, '00700022': { vr: 'FL', Value: data } })
    const words = { '00700006': { vr: 'ST', Value: ['Here'] }, '00700004': { vr: 'CS', Value: ['PIXEL'] }, '00700014': { vr: 'FL', Value: [7, 8] } }
    const state = { '00700001': sq({ '00700009': sq(drawn('CIRCLE', [10, 10, 13, 14]), drawn('POLYLINE', [0, 0, 1, 1], 'DISPLAY'), drawn('POLYLINE', [0, 0, 1, 1], 'MATRIX')), '00700008': sq(words) }) } as DicomJson
    const { shapes, words: written } = graphicsOfState(state, picture)
    expect(shapes).toMatchObject([
      { form: 'ELLIPSE', units: 'PIXEL', points: [[5, 10], [15, 10], [10, 5], [10, 15]] },
      { form: 'POLYLINE', units: 'DISPLAY', points: [[0, 0], [1, 1]] },
    ])
    expect(written).toMatchObject([{ anchor: [7, 8], anchorUnits: 'PIXEL', text: 'Here', box: null }])
    expect(notShown(state)).toEqual(['Not shown: graphics in other units than pixels or the display.'])
  })

  it('of colours turns and marks a picture, and has no greys', () => {
    const state = {
      '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.11.2'] },
      '0070005A': sq({ '00700052': ds([3, 5]), '00700053': ds([30, 50]) }),
      '00283110': sq({ '00281050': ds([40]), '00281051': ds([80]) }),
      '00700042': ds([90]),
      '00700041': { vr: 'CS', Value: ['Y'] },
      '20500020': { vr: 'CS', Value: ['INVERSE'] },
      '00282000': { vr: 'OB', InlineBinary: '' },
      '00700001': sq({ '00700009': sq({ '00700005': { vr: 'CS', Value: ['PIXEL'] }, '00700023': { vr: 'CS', Value: ['POINT'] }, '00700022': { vr: 'FL', Value: [7, 8] } }) }),
    } as DicomJson
    expect(lookOf(state, picture)).toEqual({ area: [3, 5, 30, 50], window: null, rotation: 90, flipped: true, inverted: false })
    expect(graphicsOfState(state, picture).shapes).toMatchObject([{ form: 'POINT', points: [[7, 8]] }])
    expect(notShown(state)).toEqual(['Not shown: its profile of colours (ICC); they are drawn as sRGB.'])
  })

  it('is told from the way a pane sees a picture: turned first, flipped then', () => {
    // Two screen pixels a pixel, straight, its corner at (20, 10).
    expect(lookFrom([2, 0, 0, 2, 20, 10], 220, 110)).toEqual({ area: [-9, -4, 100, 50], rotation: 0, flipped: false })
    // A row runs down: turned right by a quarter.
    expect(lookFrom([0, 1, -1, 0, 100, 0], 100, 100)).toMatchObject({ rotation: 90, flipped: false })
    // Turned so and then flipped left to right.
    expect(lookFrom([0, 1, 1, 0, 0, 0], 100, 100)).toMatchObject({ rotation: 90, flipped: true })
    expect(lookFrom([-1, 0, 0, 1, 100, 0], 100, 100)).toMatchObject({ rotation: 0, flipped: true })
  })
})

describe('a report in words', () => {
  const named = (name: string) => ({ '0040A043': sq({ '00080104': { vr: 'LO', Value: [name] } }) })
  const node = (kind: string, over: DicomJson = {}): DicomJson => ({ '0040A040': { vr: 'CS', Value: [kind] }, ...over })
  const measured = (value: string | null, unit: string, over: DicomJson = {}) =>
    node('NUM', { ...named('Length'), '0040A300': sq(value === null ? {} : { '0040A30A': { vr: 'DS', Value: [value] }, '004008EA': sq({ '00080100': { vr: 'SH', Value: [unit] }, '00080104': { vr: 'LO', Value: [unit] } }) }), ...over })
  const report = (...items: DicomJson[]): DicomJson => node('CONTAINER', { ...named('Report'), '0040A730': sq(...items) })
  const told = (...items: DicomJson[]) => linesOf(report(...items)).map((line) => [line.depth, line.name, line.value])

  it('says values with their units, what qualifies them, and why there are none', () => {
    const less = { '0040A301': sq({ '00080104': { vr: 'LO', Value: ['Measurement failure'] } }) }
    expect(told(measured('12.5', 'mm'), measured('3', '1'), measured('3', 'mm', less), measured(null, 'mm', less), measured(null, 'mm'))).toEqual([
      [0, 'Length', '12.5 mm'],
      [0, 'Length', '3'],
      [0, 'Length', '3 mm (Measurement failure)'],
      [0, 'Length', 'Measurement failure'],
      [0, 'Length', 'not measured'],
    ])
  })

  it('says dates, times and parts of recordings as people read them', () => {
    const range = (type: string, ...offsets: number[]) => node('TCOORD', { '0040A130': { vr: 'CS', Value: [type] }, '0040A138': ds(offsets) })
    expect(
      told(
        node('DATETIME', { '0040A120': { vr: 'DT', Value: ['20261120101530.25+0130'] } }),
        node('TIME', { '0040A122': { vr: 'TM', Value: ['1015'] } }),
        node('DATE', { '0040A121': { vr: 'DA', Value: ['20261120'] } }),
        range('SEGMENT', 1, 2.5),
        range('MULTISEGMENT', 1, 2, 4, 5),
        range('MULTIPOINT', 1, 3),
        range('BEGIN', 7),
      ).map(([, , value]) => value),
    ).toEqual(['2026-11-20 10:15:30 UTC+01:30', '10:15', '2026-11-20', 'from 1 to 2.5 s', 'from 1 to 2; from 4 to 5 s', 'at 1, 3 s', 'from 7 s'])
  })

  it('keeps planes to itself, but not the slab that was measured', () => {
    const plane = (words: string) => node('TEXT', { '0040A043': sq({ '00080100': { vr: 'SH', Value: ['view_plane'] }, '00080104': { vr: 'LO', Value: ['Plane looked at'] } }), '0040A160': { vr: 'UT', Value: [words] } })
    expect(told(plane('normal 0 0 1; up 0 -1 0'), plane('normal 0 0 1; up 0 -1 0; slab mip 6'))).toEqual([[0, 'Slab', 'MIP 6 mm']])
  })

  it('points to all that it names, follows what stands for another item, and hides nothing of a kind to come', () => {
    const lines = linesOf(
      report(
        node('IMAGE', { ...named('Best'), '00081199': sq({ '00081150': { vr: 'UI', Value: ['1.9'] }, '00081155': { vr: 'UI', Value: ['1.2.3'] }, '00081160': { vr: 'IS', Value: [4, 5] } }) }),
        measured('12.5', 'mm', { '0040A730': sq({ '0040DB73': { vr: 'UL', Value: [1, 1] } }) }),
        node('CONTAINER', { ...named('Findings'), '0040A730': sq({ '0040DB73': { vr: 'UL', Value: [1, 2] } }, node('UIDREF', named('Tracking'))) }),
        node('HOLOGRAM', named('Heart')),
      ),
    )
    expect(lines.map((line) => [line.depth, line.name, line.value, line.isHead])).toEqual([
      [0, 'Best', '', false],
      [0, 'Length', '12.5 mm', false],
      [1, 'See', 'Best', false],
      [0, 'Findings', '', true],
      [1, 'See', 'Length: 12.5 mm', false],
      [0, 'Heart', '(HOLOGRAM: not shown here)', false],
    ])
    expect(lines[0]?.named).toEqual([{ sopInstanceUid: '1.2.3', sopClassUid: '1.9', frames: [4, 5] }])
  })
})
