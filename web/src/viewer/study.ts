import { asDate } from '@/lib/time'

/** A study that can be shown; the fields are the reading list's. */
export interface ViewerStudy {
  study_pk: number
  study_instance_uid: string
  study_date: string | null
  study_description: string | null
  modalities_in_study: string[]
  body_part_examined?: string | null
  /** Of the site that it was made for, where that is known. */
  site_code?: string | null
}

/** How long before the study that is read a prior was made, as it stands on the picture: `PRIOR · 14 months`. */
export function priorLabel(prior: ViewerStudy, current: ViewerStudy): string {
  const then = dateOf(prior.study_date)
  const now = dateOf(current.study_date) ?? new Date()
  if (!then) return 'PRIOR · date unknown'
  if (then > now) return `LATER · ${span(now, then)}`
  return `PRIOR · ${span(then, now)}`
}

function span(from: Date, to: Date): string {
  const plural = (count: number, unit: string) => `${count} ${unit}${count === 1 ? '' : 's'}`
  const days = Math.round((to.getTime() - from.getTime()) / 86_400_000)
  if (days === 0) return 'same day'
  if (days < 14) return plural(days, 'day')
  if (days < 60) return plural(Math.floor(days / 7), 'week')
  const months = (to.getFullYear() - from.getFullYear()) * 12 + to.getMonth() - from.getMonth() - (to.getDate() < from.getDate() ? 1 : 0)
  return months < 24 ? plural(months, 'month') : plural(Math.floor(months / 12), 'year')
}

/** A DA or ISO date at noon, so that no zone moves it to another day. */
function dateOf(value: string | null): Date | undefined {
  const match = /^(\d{4})-?(\d{2})-?(\d{2})/.exec(value ?? '')
  return match ? asDate(`${match[1]}-${match[2]}-${match[3]}T12:00:00`) : undefined
}
