import { describe, expect, it } from 'vitest'
import type { DicomJson } from '../dicom'
import { bitAt, overlaysOf, painted } from './overlays'
import { shuttersOf } from './shutters'

const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })
const overlay = (over: DicomJson = {}): DicomJson => ({
  '60000010': element('US', 2),
  '60000011': element('US', 5),
  '60000050': element('SS', 3, 4),
  '60000100': element('US', 1),
  '60003000': { vr: 'OW', InlineBinary: '' },
  ...over,
})

describe('overlays', () => {
  it('are found by group, with where they lie', () => {
    const [found] = overlaysOf(overlay(), 1)
    expect(found).toMatchObject({ group: '6000', rows: 2, columns: 5, origin: [3, 4], firstBit: 0 })
    expect(overlaysOf({ '60020010': element('US', 2), '60020011': element('US', 5), '60023000': { vr: 'OW' } }, 1)[0]?.group).toBe('6002')
  })

  it('are left out where they lie in the pixels or have no size', () => {
    expect(overlaysOf(overlay({ '60000100': element('US', 16) }), 1)).toEqual([])
    expect(overlaysOf(overlay({ '60000010': element('US', 0) }), 1)).toEqual([])
  })

  it('belong to the frames that they name', () => {
    const several = overlay({ '60000015': element('IS', 3), '60000051': element('US', 2) })
    expect(overlaysOf(several, 1)).toEqual([])
    expect([2, 3, 4].map((frame) => overlaysOf(several, frame)[0]?.firstBit)).toEqual([0, 10, 20])
    expect(overlaysOf(several, 5)).toEqual([])
  })

  it('fill bytes from the lowest bit, rows without padding', () => {
    // Rows 10001 and 01110: bits 0, 4, 6, 7, 8.
    const bytes = Uint8Array.of(0b11010001, 0b00000001)
    expect(Array.from({ length: 10 }, (_, bit) => (bitAt(bytes, bit) ? 1 : 0)).join('')).toBe('1000101110')
    const [found] = overlaysOf(overlay(), 1)
    const pixels = found ? painted(found, bytes, [1, 2, 3]) : []
    expect(Array.from({ length: 10 }, (_, at) => pixels[at * 4 + 3])).toEqual([255, 0, 0, 0, 255, 0, 255, 255, 255, 0])
    expect([...pixels.slice(0, 3)]).toEqual([1, 2, 3])
  })
})

describe('shutters', () => {
  it('keep their edges, counted from 1', () => {
    expect(
      shuttersOf({
        '00181600': element('CS', 'RECTANGULAR'),
        '00181602': element('IS', 11),
        '00181604': element('IS', 90),
        '00181606': element('IS', 1),
        '00181608': element('IS', 50),
      }),
    ).toEqual(['M10 0H90V50H10Z'])
  })

  it('are circles and polygons, rows before columns', () => {
    expect(
      shuttersOf({
        '00181600': element('CS', 'CIRCULAR', 'POLYGONAL'),
        '00181610': element('IS', 100, 200),
        '00181612': element('IS', 50),
        '00181620': element('IS', 1, 1, 1, 10, 20, 10),
      }),
    ).toEqual(['M149.5 99.5a50 50 0 1 0 100 0a50 50 0 1 0 -100 0Z', 'M0.5 0.5L9.5 0.5L9.5 19.5Z'])
  })

  it('hide nothing where they are not told whole', () => {
    expect(shuttersOf({ '00181600': element('CS', 'RECTANGULAR', 'POLYGONAL'), '00181602': element('IS', 11) })).toEqual([])
  })
})
