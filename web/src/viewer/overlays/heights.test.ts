// @vitest-environment jsdom
import { describe, expect, it } from 'vitest'
import { heightForms, heightFramesOf, heightsOf } from './heights'
import { kindOfLayer } from './kinds'

const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })
const items = (...of: object[]) => ({ vr: 'SQ', Value: of })
const source = (uid: string, ...frames: number[]) => ({ '00081155': element('UI', uid), ...(frames.length ? { '00081160': element('IS', ...frames) } : {}) })
const derived = (...sources: object[]) => ({ '00089124': items({ '00082112': items(...sources) }) })

/** Two surfaces, on two pictures of four columns. */
function map(shared: object, over: object = {}) {
  return {
    '00080016': element('UI', '1.2.840.10008.5.1.4.1.1.66.8'),
    '00080018': element('UI', '9.9'),
    '0020000D': element('UI', '1'),
    '0020000E': element('UI', '1.4'),
    '00200052': element('UI', '1.9'),
    '00280008': element('IS', 2),
    '00280010': element('US', 2),
    '00280011': element('US', 4),
    '00280100': element('US', 32),
    '00280122': element('FL', -1),
    '00620001': element('CS', 'HEIGHTMAP'),
    '00620002': items({ '00620004': element('US', 1), '00620005': element('LO', 'ILM') }, { '00620004': element('US', 2), '00620005': element('LO', 'RPE') }),
    '52009229': items(shared),
    '52009230': items({ '0062000A': items({ '0062000B': element('US', 2) }) }, { '0062000A': items({ '0062000B': element('US', 1) }) }),
    '7FE00008': { vr: 'OF', BulkDataURI: 'b' },
    ...over,
  }
}
const bytes = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer)
// By frame and row; the first frame is of the second segment.
const HEIGHTS = [bytes(5, 5.5, 6, 6.25, 7, 7, 7, 7), bytes(1, 2, -1, 3, 0, 0, 0, 0.126)]

describe('a height map', () => {
  it('lies on the pictures that it names, whatever its frame of reference', () => {
    const layer = heightsOf(map(derived(source('1.5'))))
    expect(kindOfLayer(map({}))).toBe('heights')
    expect(layer).toMatchObject({ kind: 'heights', label: 'Height map', fault: null })
    expect(layer?.parts.map((part) => [part.label, part.frameOfReferenceUid])).toEqual([
      ['ILM', null],
      ['RPE', null],
    ])
    expect(layer?.instances).toEqual(new Set(['1.5']))
    expect(heightsOf(map({}))?.fault).toContain('on which images')
    expect(heightsOf(map(derived(source('1.5')), { '7FE00008': undefined }))?.fault).toContain('no heights')
  })

  // A row is a picture: all frames of one in their order, those that are named, or one of each of several.
  it.each([
    ['of one that names none', derived(source('1.5')), ['1.5/1', '1.5/2']],
    ['that are named', derived(source('1.5', 7, 3)), ['1.5/7', '1.5/3']],
    ['of several', derived(source('1.5'), source('1.6')), ['1.5/1', '1.6/1']],
  ])('has rows on the frames %s', (_, shared, pictures) => {
    expect(heightFramesOf(map(shared)).map((one) => [one.segment, one.pictures])).toEqual([
      [2, pictures],
      [1, pictures],
    ])
  })

  it('is a line from the middle of each column to the next, broken where it has no height', () => {
    const forms = heightForms(map(derived(source('1.5'))), HEIGHTS)
    expect(Object.fromEntries(forms.get(2)?.linesOn ?? [])).toEqual({ '1.5/1': 'M0.5 5L1.5 5.5L2.5 6L3.5 6.25', '1.5/2': 'M0.5 7L1.5 7L2.5 7L3.5 7' })
    // What stands alone is as long as its pixel; 0 is the upper edge of the picture.
    expect(Object.fromEntries(forms.get(1)?.linesOn ?? [])).toEqual({ '1.5/1': 'M0.5 1L1.5 2M3 3H4', '1.5/2': 'M0.5 0L1.5 0L2.5 0L3.5 0.13' })
    // A range of padding ends at its limit.
    const padded = heightForms(map(derived(source('1.5')), { '00280122': element('FL', 6), '00280124': element('FL', 8) }), HEIGHTS)
    expect(Object.fromEntries(padded.get(2)?.linesOn ?? [])).toEqual({ '1.5/1': 'M0.5 5L1.5 5.5' })
    expect(() => heightForms(map({}), [bytes(1, 2)])).toThrow('fewer heights')
    // Of what has not come yet there is nothing.
    expect([...heightForms(map(derived(source('1.5'))), HEIGHTS.slice(0, 1)).keys()]).toEqual([2])
  })
})
