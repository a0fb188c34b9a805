import { describe, expect, it } from 'vitest'
import { formatPersonName, parsePersonName } from './personname'

describe('person names (PS3.5 6.2.1)', () => {
  it('are drawn composed, however they came', () => {
    expect(formatPersonName('Dvor\u030ca\u0301k^Toma\u0301s\u030c')).toBe('Dvo\u0159\u00e1k, Tom\u00e1\u0161')
  })

  it.each([
    ['Okafor^Ada^Grace^Dr.^Jr.', 'Okafor, Dr. Ada Grace, Jr.'],
    ['Yamada^Tarou=山田^太郎=やまだ^たろう', 'Yamada, Tarou · 山田 太郎 · やまだ たろう'],
    ['=山田^太郎', '山田 太郎'],
    ['Unknown', 'Unknown'],
    ['^Ada', 'Ada'],
    ['^^^^', 'Name not given'],
    ['', 'Name not given'],
    [null, 'Name not given'],
  ])('%s reads %s', (value, text) => {
    expect(formatPersonName(value)).toBe(text)
  })

  it('keeps the five components of each group apart', () => {
    expect(parsePersonName('A^B^C^D^E').alphabetic).toEqual({ family: 'A', given: 'B', middle: 'C', prefix: 'D', suffix: 'E' })
  })
})
