import { afterEach, describe, expect, it, vi } from 'vitest'
import type { DicomJson } from '../dicom'
import { stacksOfSeries } from '../stacks'
import { paletteColour, rgbOfLab, rgbOfStoredLab } from './colours'
import { groupsOf, partsOf } from './frames'
import { fits } from './layers'
import { covers, maskOfBits, maskOfParts, masksOfLabels, outlineOf } from './masks'
import { Assembly, frameBytes, masksOfFrame, segmentationOf, segmentedOf } from './segmentation'
import { isSameLaid, laidFrom } from './sharedLaid'
import { sectionOf, sliceAt, stepOf, volumeOf, type Cut } from './solids'
import { areaOf, formOf, structuresOf } from './structures'
import { placeOf } from './useOverlays'

afterEach(() => vi.unstubAllGlobals())

const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })
const sq = (...items: DicomJson[]) => element('SQ', ...items)

function bitsOf(rows: readonly string[], firstBit = 0): Uint8Array {
  const all = [...rows.join('')]
  const bytes = new Uint8Array((firstBit + all.length + 7) >> 3)
  all.forEach((one, at) => {
    if (one === '#') bytes[(firstBit + at) >> 3] = (bytes[(firstBit + at) >> 3] ?? 0) | (1 << ((firstBit + at) & 7))
  })
  return bytes
}

/** How many places of a picture a path encloses, even-odd, by the middles of its pixels. */
function filled(path: string, columns: number, rows: number): string[] {
  const edges: { x: number; from: number; to: number }[] = []
  let [x, y] = [0, 0]
  for (const [, command, first, second] of path.matchAll(/([MHV])(-?[\d.]+)(?: (-?[\d.]+))?/g)) {
    if (command === 'V') {
      edges.push({ x, from: Math.min(y, Number(first)), to: Math.max(y, Number(first)) })
      y = Number(first)
    } else x = Number(first)
    if (command === 'M') y = Number(second)
  }
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (__, column) => (edges.filter((edge) => edge.x <= column && edge.from <= row && row < edge.to).length % 2 ? '#' : '.')).join(''),
  )
}

const SHAPE = ['..........#', '.####......', '.#..#.#....', '.####..#...', '...........', '#.........#'] as const

describe('colours', () => {
  it('turns CIELab about D50 into what a screen shows', () => {
    expect(rgbOfLab(100, 0, 0)).toEqual([255, 255, 255])
    expect(rgbOfLab(0, 0, 0)).toEqual([0, 0, 0])
    for (const [lab, rgb] of [[[54.29, 80.81, 69.89], [255, 0, 0]], [[87.82, -79.27, 80.99], [0, 255, 0]], [[29.57, 68.3, -112.03], [0, 0, 255]], [[53.39, 0, 0], [127, 127, 127]]] as const)
      rgbOfLab(lab[0], lab[1], lab[2]).forEach((value, at) => expect(Math.abs(value - (rgb[at] ?? 0))).toBeLessThan(4))
    expect(rgbOfStoredLab([0xffff, 32896, 32896])).toEqual([255, 255, 255])
    expect(rgbOfStoredLab([1, 2])).toBeNull()
  })
  it('gives each of many segments a colour of its own', () => {
    const all = Array.from({ length: 104 }, (_, at) => paletteColour(at + 1).join())
    expect(new Set(all).size).toBe(104)
  })
})

describe('masks', () => {
  it.each([0, 3, 7])('reads bits of odd rows that begin at bit %i', (firstBit) => {
    const mask = maskOfBits(bitsOf(SHAPE, firstBit), 11, 6, firstBit)
    expect(SHAPE.map((row, y) => [...row].map((_, x) => (mask && covers(mask, x, y, 128) ? '#' : '.')).join(''))).toEqual(SHAPE)
    expect(mask?.count).toBe(SHAPE.join('').split('#').length - 1)
  })
  it('follows edges round islands, holes and corners that touch', () => {
    expect(filled(outlineOf(11, 6, (x, y) => SHAPE[y]?.[x] === '#'), 11, 6)).toEqual(SHAPE)
  })
  it('keeps no more than the box around what is covered', () => {
    expect(maskOfBits(bitsOf(['....', '..#.', '....']), 4, 3)).toMatchObject({ left: 2, top: 1, width: 1, height: 1 })
    expect(maskOfBits(new Uint8Array(2), 4, 3)).toBeNull()
  })
  it('takes parts of the greatest value as parts', () => {
    const mask = maskOfParts([0, 0, 0, 50, 100, 200], 3, 2, 200)
    expect(mask?.count).toBeCloseTo(0.25 + 0.5 + 1)
    expect([64, 128, 192].map((level) => [0, 1, 2].map((x) => mask && covers(mask, x, 1, level)))).toEqual([[true, true, true], [false, true, true], [false, false, true]])
  })
  it('parts a map of labels, whose background is none', () => {
    const masks = masksOfLabels([0, 7, 7, 300, 0, 7], 3, 2, 0)
    expect([...masks.keys()].sort((a, b) => a - b)).toEqual([7, 300])
    expect(masks.get(7)).toMatchObject({ left: 1, top: 0, width: 2, height: 2, count: 3 })
    expect(masks.get(300)).toMatchObject({ left: 0, top: 1, count: 1 })
  })
})

const ORIENTATION = [1, 0, 0, 0, 1, 0]
const position = (...at: number[]) => sq({ '00200032': element('DS', ...at) })

function seg(attributes: DicomJson, frames: { segment?: number; at: number[] }[]): DicomJson {
  return {
    '00080016': element('UI', '1.2.840.10008.5.1.4.1.1.66.4'),
    '00080018': element('UI', '9.9'),
    '0020000D': element('UI', '1.1'),
    '0020000E': element('UI', '1.2'),
    '00100020': element('LO', 'P1'),
    '00200052': element('UI', '5.5'),
    '00280008': element('IS', frames.length),
    '00280010': element('US', 3),
    '00280011': element('US', 5),
    '00280100': element('US', 1),
    '00620001': element('CS', 'BINARY'),
    '00620002': sq(
      { '00620004': element('US', 1), '00620005': element('LO', 'Liver'), '0062000D': element('US', 0xffff, 32896, 32896), '00620008': element('CS', 'MANUAL'), '00620003': sq({ '00080104': element('LO', 'Anatomical Structure') }), '0062000F': sq({ '00080104': element('LO', 'Liver') }) },
      { '00620004': element('US', 2) },
    ),
    '52009229': sq({ '00209116': sq({ '00200037': element('DS', ...ORIENTATION) }), '00289110': sq({ '00280030': element('DS', 2, 4), '00180050': element('DS', 9) }) }),
    '52009230': sq(...frames.map(({ segment, at }) => ({ '00209113': position(...at), ...(segment === undefined ? {} : { '0062000A': sq({ '0062000B': element('US', segment) }) }) }))),
    ...attributes,
  }
}

const cut = (at: number, more: Partial<Cut> = {}): Cut => ({ origin: [0, 0, at], row: [1, 0, 0], column: [0, 1, 0], normal: [0, 0, 1], thickness: 0, seen: [-100, -100, 100, 100], fine: 0.5, ...more })

describe('a segmentation', () => {
  // Of 2.5 mm steps, one of them empty and so left out; the frames in no order.
  const instance = seg({}, [{ segment: 2, at: [10, 20, 7.5] }, { segment: 1, at: [10, 20, 2.5] }, { segment: 1, at: [10, 20, 0] }, { at: [0, 0, 0] }])
  const one = bitsOf(['.....', '.##..', '.....'])
  const how = segmentedOf(instance)
  const assembly = new Assembly(how)
  for (const frame of how.frames) assembly.take(frame, one)

  it('has the colours of its own palette, and others where that has none', () => {
    const table = (...entries: number[]) => ({ vr: 'OW', InlineBinary: btoa(String.fromCharCode(...entries.flatMap((entry) => [entry & 255, entry >> 8]))) })
    const descriptor = element('US', 2, 1, 16)
    const own = { '00620001': element('CS', 'LABELMAP'), '00280004': element('CS', 'PALETTE COLOR'), '00281101': descriptor, '00281102': descriptor, '00281103': descriptor }
    const layer = segmentationOf(seg({ ...own, '00281201': table(0xff00, 0), '00281202': table(0x8000, 0xc800), '00281203': table(0, 0x0a00) }, [{ at: [0, 0, 0] }]))
    expect(layer?.parts.map((part) => part.colour)).toEqual(['rgb(255 128 0)', 'rgb(0 200 10)'])
    const short = element('US', 1, 1, 16)
    const part = segmentationOf(seg({ ...own, '00281101': short, '00281102': short, '00281103': short, '00281201': table(0xff), '00281202': table(0), '00281203': table(0) }, [{ at: [0, 0, 0] }]))
    expect(part?.parts.map((one) => one.colour)).toEqual(['rgb(255 0 0)', segmentationOf(instance)?.parts[1]?.colour])
  })
  it('tells what its segments are', () => {
    expect(segmentationOf(instance)).toMatchObject({
      patient: 'P1^',
      fault: null,
      parts: [
        { number: 1, label: 'Liver', colour: 'rgb(255 255 255)', meaning: 'Anatomical Structure · Liver', made: 'Manual', frameOfReferenceUid: '5.5' },
        { number: 2, label: 'Segment 2', meaning: null },
      ],
    })
    expect(segmentationOf({ ...instance, '00620001': element('CS', 'WAVY') })?.fault).toContain('WAVY')
  })
  it('has the volume of its voxels, whose step the planes tell, and says which frames are of no segment', () => {
    expect(assembly.form(1).volume).toBeCloseTo(2 * 2 * (2 * 4) * 2.5)
    expect(how.faults).toHaveLength(1)
    expect(how.frames).toHaveLength(3)
  })
  it('takes a step that is told before one that is guessed', () => {
    const told = new Assembly(segmentedOf({ ...instance, '52009229': sq({ '00209116': sq({ '00200037': element('DS', ...ORIENTATION) }), '00289110': sq({ '00280030': element('DS', 2, 4), '00180088': element('DS', 1.25) }) }) }))
    for (const frame of how.frames) told.take(frame, one)
    expect(told.form(1).volume).toBeCloseTo(2 * 2 * 8 * 1.25)
  })
  it('is seen within half a step of its planes, at its own place and size', () => {
    const [solid] = assembly.form(1).solids
    if (!solid) throw new Error('no solid')
    const section = sectionOf(solid, cut(3.7))
    // Two pixels of 4 mm from the second column on: the corner of the first pixel is half a pixel before its middle.
    expect(section).toMatchObject({ origin: [8, 19, 2.5], right: [4, 0, 0], down: [0, 2, 0], paths: [{ d: 'M1 1H3V2H1V1Z' }] })
    expect(sectionOf(solid, cut(3.8))).toBeNull()
    expect(sectionOf(solid, cut(-1.2))).not.toBeNull()
  })
  it('is looked up where it is cut across', () => {
    const [solid] = assembly.form(1).solids
    const section = solid && sectionOf(solid, cut(0, { origin: [0, 22, 0], column: [0, 0, -1], normal: [0, 1, 0] }))
    // 8 mm wide, from 12 to 20; two steps high, from -1.25 to 3.75.
    const xs = [...(section?.paths[0]?.d.matchAll(/[MH](-?[\d.]+)/g) ?? [])].map((found) => Number(found[1]) * (section?.right[0] ?? 0) + (section?.origin[0] ?? 0))
    const ys = [...(section?.paths[0]?.d.matchAll(/V(-?[\d.]+)/g) ?? [])].map((found) => Number(found[1]) * (section?.down[2] ?? 0) + (section?.origin[2] ?? 0))
    expect([Math.min(...xs), Math.max(...xs)].map(Math.round)).toEqual([12, 20])
    expect(Math.min(...ys)).toBeCloseTo(-1.25, 0)
    expect(Math.max(...ys)).toBeCloseTo(3.75, 0)
    expect(solid && sectionOf(solid, cut(0, { origin: [0, 30, 0], column: [0, 0, -1], normal: [0, 1, 0] }))).toBeNull()
  })
  it('goes to where it is largest', () => {
    const some = new Assembly(how)
    how.frames.forEach((frame) => some.take(frame, bitsOf(frame.origin?.[2] === 2.5 ? ['####.', '####.', '.....'] : ['#....', '.....', '.....'])))
    expect(placeOf(some.form(1))).toEqual({ point: [16, 21, 2.5], picture: null })
  })
  it('reads parts and labels', () => {
    const fractional = segmentedOf(seg({ '00620001': element('CS', 'FRACTIONAL'), '0062000E': element('US', 100), '00280100': element('US', 8) }, [{ segment: 2, at: [0, 0, 0] }]))
    const parts = new Assembly(fractional)
    parts.take(fractional.frames[0] ?? { number: 1, segment: 2, grid: null, origin: null, pictures: [] }, Uint8Array.from({ length: 15 }, (_, at) => (at === 7 ? 50 : at === 8 ? 100 : 0)))
    const [solid] = parts.form(2).solids
    expect(solid && volumeOf(solid)).toBeCloseTo(1.5 * 8 * 9)
    expect(solid && sectionOf(solid, cut(0))?.paths.map(({ level }) => level)).toEqual([1, 64, 128, 192])
    const labels = segmentedOf(seg({ '00620001': element('CS', 'LABELMAP'), '00280100': element('US', 16) }, [{ at: [0, 0, 0] }]))
    expect(frameBytes(labels)).toBe(30)
    const stored = new Uint8Array(30)
    stored.set([2, 0, 1, 0, 0, 1], 4)
    expect([...masksOfFrame(labels, { segment: null }, stored)].map(([number, { left, count }]) => [number, left, count])).toEqual([[2, 2, 1], [1, 3, 1], [256, 4, 1]])
    expect(() => masksOfFrame(labels, { segment: null }, new Uint8Array(29))).toThrow('fewer pixels')
  })
  it('lies on the very pictures that it names, where it says no place', () => {
    const named = seg({ '52009229': sq({}), '52009230': sq({ '0062000A': sq({ '0062000B': element('US', 1) }), '00089124': sq({ '00082112': sq({ '00081155': element('UI', '8.8'), '00081160': element('IS', 2) }, { '00081155': element('UI', '8.9') }) }) }) }, [{ segment: 1, at: [] }])
    expect(segmentationOf(named)).toMatchObject({ fault: null, parts: [{ frameOfReferenceUid: null }, {}], instances: new Set(['8.8', '8.9']) })
    const of = segmentedOf(named)
    const found = new Assembly(of)
    for (const frame of of.frames) found.take(frame, one)
    const form = found.form(1)
    expect([...form.onPictures.keys()]).toEqual(['8.8/2', '8.9/1'])
    expect(form).toMatchObject({ solids: [], volume: null, size: [5, 3] })
    expect(placeOf(form)).toEqual({ point: null, picture: '8.8/2' })
    const nowhere = { ...named, '52009230': sq({ '0062000A': sq({ '0062000B': element('US', 1) }) }) }
    expect(segmentationOf(nowhere)?.fault).toContain('neither where it lies')
  })
  it('makes no stack of pictures', () => {
    expect(stacksOfSeries('1.1', { seriesInstanceUid: '1.2', seriesNumber: 1, description: null, modality: 'SEG', bodyPart: null, instances: 1 }, [instance])).toEqual([])
  })
  it('is laid over pictures of its patient and its frame of reference alone', () => {
    vi.stubGlobal('window', { location: { origin: 'http://here' } })
    const layer = segmentationOf(instance)
    const image = (attributes: DicomJson) => stacksOfSeries('1.1', { seriesInstanceUid: '1.7', seriesNumber: 1, description: null, modality: 'CT', bodyPart: null, instances: 1 }, [{ '00080018': element('UI', '8.8'), '0020000D': element('UI', '1.1'), '00100020': element('LO', 'P1'), '00200052': element('UI', '5.5'), '00280010': element('US', 4), '00280011': element('US', 4), '00200037': element('DS', ...ORIENTATION), '00200032': element('DS', 0, 0, 0), '00280030': element('DS', 1, 1), ...attributes }])[0]
    const fit = (attributes: DicomJson) => {
      const [part, stack] = [layer?.parts[0], image(attributes)]
      return layer && part && stack ? fits(layer, part, stack) : null
    }
    expect(fit({})).toBe(true)
    expect(fit({ '00200052': element('UI', '5.6') })).toBe(false)
    expect(fit({ '00100020': element('LO', 'P2') })).toBe(false)
  })
})

describe('planes', () => {
  it('are told apart by more than rounding', () => {
    expect(stepOf([0, 2.5, 2.505, 7.5])).toBeCloseTo(2.495)
    expect(stepOf([4])).toBe(0)
    const slices = [0, 2.5, 7.5].map((at) => ({ at }))
    expect([-1.3, -1.2, 1.2, 3.7, 5, 6.3, 99].map((at) => sliceAt(slices, at, 2.5)?.at ?? null)).toEqual([null, 0, 0, 2.5, null, 7.5, null])
  })
})

const square = (left: number, top: number, side: number, z: number) => [left, top, z, left + side, top, z, left + side, top + side, z, left, top + side, z]
const contour = (kind: string, data: number[]) => ({ '30060042': element('CS', kind), '30060050': element('DS', ...data) })

describe('structures', () => {
  const instance: DicomJson = {
    '00080018': element('UI', '7.7'),
    '0020000D': element('UI', '1.1'),
    '0020000E': element('UI', '1.3'),
    '00100020': element('LO', 'P1'),
    '30060002': element('SH', 'PLAN'),
    '30060020': sq({ '30060022': element('IS', 4), '30060024': element('UI', '5.5'), '30060026': element('LO', 'Cord'), '30060036': element('CS', 'MANUAL') }),
    '30060039': sq({
      '30060084': element('IS', 4),
      '3006002A': element('IS', 10, 200, 30),
      '30060040': sq(
        contour('CLOSED_PLANAR', square(0, 0, 10, 3)),
        contour('CLOSED_PLANAR', square(2, 2, 4, 3)),
        contour('CLOSED_PLANAR', square(0, 0, 10, 0)),
        contour('OPEN_PLANAR', [0, 0, 6, 5, 5, 6]),
        contour('POINT', [1, 2, 3]),
        contour('OPEN_NONPLANAR', [0, 0, 0, 1, 1, 1, 2, 5, 9]),
      ),
    }),
    '30060080': sq({ '30060084': element('IS', 4), '300600A4': element('CS', 'ORGAN') }),
  }
  const form = formOf(instance, 4)
  const [solid] = form.solids

  it('tell their regions', () => {
    expect(structuresOf(instance)).toMatchObject({ label: 'PLAN', parts: [{ number: 4, label: 'Cord', colour: 'rgb(10 200 30)', meaning: 'Organ', made: 'Manual', frameOfReferenceUid: '5.5' }] })
  })
  it('have holes where contours lie within each other', () => {
    expect(areaOf([[[0, 0], [10, 0], [10, 10], [0, 10]], [[2, 2], [6, 2], [6, 6], [2, 6]], [[3, 3], [4, 3], [4, 4], [3, 4]]])).toBeCloseTo(100 - 16 + 1)
    expect(form.volume).toBeCloseTo((100 - 16 + 100) * 3)
    const mask = solid?.slices.find((slice) => slice.at === 3)?.mask()
    const at = (x: number, y: number) => mask && covers(mask, Math.round(x / (solid?.spacing[0] ?? 1)), Math.round(y / (solid?.spacing[1] ?? 1)), 128)
    expect([at(1, 1), at(4, 4), at(8, 8)]).toEqual([true, false, true])
  })
  it('are seen on the pictures that they were drawn on, within half of their step', () => {
    const seen = (z: number, thickness: number) => solid !== undefined && sectionOf(solid, cut(z, { thickness })) !== null
    expect([seen(3.4, 1), seen(3.6, 1), seen(4.4, 0), seen(4.6, 0)]).toEqual([true, false, true, false])
    expect(solid && sectionOf(solid, cut(3))?.paths[0]?.d.match(/M/g)).toHaveLength(2)
  })
  it('are cut through where a picture stands across', () => {
    const across = solid && sectionOf(solid, cut(0, { origin: [0, 4, 0], column: [0, 0, -1], normal: [0, 1, 0] }))
    const xs = [...(across?.paths[0]?.d.matchAll(/[MH](-?[\d.]+)/g) ?? [])].map((found) => Number(found[1]) * (across?.right[0] ?? 0) + (across?.origin[0] ?? 0))
    // The hole between 2 and 6 is seen too.
    for (const edge of [0, 2, 6, 10]) expect(Math.min(...xs.map((x) => Math.abs(x - edge)))).toBeLessThan(0.6)
  })
  it('keep lines and points, and say what is not drawn', () => {
    expect(form.lines).toHaveLength(1)
    expect(form.points).toEqual([[1, 2, 3]])
    expect(form.missing).toBe('Not drawn: 1 × OPEN_NONPLANAR')
  })
})

describe('frames', () => {
  it('come in parts whose length says where they end', () => {
    const text = '--b\r\nContent-Type: application/octet-stream\r\n\r\n--b\r\n\r\n--b\r\nContent-Type: x\r\n\r\nABCDE\r\n--b--\r\n'
    const body = new TextEncoder().encode(text)
    expect(partsOf(body, 'multipart/related; boundary=b', 5).map((part) => new TextDecoder().decode(part))).toEqual(['--b\r\n', 'ABCDE'])
    expect(() => partsOf(body.subarray(0, 60), 'multipart/related; boundary="b"', 50)).toThrow('cut off')
  })
  it('are asked for in groups of bounded size', () => {
    expect(groupsOf([...Array(450).keys()], 32_768).map((group) => group.length)).toEqual([128, 128, 128, 66])
    expect(groupsOf([1, 2], 99_000_000)).toHaveLength(2)
  })
})

describe('what others are told', () => {
  it('is taken where it can be understood, and compared by what is known here', () => {
    const told = laidFrom({ a: { hidden: [3, 1], opacity: 0.4 }, b: { hidden: 'x', opacity: 1 }, c: { hidden: [], opacity: 7 } })
    expect(told).toEqual({ a: { hidden: [1, 3], opacity: 0.4 } })
    expect(laidFrom(null)).toEqual({})
    expect(isSameLaid(told, {}, new Set(['b']))).toBe(true)
    expect(isSameLaid(told, {}, new Set(['a']))).toBe(false)
    expect(isSameLaid(told, { a: { hidden: [1, 3], opacity: 0.4 } }, new Set(['a', 'b']))).toBe(true)
    expect(isSameLaid(told, { a: { hidden: [1], opacity: 0.4 } }, new Set(['a']))).toBe(false)
  })
})
