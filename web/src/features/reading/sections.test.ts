import { describe, expect, it } from 'vitest'
import { differences, docOf, neighbour, orderedSide, sectionNames, spans } from './sections'

describe('the sections of a report', () => {
  it('stand in the order of a report whatever order they come in; unknown ones follow', () => {
    expect(sectionNames({ impression: '', extra: '', indication: '', findings: '' })).toEqual([
      'indication',
      'findings',
      'impression',
      'extra',
    ])
  })

  it('are walked by step and stay at the ends', () => {
    const names = ['indication', 'findings', 'impression']
    expect(neighbour(names, undefined, 1)).toBe('indication')
    expect(neighbour(names, 'indication', 1)).toBe('findings')
    expect(neighbour(names, 'impression', 1)).toBe('impression')
    expect(neighbour(names, 'indication', -1)).toBe('indication')
    expect(neighbour([], 'x', 1)).toBeUndefined()
  })

  it('become a paragraph a line, empty lines kept', () => {
    expect(docOf('A\r\n\nB').content).toEqual([
      { type: 'paragraph', content: [{ type: 'text', text: 'A' }] },
      { type: 'paragraph' },
      { type: 'paragraph', content: [{ type: 'text', text: 'B' }] },
    ])
    expect(docOf('').content).toEqual([{ type: 'paragraph' }])
  })

  it('differ only where the words do', () => {
    expect(differences({ findings: 'a ', impression: 'x' }, { findings: 'a', impression: 'y', technique: 't' })).toEqual([
      { name: 'technique', mine: '', theirs: 't' },
      { name: 'impression', mine: 'x', theirs: 'y' },
    ])
  })
})

describe('what stands out while writing', () => {
  it('are blanks, and words of the side that was not ordered', () => {
    const line = 'RIGHT knee: effusion ___ mm, left normal [ ]'
    expect(spans(line, 'L').map((span) => [line.slice(span.from, span.to), span.what])).toEqual([
      ['RIGHT', 'side'],
      ['___', 'blank'],
      ['[ ]', 'blank'],
    ])
    expect(spans('no side here', 'L')).toEqual([])
    expect(spans('right and left', null)).toEqual([])
  })

  it('knows the side in other languages, and no word that only contains it', () => {
    expect(spans('rechtes Knie, à droite', 'L').map((span) => span.from)).toEqual([0, 16])
    expect(spans('outright, leftover', 'L')).toEqual([])
    expect(spans('outright, leftover', 'R')).toEqual([])
  })

  it('has one ordered side only', () => {
    expect(orderedSide(['L'])).toBe('L')
    expect(orderedSide(['R', null])).toBe('R')
    expect(orderedSide(['L', 'R'])).toBeNull()
    expect(orderedSide(['R', 'B'])).toBeNull()
    expect(orderedSide(['U', null])).toBeNull()
  })
})
