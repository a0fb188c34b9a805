import { describe, expect, it } from 'vitest'
import { addDays, sayDay, wallDay, wallInstant, wallMinutes, weekday } from './walltime'

const NEW_YORK = 'America/New_York'

describe('the site’s clock', () => {
  it('shows the site’s day and time, not the browser’s', () => {
    expect(wallDay('2026-11-26T03:30:00Z', NEW_YORK)).toBe('2026-11-25')
    expect(wallMinutes('2026-11-26T03:30:00Z', NEW_YORK)).toBe(22 * 60 + 30)
    expect(wallMinutes('2026-11-26T05:00:00Z', NEW_YORK)).toBe(0)
  })

  it.each([
    ['2026-11-25', 9 * 60, '2026-11-25T14:00:00.000Z'],
    ['2026-07-01', 9 * 60, '2026-07-01T13:00:00.000Z'],
    // Put forward on 2026-03-08 at 02:00: before, in the hour that is not there, and after.
    ['2026-03-08', 90, '2026-03-08T06:30:00.000Z'],
    ['2026-03-08', 150, '2026-03-08T07:30:00.000Z'],
    ['2026-03-08', 240, '2026-03-08T08:00:00.000Z'],
    // Put back on 2026-11-01 at 02:00: 01:30 comes twice, the first is meant.
    ['2026-11-01', 90, '2026-11-01T05:30:00.000Z'],
    ['2026-11-01', 180, '2026-11-01T08:00:00.000Z'],
  ])('%s at minute %i is %s', (day, minutes, instant) => {
    expect(wallInstant(day, minutes, NEW_YORK).toISOString()).toBe(instant)
  })

  it('counts days by the calendar, also where one has 23 or 25 hours', () => {
    expect(addDays('2026-03-07', 2)).toBe('2026-03-09')
    expect(addDays('2026-11-01', -1)).toBe('2026-10-31')
    expect([weekday('2026-11-23'), weekday('2026-11-29')]).toEqual([0, 6])
    expect([sayDay('2026-11-25', '2026-11-25'), sayDay('2026-11-26', '2026-11-25'), sayDay('2026-11-27', '2026-11-25')]).toEqual([
      'Today',
      'Tomorrow',
      'Fri 2026-11-27',
    ])
  })
})
