import { describe, expect, it } from 'vitest'
import { fileName, identityOf, namesNobody } from './identity'
import { pagesOf, paperLayout, printed, scaleWords } from './paper'
import { crc32 } from './zip'

const METADATA = {
  '00080020': { vr: 'DA', Value: ['20260102'] },
  '00080050': { vr: 'SH', Value: ['ACC-9'] },
  '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Okafor^Ada', Ideographic: '岡^愛' }] },
  '00100020': { vr: 'LO', Value: ['P 77/1'] },
  '00100030': { vr: 'DA', Value: ['19700102'] },
}

describe('what says who it is', () => {
  const identity = identityOf(METADATA)

  it('finds the patient in what was typed, however it is written', () => {
    for (const words of ['see okafor', 'ADA left knee', 'P 77/1', 'born 19700102', 'acc-9']) expect(namesNobody(words, identity), words).toBe(false)
    expect(namesNobody('12.4 mm', identity)).toBe(true)
  })

  it('names files after the patient only where that is wanted, and never with a path', () => {
    expect(fileName(identity, ['CT', null, 'image-0001'])).toBe('Okafor-Ada-岡-愛_P-77-1_2026-01-02_CT_image-0001')
    expect(fileName(null, ['CT', '../x'])).toBe('CT_x')
  })
})

describe('paper', () => {
  it('has room for as many cells as it says, within its margins', () => {
    const { columns, rows, cell, width, height } = paperLayout('A4', true, '2x3')
    expect([columns, rows, width, height]).toEqual([3, 2, 297, 210])
    expect(columns * cell.width + 2 * 3 + 20).toBeCloseTo(width)
    expect(rows * cell.height + 3 + 20 + 24).toBeCloseTo(height)
    expect(pagesOf([1, 2, 3, 4, 5, 6, 7], columns * rows)).toEqual([[1, 2, 3, 4, 5, 6], [7]])
  })

  it('prints a millimetre as a millimetre, and cuts what has no room', () => {
    const room = { width: 180, height: 240 }
    const hand = printed({ width: 1000, height: 1200 }, 0.15, room, true)
    expect([hand.width, hand.height, hand.magnification]).toEqual([150, 180, 1])
    const chest = printed({ width: 2000, height: 2000 }, 0.2, room, true)
    expect(chest.seen).toEqual({ width: 180, height: 240 })
    expect(chest.width).toBe(400)
    expect(scaleWords(printed({ width: 2000, height: 2000 }, 0.2, room, false).magnification ?? 0)).toBe('1 : 2.2')
    expect(printed({ width: 10, height: 10 }, null, room, true).magnification).toBeNull()
  })
})

describe('a ZIP', () => {
  it('knows the checksum that ZIP has for these nine digits', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926)
  })
})
