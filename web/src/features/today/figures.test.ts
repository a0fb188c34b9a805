import { describe, expect, it } from 'vitest'
import { addDays, clockIn, hoursOf, partOf, percent, place, sameOpened, stepsOf, weekday, type Case } from './figures'

const CASE = {
  ordered_at: '2026-11-24T08:00:00Z',
  scheduled_at: null,
  acquired_at: '2026-11-24T09:00:00Z',
  first_report_at: '2026-11-24T08:50:00Z',
  final_at: null,
} as Case

describe('the scale of spans', () => {
  it('puts a minute at its beginning and ten days at its end, and never leaves it', () => {
    expect(place(60)).toBe(0)
    expect(place(1)).toBe(0)
    expect(place(10 * 86_400)).toBe(1)
    expect(place(1e9)).toBe(1)
    expect(place(3600)).toBeGreaterThan(place(600))
  })
})

describe('the way of a case', () => {
  it('leaves out what did not happen and measures from the moment before', () => {
    expect(stepsOf(CASE)).toEqual([
      { label: 'Ordered', moment: CASE.ordered_at, after_ms: undefined },
      { label: 'First image', moment: CASE.acquired_at, after_ms: 3_600_000 },
      { label: 'First report', moment: CASE.first_report_at, after_ms: -600_000 },
    ])
  })
})

describe('words of a part', () => {
  it('names priority, modality, site and hour', () => {
    expect(partOf({ figure: 'acquired', priority: 'HIGH', hour: 23 })).toBe('Urgent, 23:00 to 00:00')
    expect(partOf({ figure: 'acquired', modality: 'CT', site_code: 'NYC' })).toBe('CT, NYC')
    expect(partOf({ figure: 'acquired' })).toBe('')
  })

  it('tells one part from another', () => {
    expect(sameOpened({ figure: 'final', hour: 0 }, { figure: 'final' })).toBe(false)
    expect(sameOpened({ figure: 'final', hour: 0 }, { figure: 'final', hour: 0 })).toBe(true)
    expect(sameOpened(undefined, { figure: 'final' })).toBe(false)
  })
})

describe('days and shares', () => {
  it('counts days over months and leap days', () => {
    expect(addDays('2026-11-30', 1)).toBe('2026-12-01')
    expect(addDays('2028-03-01', -1)).toBe('2028-02-29')
    expect(weekday('2026-11-25')).toBe('Wednesday')
  })

  it('gives no share of nothing', () => {
    expect(percent(1, 0)).toBe('')
    expect(percent(1, 3)).toBe('33 %')
  })
})

describe('clocks of sites', () => {
  it('says the time by the site and the date where it is another day', () => {
    expect(clockIn('2026-11-25T03:05:00Z', 'America/New_York', '2026-11-24')).toBe('22:05')
    expect(clockIn('2026-11-25T03:05:00Z', 'Asia/Tokyo', '2026-11-24')).toBe('2026-11-25 12:05')
    expect(clockIn('2026-11-25T05:00:00Z', 'America/New_York')).toBe('00:00')
  })

  it('says what is allowed in hours', () => {
    expect([3600, 86_400].map(hoursOf)).toEqual(['1 h', '24 h'])
  })
})
