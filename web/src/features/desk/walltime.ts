/** A site's wall clock. The board and the slots are read at the scanner's door, wherever the reader's browser stands. */

const formats = new Map<string, Intl.DateTimeFormat>()

function format(zone: string): Intl.DateTimeFormat {
  let found = formats.get(zone)
  if (!found) {
    found = new Intl.DateTimeFormat('en-CA', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
    })
    formats.set(zone, found)
  }
  return found
}

function parts(instant: string | number | Date, zone: string): Record<string, string> {
  return Object.fromEntries(format(zone).formatToParts(new Date(instant)).map((part) => [part.type, part.value]))
}

/** The calendar day at the site: `2026-11-25`. */
export function wallDay(instant: string | number | Date, zone: string): string {
  const at = parts(instant, zone)
  return `${at['year']}-${at['month']}-${at['day']}`
}

/** Minutes after midnight as the site's clock shows them. */
export function wallMinutes(instant: string | number | Date, zone: string): number {
  const at = parts(instant, zone)
  return Number(at['hour']) * 60 + Number(at['minute'])
}

/** `08:05` */
export function clock(minutes: number): string {
  return `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`
}

export function wallTime(instant: string | number | Date, zone: string): string {
  return clock(wallMinutes(instant, zone))
}

/** `08:00:00` of an opening hour, in minutes. */
export function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number)
  return hours * 60 + minutes
}

/**
 * The instant at which the site's clock shows that time on that day; of an hour that comes twice the first, and of
 * one that the clock skips the time that it jumps to.
 */
export function wallInstant(day: string, minutes: number, zone: string): Date {
  const wanted = Date.parse(`${day}T${clock(minutes)}:00Z`)
  const offset = (instant: number) => Date.parse(`${wallDay(instant, zone)}T${wallTime(instant, zone)}:00Z`) - instant
  const earlier = wanted - offset(wanted - 86_400_000)
  const later = wanted - offset(wanted + 86_400_000)
  const found = [earlier, later].sort((one, other) => one - other).find((instant) => instant + offset(instant) === wanted)
  return new Date(found ?? earlier)
}

export function addDays(day: string, count: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + count * 86_400_000).toISOString().slice(0, 10)
}

/** Monday is 0, as the opening days of a scanner are kept. */
export function weekday(day: string): number {
  return (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7
}

const WEEKDAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']

export function weekdayName(day: string): string {
  return WEEKDAYS[weekday(day)] ?? ''
}

/** A day as the desk says it on the telephone: `today`, `tomorrow`, `Fri 2026-11-27`. */
export function sayDay(day: string, today: string): string {
  if (day === today) return 'Today'
  if (day === addDays(today, 1)) return 'Tomorrow'
  return `${weekdayName(day).slice(0, 3)} ${day}`
}
