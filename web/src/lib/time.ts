/**
 * Times of day are shown on a 24-hour clock, dates as 2026-11-25: no order of digits to guess. In the reader's zone, unless
 * the zone of a site is given: who is booked there comes by the clock on its wall.
 */

const pad = (value: number) => String(value).padStart(2, '0')

export function asDate(value: string | number | Date | null | undefined): Date | undefined {
  if (value === null || value === undefined || value === '') return undefined
  const date = value instanceof Date ? value : new Date(value)
  return Number.isNaN(date.getTime()) ? undefined : date
}

/** A calendar date: DICOM DA (`20261125`) or ISO (`2026-11-25`); partial dates stay partial. Never shifted by a zone. */
export function formatDicomDate(value: string | null | undefined): string {
  const match = /^(\d{4})-?(\d{2})?-?(\d{2})?/.exec(value ?? '')
  if (!match) return ''
  return [match[1], match[2], match[3]].filter(Boolean).join('-')
}

/** DICOM TM (`134501.22`) or ISO (`13:45:01`) to minutes. */
export function formatDicomTime(value: string | null | undefined): string {
  const match = /^(\d{2}):?(\d{2})?/.exec(value ?? '')
  return match ? `${match[1]}:${match[2] ?? '00'}` : ''
}

const walls = new Map<string, Intl.DateTimeFormat>()

/** `2026-11-25 08:05` by the clock of a zone. */
function wall(date: Date, zone: string): string {
  let format = walls.get(zone)
  if (!format) {
    const digits = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' } as const
    format = new Intl.DateTimeFormat('en-CA', { timeZone: zone, hourCycle: 'h23', ...digits })
    walls.set(zone, format)
  }
  const at = Object.fromEntries(format.formatToParts(date).map((part) => [part.type, part.value]))
  return `${at['year']}-${at['month']}-${at['day']} ${at['hour']}:${at['minute']}`
}

export function formatDay(value: string | number | Date | null | undefined, zone?: string): string {
  const date = asDate(value)
  if (!date) return ''
  if (zone) return wall(date, zone).slice(0, 10)
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`
}

export function formatTime(value: string | number | Date | null | undefined, zone?: string): string {
  const date = asDate(value)
  if (!date) return ''
  if (zone) return wall(date, zone).slice(11)
  return `${pad(date.getHours())}:${pad(date.getMinutes())}`
}

/** Date and time; only the time where it is today. */
export function formatMoment(value: string | number | Date | null | undefined, now = new Date(), zone?: string): string {
  const day = formatDay(value, zone)
  if (!day) return ''
  return day === formatDay(now, zone) ? formatTime(value, zone) : `${day} ${formatTime(value, zone)}`
}

/** How long something takes or has waited, in two units at most: `40 s`, `7 min`, `2 h 05`, `3 d 4 h`. */
export function formatSpan(span_ms: number): string {
  const total_s = Math.max(0, Math.floor(span_ms / 1000))
  if (total_s < 60) return `${total_s} s`
  const total_min = Math.floor(total_s / 60)
  if (total_min < 60) return `${total_min} min`
  const total_h = Math.floor(total_min / 60)
  if (total_h < 24) return `${total_h} h ${pad(total_min % 60)}`
  const days = Math.floor(total_h / 24)
  return days < 7 ? `${days} d ${total_h % 24} h` : `${days} d`
}

/** A person's age as the ward says it: `3 d`, `7 wk`, `14 mo`, `63 y` (PS3.5 AS units, rounded down). */
export function formatPersonAge(birthDate: string | null | undefined, now = new Date()): string {
  const match = /^(\d{4})-?(\d{2})?-?(\d{2})?/.exec(birthDate ?? '')
  if (!match) return ''
  const [year, month, day] = [Number(match[1]), Number(match[2] ?? 0), Number(match[3] ?? 0)]
  if (!month || !day) return `${now.getFullYear() - year} y`
  const beforeDay = now.getDate() < day
  const months = (now.getFullYear() - year) * 12 + (now.getMonth() + 1 - month) - (beforeDay ? 1 : 0)
  if (months < 0) return ''
  const days = Math.floor((Date.UTC(now.getFullYear(), now.getMonth(), now.getDate()) - Date.UTC(year, month - 1, day)) / 86_400_000)
  if (days < 28) return `${days} d`
  if (months < 3) return `${Math.floor(days / 7)} wk`
  if (months < 24) return `${months} mo`
  return `${Math.floor(months / 12)} y`
}
