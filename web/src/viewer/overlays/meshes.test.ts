// @vitest-environment jsdom
import { describe, expect, it } from 'vitest'
import { cutThrough, enclosedBy, meshFormOf } from './meshes'
import { HALF, type Cut } from './solids'
import { surfacesOf } from './surfaces'

const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })
const items = (...of: object[]) => ({ vr: 'SQ', Value: of })
const binary = (vr: string, values: Float32Array | Uint32Array | Uint16Array) => ({ vr, InlineBinary: btoa(String.fromCharCode(...new Uint8Array(values.buffer))) })

/** The corners of a box of 10 × 20 × 30 mm. */
const BOX = Float32Array.from([0, 1].flatMap((z) => [0, 1].flatMap((y) => [0, 1].flatMap((x) => [10 * x, 20 * y, 30 * z]))))
// From 1, two triangles a side, all going round it the same way.
const SIDES = [
  [1, 3, 4, 2],
  [5, 6, 8, 7],
  [1, 2, 6, 5],
  [3, 7, 8, 4],
  [1, 5, 7, 3],
  [2, 4, 8, 6],
]
const TRIANGLES = SIDES.flatMap(([a = 0, b = 0, c = 0, d = 0]) => [a, b, c, a, c, d])

function segmented(primitives: object, over: object = {}) {
  return {
    '00080018': element('UI', '1.5'),
    '0020000D': element('UI', '1'),
    '0020000E': element('UI', '1.4'),
    '00200052': element('UI', '1.9'),
    '00620002': items({ '00620004': element('US', 1), '00620005': element('LO', 'Box'), '0066002B': items({ '0066002C': element('UL', 7) }) }),
    '00660002': items(
      { '00660003': element('UL', 3), '00660011': items({ '00660016': binary('OF', Float32Array.from([0, 0, 0])) }) },
      {
        '00660003': element('UL', 7),
        '0062000D': element('US', 35580, 53665, 50862),
        '0066000C': element('FL', 0.5),
        '0066000D': element('CS', 'WIREFRAME'),
        '00660011': items({ '00660016': binary('OF', BOX) }),
        '00660013': items(primitives),
        ...over,
      },
    ),
  }
}
const form = (primitives: object) => meshFormOf(segmented(primitives), 1, new AbortController().signal)
const LONG = { '00660041': binary('OL', Uint32Array.from(TRIANGLES)) }
const cut = (over: Partial<Cut> = {}): Cut => ({ origin: [0, 0, 15], row: [1, 0, 0], column: [0, 1, 0], normal: [0, 0, 1], thickness: 0, seen: [-99, -99, 99, 99], fine: 0.1, ...over })

describe('a surface segmentation', () => {
  it('has the colour of its surface', () => {
    expect(surfacesOf(segmented(LONG))?.parts).toMatchObject([{ number: 1, label: 'Box', colour: 'rgb(255 0 0)', frameOfReferenceUid: '1.9' }])
    expect(surfacesOf({ ...segmented(LONG), '00200052': { vr: 'UI' } })?.fault).toContain('frame of reference')
  })

  // Whatever primitives a maker writes, it is the same box.
  it.each([
    ['triangles', LONG],
    ['triangles of 16 bits', { '00660023': binary('OW', Uint16Array.from(TRIANGLES)) }],
    ['facets', { '00660034': items(...SIDES.map((side) => ({ '00660040': binary('OL', Uint32Array.from(side)) }))) }],
    ['fans', { '00660027': items(...SIDES.map((side) => ({ '00660029': binary('OW', Uint16Array.from(side)) }))) }],
    ['strips', { '00660026': items(...SIDES.map(([a = 0, b = 0, c = 0, d = 0]) => ({ '00660040': binary('OL', Uint32Array.from([a, b, d, c])) }))) }],
  ])('is read from %s', async (_, primitives) => {
    const box = await form(primitives)
    expect(box.volume).toBeCloseTo(6000)
    expect(box.meshes).toMatchObject([{ look: 'WIREFRAME', opacity: 0.5 }])
    expect(box.missing).toBeNull()
    expect(box.peak).toEqual([5, 10, 15])
  })

  it('is cut by planes as what it encloses', async () => {
    const box = await form(LONG)
    const section = box.area?.(cut())
    expect(box.line?.(cut())).toBeNull()
    const corners = section?.paths[0]?.d.match(/[\d.]+ [\d.]+/g) ?? []
    // Around the box: its four edges, and the diagonals of four sides.
    expect(new Set(corners)).toEqual(new Set(['0 0', '10 0', '10 20', '0 20', '5 0', '10 10', '5 20', '0 10']))
    expect(section?.paths[0]).toMatchObject({ level: HALF })
    expect(box.area?.(cut({ origin: [0, 0, 31] }))).toBeNull()
    // Aslant, at 45° through its middle: as long as the diagonal of 10 by 10 mm.
    const slant = box.area?.(cut({ origin: [5, 10, 15], row: [Math.SQRT1_2, 0, Math.SQRT1_2], normal: [-Math.SQRT1_2, 0, Math.SQRT1_2] }))
    const across = (slant?.paths[0]?.d.match(/-?[\d.]+ -?[\d.]+/g) ?? []).map((point) => Number(point.split(' ')[0]))
    expect(Math.max(...across) - Math.min(...across)).toBeCloseTo(Math.hypot(10, 10), 2)
  })

  it('that is open encloses nothing, and is a line', async () => {
    const open = await form({ '00660041': binary('OL', Uint32Array.from(TRIANGLES.slice(0, -6))) })
    expect(open.volume).toBeNull()
    expect(open.area?.(cut())).toBeNull()
    expect(open.line?.(cut())?.paths[0]?.d).not.toContain('Z')
    expect(enclosedBy([])).toBeNull()
  })

  it('hangs together where corners are written once for each triangle', async () => {
    const corners = Float32Array.from(TRIANGLES.flatMap((point) => [...BOX.slice(3 * point - 3, 3 * point)]))
    const instance = segmented({ '00660041': binary('OL', Uint32Array.from(TRIANGLES.map((_, at) => at + 1))) }, { '00660011': items({ '00660016': binary('OF', corners) }) })
    const loose = await meshFormOf(instance, 1, new AbortController().signal)
    expect(loose.volume).toBeCloseTo(6000)
    expect(cutThrough(loose.meshes ?? [], cut())?.isClosed).toBe(true)
  })

  it('says what of it is not drawn, and believes in no points that it does not have', async () => {
    expect((await form({ '00660043': binary('OL', Uint32Array.from([1, 2, 3])), '00660028': items({ '00660040': binary('OL', Uint32Array.from([1, 2])) }) })).missing).toBe('Not drawn: 1 line, 3 points')
    await expect(form({ '00660041': binary('OL', Uint32Array.from([1, 2, 9])) })).rejects.toThrow('points that it does not have')
  })
})
