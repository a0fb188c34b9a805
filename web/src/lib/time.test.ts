import { describe, expect, it } from 'vitest'
import { formatDicomDate, formatDicomTime, formatMoment, formatPersonAge, formatSpan } from './time'

const NOW = new Date(2026, 10, 25, 14, 0)

describe('ages of people', () => {
  it.each([
    ['20261123', '2 d'],
    ['20261001', '7 wk'],
    ['2025-09-26', '13 mo'],
    ['19631126', '62 y'],
    ['19631125', '63 y'],
    ['1963', '63 y'],
    ['20300101', ''],
    ['', ''],
    [null, ''],
  ])('born %s is %s', (born, age) => {
    expect(formatPersonAge(born, NOW)).toBe(age)
  })
})

describe('dates and times', () => {
  it('never shifts a calendar date by a zone', () => {
    expect(formatDicomDate('20261125')).toBe('2026-11-25')
    expect(formatDicomDate('2026-11')).toBe('2026-11')
    expect(formatDicomTime('134501.22')).toBe('13:45')
  })

  it('leaves the day out only where it is today', () => {
    expect(formatMoment(new Date(2026, 10, 25, 9, 5), NOW)).toBe('09:05')
    expect(formatMoment(new Date(2026, 10, 24, 9, 5), NOW)).toBe('2026-11-24 09:05')
    expect(formatMoment('nonsense', NOW)).toBe('')
  })

  it('are those of a site where its zone is given, wherever the reader sits', () => {
    const now = new Date('2026-11-25T03:00:00Z') // still the 24th in New York
    expect(formatMoment('2026-11-25T04:30:00Z', now, 'America/New_York')).toBe('23:30')
    expect(formatMoment('2026-11-25T05:30:00Z', now, 'America/New_York')).toBe('2026-11-25 00:30')
    expect(formatMoment('2026-11-24T18:00:00Z', now, 'Asia/Tokyo')).toBe('03:00')
  })

  it.each([
    [-5, '0 s'],
    [59_999, '59 s'],
    [7 * 60_000, '7 min'],
    [125 * 60_000, '2 h 05'],
    [76 * 3_600_000, '3 d 4 h'],
    [9 * 86_400_000, '9 d'],
  ])('%d ms is %s', (span, text) => {
    expect(formatSpan(span)).toBe(text)
  })
})
