import { describe, expect, it } from 'vitest'
import { hoursOf, movesOf, nudged, place, shownOn } from './board'
import type { Booking, Resource } from './types'

const DAY = '2026-11-25'
let number = 0
function booking(from: string, to: string, more: Partial<Booking> = {}): Booking {
  number += 1
  return {
    scheduled_procedure_step_pk: number,
    requested_procedure_pk: number,
    requested_procedure_state: 'SCHEDULED',
    scheduled_procedure_step_status: 'SCHEDULED',
    appointment_state: 'booked',
    time_zone: 'America/New_York',
    starts_at: `${DAY}T${from}:00Z`,
    ends_at: `${DAY}T${to}:00Z`,
    modality: 'CT',
    ...more,
  } as Booking
}
const scanner = (pk: number, more: Partial<Resource> = {}) =>
  ({ modality_resource_pk: pk, opens: '07:00:00', closes: '20:00:00', weekdays: [0, 1, 2, 3, 4], active: true, modality: 'CT', ...more }) as Resource

describe('a column of the board', () => {
  it('gives the whole width to who stands alone, and lanes only to those who overlap', () => {
    const placed = place(
      [booking('14:00', '14:30'), booking('14:15', '14:45'), booking('14:30', '15:00'), booking('15:00', '15:15')],
      DAY,
    )
    expect(placed.map(({ start, lane, lanes }) => [start, lane, lanes])).toEqual([
      [540, 0, 2],
      [555, 1, 2],
      [570, 0, 2],
      [600, 0, 1],
    ])
  })

  it('ends what runs over midnight at the day’s end', () => {
    const placed = place([booking('04:30', '05:30', { starts_at: '2026-11-26T04:45:00Z', ends_at: '2026-11-26T05:15:00Z' })], DAY)
    expect(placed[0]).toMatchObject({ start: 23 * 60 + 45, end: 24 * 60 })
  })

  it('spans the opening hours and what is booked outside them, by whole hours', () => {
    expect(hoursOf([scanner(1)], [booking('10:40', '10:50')], DAY)).toEqual({ from: 5 * 60, to: 20 * 60 })
    expect(hoursOf([scanner(1)], [], '2026-11-28')).toEqual({ from: 7 * 60, to: 20 * 60 })
  })
})

describe('who stands on the board', () => {
  it('keeps a no-show until the patient holds a slot again, and hides what was cancelled', () => {
    const missed = booking('14:00', '14:15', { appointment_state: 'noshow', scheduled_procedure_step_status: 'CANCELED' })
    const canceled = booking('14:00', '14:15', { appointment_state: 'cancelled', scheduled_procedure_step_status: 'CANCELED' })
    const again = booking('15:00', '15:15', { requested_procedure_pk: missed.requested_procedure_pk })
    expect(shownOn([missed, canceled], false)).toEqual([missed])
    expect(shownOn([missed, canceled, again], false)).toEqual([again])
    expect(shownOn([missed, canceled], true)).toHaveLength(2)
  })

  it('offers only what the state allows', () => {
    expect(movesOf(booking('14:00', '14:15'))).toEqual({ arrive: true, move: true, cancel: true, noShow: true, reinstate: false })
    const arrived = booking('14:00', '14:15', { appointment_state: 'arrived', scheduled_procedure_step_status: 'ARRIVED' })
    expect(movesOf(arrived)).toEqual({ arrive: false, move: false, cancel: true, noShow: false, reinstate: false })
    const started = booking('14:00', '14:15', { appointment_state: 'fulfilled', scheduled_procedure_step_status: 'STARTED' })
    expect(Object.values(movesOf(started)).some(Boolean)).toBe(false)
    const missed = booking('14:00', '14:15', {
      appointment_state: 'noshow',
      scheduled_procedure_step_status: 'CANCELED',
      requested_procedure_state: 'REQUESTED',
    })
    expect(movesOf(missed)).toEqual({ arrive: false, move: false, cancel: false, noShow: false, reinstate: true })
  })
})

describe('moving by keys', () => {
  const fitting = [scanner(1), scanner(4)]
  it('steps by the grid, keeps within the day, and only onto scanners of the kind', () => {
    const at = { modality_resource_pk: 1, start: 541 }
    expect(nudged(at, 'ArrowDown', 15, fitting)).toEqual({ modality_resource_pk: 1, start: 545 })
    expect(nudged(at, 'ArrowUp', 15, fitting, true)).toEqual({ modality_resource_pk: 1, start: 480 })
    expect(nudged(at, 'ArrowRight', 15, fitting)).toEqual({ modality_resource_pk: 4, start: 541 })
    expect(nudged(at, 'ArrowLeft', 15, fitting)).toBeUndefined()
    expect(nudged({ modality_resource_pk: 1, start: 24 * 60 - 15 }, 'ArrowDown', 15, fitting)).toBeUndefined()
  })
})
