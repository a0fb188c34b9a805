import { describe, expect, it } from 'vitest'
import { matchesIn } from './finding'

const runs = [{ str: 'No acute ' }, { str: 'haemor', hasEOL: false }, { str: 'rhage.', hasEOL: true }, { str: '' }, { str: 'Größe unverändert' }, { str: ' ' }, { str: 'HAEMORRHAGE' }]

describe('words on a page', () => {
  it('are found across runs and lines, whatever their capitals and accents', () => {
    expect(matchesIn(runs, 'Haemorrhage')).toEqual([{ first: 1, last: 2 }, { first: 6, last: 6 }])
    expect(matchesIn(runs, 'rhage.  grosse')).toEqual([])
    expect(matchesIn(runs, 'rhage. größe')).toEqual([{ first: 2, last: 4 }])
    expect(matchesIn(runs, 'GROßE UNVERANDERT')).toEqual([{ first: 4, last: 4 }])
  })

  it('that are none find nothing', () => {
    expect(matchesIn(runs, '   ')).toEqual([])
  })
})
