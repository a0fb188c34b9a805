import type { Booking, Resource } from './types'
import { minutesOf, wallDay, wallMinutes, weekday } from './walltime'

/** What times are proposed in, as the server's own slots are. */
export const GRID_MINUTES = 5
const DAY_MINUTES = 24 * 60

/** A booking as it lies in its column: minutes of the site's clock, and the lane where several stand side by side. */
export interface Placed {
  booking: Booking
  start: number
  end: number
  lane: number
  lanes: number
}

/** The slot is free again: cancelled, or the patient did not come. */
export function isGone(booking: Booking): boolean {
  return booking.appointment_state === 'cancelled' || booking.appointment_state === 'noshow' || booking.scheduled_procedure_step_status === 'CANCELED'
}

export function isNoShow(booking: Booking): boolean {
  return booking.appointment_state === 'noshow'
}

/**
 * What stands on the board: everything that holds its slot, and the no-shows that may still come (not those who came
 * after all and hold a slot again).
 */
export function shownOn(bookings: readonly Booking[], canceled: boolean): Booking[] {
  const living = new Set(bookings.filter((one) => !isGone(one)).map((one) => one.requested_procedure_pk))
  return bookings.filter((one) => !isGone(one) || (isNoShow(one) && !living.has(one.requested_procedure_pk)) || canceled)
}

/** Lays the bookings of one scanner side by side where they overlap. Those that are gone stand behind, in a lane of their own. */
export function place(bookings: readonly Booking[], day: string): Placed[] {
  const placed = bookings
    .map((booking) => {
      const start = wallMinutes(booking.starts_at, booking.time_zone)
      const sameDay = wallDay(booking.ends_at, booking.time_zone) === day
      return { booking, start, end: Math.max(start + GRID_MINUTES, sameDay ? wallMinutes(booking.ends_at, booking.time_zone) : DAY_MINUTES), lane: 0, lanes: 1 }
    })
    .sort((one, other) => one.start - other.start || Number(isGone(one.booking)) - Number(isGone(other.booking)) || other.end - one.end || one.booking.requested_procedure_pk - other.booking.requested_procedure_pk)
  let group: Placed[] = []
  let groupEnd = -1
  const close = () => {
    const lanes = Math.max(0, ...group.map((one) => one.lane)) + 1
    for (const one of group) one.lanes = lanes
    group = []
  }
  for (const one of placed) {
    if (one.start >= groupEnd) {
      close()
      groupEnd = one.end
    }
    const busy = new Set(group.filter((other) => other.end > one.start).map((other) => other.lane))
    while (busy.has(one.lane)) one.lane += 1
    group.push(one)
    groupEnd = Math.max(groupEnd, one.end)
  }
  close()
  return placed
}

/** The hours that the board spans: from the first opening to the last closing, and whatever is booked outside. Whole hours. */
export function hoursOf(resources: readonly Resource[], bookings: readonly Booking[], day: string): { from: number; to: number } {
  const open = resources.filter((one) => one.active && one.weekdays.includes(weekday(day)))
  const marks = [
    ...open.flatMap((one) => [minutesOf(one.opens), minutesOf(one.closes)]),
    ...bookings.flatMap((one) => [wallMinutes(one.starts_at, one.time_zone), wallMinutes(one.starts_at, one.time_zone) + 30]),
  ]
  if (!marks.length) return { from: 7 * 60, to: 20 * 60 }
  const from = Math.floor(Math.min(...marks) / 60) * 60
  const to = Math.min(DAY_MINUTES, Math.ceil(Math.max(...marks) / 60) * 60)
  return { from, to: Math.max(to, from + 60) }
}

export function snap(minutes: number): number {
  return Math.round(minutes / GRID_MINUTES) * GRID_MINUTES
}

/** Where a booking would go: another time or another scanner of the same kind. */
export interface Proposal {
  modality_resource_pk: number
  start: number
}

/** The proposal that an arrow key makes of one; undefined where the key leads nowhere. */
export function nudged(proposal: Proposal, key: string, length: number, fitting: readonly Resource[], big = false): Proposal | undefined {
  const at = fitting.findIndex((one) => one.modality_resource_pk === proposal.modality_resource_pk)
  const step = big ? 60 : GRID_MINUTES
  if (key === 'ArrowUp' || key === 'ArrowDown') {
    const start = snap(proposal.start + (key === 'ArrowUp' ? -step : step))
    return start < 0 || start + length > DAY_MINUTES ? undefined : { ...proposal, start }
  }
  const next = fitting[at + (key === 'ArrowLeft' ? -1 : 1)]
  return at < 0 || !next ? undefined : { ...proposal, modality_resource_pk: next.modality_resource_pk }
}

/** The scanners that a booking may move to, as the server will see it. */
export function fittingFor(booking: Booking, resources: readonly Resource[]): Resource[] {
  return resources.filter((one) => one.active && one.modality === booking.modality)
}

/** What the desk may do to a booking now; the server's tables decide in the end. Nobody is missed before the time has come. */
export function movesOf(booking: Booking, now = Date.now()): { arrive: boolean; move: boolean; cancel: boolean; noShow: boolean; reinstate: boolean } {
  const { appointment_state: appointment, scheduled_procedure_step_status: step } = booking
  const begun = !['SCHEDULED', 'ARRIVED', 'READY'].includes(step)
  return {
    arrive: step === 'SCHEDULED' && (appointment === 'booked' || appointment === null),
    move: appointment === 'booked' && step === 'SCHEDULED',
    cancel: !begun && (appointment === 'booked' || appointment === 'arrived' || appointment === 'checked-in'),
    noShow: appointment === 'booked' && step === 'SCHEDULED' && Date.parse(booking.starts_at) <= now,
    reinstate: appointment === 'noshow' && booking.requested_procedure_state === 'REQUESTED',
  }
}

/** Minutes by which a patient who has not come is late; 0 while there is no reason to ask. */
export function lateBy(booking: Booking, now: number): number {
  if (booking.scheduled_procedure_step_status !== 'SCHEDULED' || isGone(booking)) return 0
  return Math.max(0, Math.floor((now - Date.parse(booking.starts_at)) / 60_000))
}
