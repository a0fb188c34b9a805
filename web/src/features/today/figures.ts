import type { Answer } from '@/lib/api'

export type Today = Answer<'/api/analytics/today', 'get'>
export type Turnaround = Today['turnaround'][number]
export type CasePage = Answer<'/api/analytics/today/cases', 'get'>
export type Case = CasePage['items'][number]

/** A figure that is opened: the whole of it, or a part. */
export interface Opened {
  figure: string
  modality?: string
  site_code?: string
  priority?: string
  hour?: number
}

/** The name of a figure over the list of its cases, and what exactly it counts. */
export const FIGURE: Record<string, { title: string; counts: string }> = {
  ordered: { title: 'Ordered', counts: 'Procedures ordered on the day.' },
  scheduled: { title: 'Scheduled', counts: 'Procedures booked for the first time on the day.' },
  acquired: { title: 'Acquired', counts: 'Procedures whose first image came on the day.' },
  first_reported: { title: 'First reported', counts: 'Procedures with their first signature on the day, preliminary or final.' },
  final: { title: 'Final', counts: 'Procedures whose report became final on the day.' },
  order_canceled: { title: 'Orders cancelled', counts: 'Orders cancelled on the day.' },
  discontinued: { title: 'Discontinued', counts: 'Examinations begun and not completed, on the day.' },
  appointments: { title: 'Appointments', counts: 'Appointments that would have begun on the day.' },
  kept: { title: 'Kept', counts: 'Appointments of the day to which the patient came.' },
  no_show: { title: 'No-shows', counts: 'Appointments of the day to which the patient did not come.' },
  appointment_canceled: { title: 'Appointments cancelled', counts: 'Appointments of the day that were called off before.' },
  now_requested: { title: 'To be scheduled', counts: 'Ordered and not booked, now.' },
  now_scheduled: { title: 'Scheduled', counts: 'Booked and not begun, now.' },
  now_in_progress: { title: 'In progress', counts: 'Begun and not completed, now.' },
  waiting: { title: 'Waiting to be read', counts: 'Images here, nothing signed, now.' },
  waiting_overdue: { title: 'Past their time', counts: 'Not final within the time allowed for their priority, now.' },
  waiting_preliminary: { title: 'Preliminary', counts: 'Read and not final, now.' },
  service_level_met: { title: 'Final in time', counts: 'Became final on the day within the time allowed after the first image.' },
  service_level_missed: { title: 'Final too late', counts: 'Became final on the day after the time allowed.' },
  ordered_to_scheduled: { title: 'Ordered to scheduled', counts: 'Booked on the day; from the order to the booking.' },
  scheduled_to_acquired: { title: 'Scheduled to acquired', counts: 'First image on the day; from the booking to the first image.' },
  acquired_to_first_report: { title: 'Acquired to first report', counts: 'First signed on the day; from the first image to the first signature.' },
  first_report_to_final: { title: 'First report to final', counts: 'Final on the day; from the first signature to the final one.' },
  acquired_to_final: { title: 'Acquired to final', counts: 'Final on the day; from the first image to the final signature.' },
  ordered_to_final: { title: 'Ordered to final', counts: 'Final on the day; from the order to the final signature.' },
  unmatched: { title: 'Unmatched studies', counts: 'Images that hang on no order, now, at all sites.' },
  quarantined: { title: 'Quarantined objects', counts: 'Objects kept and not filed, now, at all sites.' },
}

export const PRIORITY: Record<string, string> = { STAT: 'STAT', HIGH: 'Urgent', ROUTINE: 'Routine' }

/** Which part of a figure is open, in words: `STAT`, `CT`, `09:00 to 10:00`. */
export function partOf(opened: Opened): string {
  return [
    opened.priority && (PRIORITY[opened.priority] ?? opened.priority),
    opened.modality,
    opened.site_code,
    opened.hour === undefined ? '' : `${hourName(opened.hour)} to ${hourName((opened.hour + 1) % 24)}`,
  ]
    .filter(Boolean)
    .join(', ')
}

export const hourName = (hour: number) => `${String(hour).padStart(2, '0')}:00`

export const sameOpened = (one: Opened | undefined, other: Opened) =>
  one !== undefined &&
  one.figure === other.figure &&
  one.modality === other.modality &&
  one.site_code === other.site_code &&
  one.priority === other.priority &&
  one.hour === other.hour

/** A share in whole percent; nothing of nothing has none. */
export function percent(part: number, whole: number): string {
  return whole > 0 ? `${Math.round((part / whole) * 100)} %` : ''
}

/** The scale on which stretches of minutes and of days can stand side by side: one minute to ten days, logarithmic. */
const FROM_S = 60
const TO_S = 10 * 86_400
export const GRID = [
  { s: 600, label: '10 min' },
  { s: 3600, label: '1 h' },
  { s: 6 * 3600, label: '6 h' },
  { s: 86_400, label: '1 d' },
  { s: 7 * 86_400, label: '7 d' },
]

/** Where a span lies on that scale, 0 to 1. */
export function place(span_s: number): number {
  const at = Math.log(Math.max(span_s, FROM_S) / FROM_S) / Math.log(TO_S / FROM_S)
  return Math.min(1, Math.max(0, at))
}

/** The moments of a case in order, each with how long it took from the one before that there is. */
export function stepsOf(one: Case): { label: string; moment: string; after_ms: number | undefined }[] {
  const moments: [string, string | null][] = [
    ['Ordered', one.ordered_at],
    ['Scheduled', one.scheduled_at],
    ['First image', one.acquired_at],
    ['First report', one.first_report_at],
    ['Final', one.final_at],
  ]
  let before: number | undefined
  return moments.flatMap(([label, moment]) => {
    if (!moment) return []
    const at = Date.parse(moment)
    const after_ms = before === undefined ? undefined : at - before
    before = at
    return [{ label, moment, after_ms }]
  })
}

/** Another day, as ISO. */
export function addDays(day: string, days: number): string {
  const at = new Date(`${day}T12:00:00Z`)
  at.setUTCDate(at.getUTCDate() + days)
  return at.toISOString().slice(0, 10)
}

export function weekday(day: string): string {
  return new Date(`${day}T12:00:00Z`).toLocaleDateString('en', { weekday: 'long', timeZone: 'UTC' })
}

/** The zone of all sites of the page; undefined where they differ. */
export function zoneOf(today: Today): string | undefined {
  const zones = new Set(today.sites.map((one) => one.time_zone))
  return zones.size === 1 ? [...zones][0] : undefined
}

/** A moment by a site's clock, as its hours are counted: `08:39`, on another day than `day` with its date. */
export function clockIn(moment: string, zone: string | undefined, day?: string): string {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(new Date(moment))
  const of = (type: string) => parts.find((part) => part.type === type)?.value ?? ''
  const date = `${of('year')}-${of('month')}-${of('day')}`
  const clock = `${of('hour')}:${of('minute')}`
  return day === undefined || day === date ? clock : `${date} ${clock}`
}

/** A time allowed, in hours: `1 h`, `24 h`, `0.5 h`. */
export const hoursOf = (seconds: number) => `${seconds / 3600} h`
