/** What the tracking board decides: the order of its rows, where a case stands as a whole, and what happened to it. */
import type { BoardRow, Order, Performed } from './types'

/** Where a case stands as a whole, from the order to the report. */
export type Place = 'coming' | 'here' | 'scanning' | 'to read' | 'read' | 'off'

export const PLACES: readonly { value: Place; label: string }[] = [
  { value: 'coming', label: 'Coming' },
  { value: 'here', label: 'Here' },
  { value: 'scanning', label: 'Scanning' },
  { value: 'to read', label: 'To read' },
  { value: 'read', label: 'Read' },
  { value: 'off', label: 'Called off' },
]

export function placeOf(row: BoardRow): Place {
  if (row.reading?.reading_state === 'final') return 'read'
  switch (row.scheduled_procedure_step_status) {
    case 'SCHEDULED':
      return 'coming'
    case 'ARRIVED':
    case 'READY':
      return 'here'
    case 'STARTED':
      return 'scanning'
    case 'COMPLETED':
      return 'to read'
    default:
      return 'off'
  }
}

/** A STAT case that still runs: its flag and its clock show. */
export function isRunningStat(row: BoardRow): boolean {
  return row.requested_procedure_priority === 'STAT' && !['read', 'off'].includes(placeOf(row))
}

const PRIORITY: Record<string, number> = { STAT: 0, HIGH: 1, ROUTINE: 2, MEDIUM: 3, LOW: 4 }
const PLACE: Record<Place, number> = { scanning: 0, here: 1, coming: 2, 'to read': 3, read: 4, off: 5 }

/** Running STAT cases on top; then who is in a scanner, who waits, who comes; what is over lies at the bottom. */
export function boardOrder(rows: readonly BoardRow[]): BoardRow[] {
  return [...rows].sort(
    (one, other) =>
      Number(isRunningStat(other)) - Number(isRunningStat(one)) ||
      PLACE[placeOf(one)] - PLACE[placeOf(other)] ||
      (PRIORITY[one.requested_procedure_priority] ?? 9) - (PRIORITY[other.requested_procedure_priority] ?? 9) ||
      one.starts_at.localeCompare(other.starts_at) ||
      one.scheduled_procedure_step_pk - other.scheduled_procedure_step_pk,
  )
}

/** What the system did by itself is told by the name of its task. */
function byWhom(name: string): string {
  return /^(scheduling|orders|worklist|reporting|billing)\.[a-z_]+$/.test(name) ? 'by itself' : name
}

export interface Moment {
  id: string
  at: string
  what: string
  more?: string
  /** It is planned and has not come yet. */
  planned?: boolean
}

const MOVES: Record<string, string> = {
  schedule: 'Scheduled',
  unschedule: 'Taken off the schedule',
  start: 'Procedure in progress',
  complete: 'Procedure completed',
  discontinue: 'Procedure discontinued',
  revert: 'Taken back',
  cancel: 'Order canceled',
  reinstate: 'Order reinstated',
}

/** All that is known to have happened, oldest first. */
export function timeline(
  row: BoardRow,
  order: Order | undefined,
  performed: readonly Performed[],
  now = new Date(),
): Moment[] {
  const moments: Moment[] = []
  const placed = order?.imaging_service_request
  if (placed) moments.push({ id: 'ordered', at: placed.ordered_at, what: 'Ordered', more: byWhom(placed.ordered_by) })
  for (const change of order?.changes ?? []) {
    if (change.requested_procedure_pk !== row.requested_procedure_pk || change.from_state === null) continue
    moments.push({
      id: `move ${change.step} ${change.changed_at}`,
      at: change.changed_at,
      what: MOVES[change.step] ?? change.to_state,
      more: [byWhom(change.changed_by), change.reason].filter(Boolean).join(': '),
    })
  }
  if (row.arrived_at) moments.push({ id: 'arrived', at: row.arrived_at, what: 'Patient arrived' })
  if (row.scheduled_procedure_step_status === 'READY') {
    moments.push({ id: 'ready', at: row.status_changed_at, what: 'Ready for the scan' })
  }
  for (const step of performed) {
    const scanner = step.performed_station_ae_title
    moments.push({ id: `began ${step.performed_procedure_step_pk}`, at: step.started_at, what: 'Scanner reports: in progress', more: scanner })
    if (step.ended_at) {
      moments.push({
        id: `ended ${step.performed_procedure_step_pk}`,
        at: step.ended_at,
        what: `Scanner reports: ${step.performed_procedure_step_status.toLowerCase()}`,
        more: [scanner, step.discontinuation_reason].filter(Boolean).join(': '),
      })
    }
  }
  for (const study of row.studies) {
    const count = study.number_of_study_related_instances
    moments.push({ id: `first ${study.study_pk}`, at: study.first_image_at, what: 'First image' })
    if (count > 1) {
      moments.push({
        id: `last ${study.study_pk}`,
        at: study.updated_at,
        what: `${count.toLocaleString()} images`,
        more: `${study.number_of_study_related_series} series`,
      })
    }
  }
  if (row.reading?.signed_at) {
    moments.push({
      id: 'signed',
      at: row.reading.signed_at,
      what: row.reading.reading_state === 'final' ? 'Report final' : 'Report preliminary',
    })
  }
  if (row.scheduled_procedure_step_status === 'SCHEDULED') {
    moments.push({
      id: 'booked',
      at: row.starts_at,
      what: Date.parse(row.starts_at) < now.getTime() ? 'Was to begin' : 'Is to begin',
      more: row.resource_name,
      planned: true,
    })
  }
  return moments.sort((one, other) => Date.parse(one.at) - Date.parse(other.at))
}
