import { http, type Answer, type Sent } from '@/lib/api'
import type { Booking, Diagnosis, NewOrder, Order, OrderLine, Resource, Slot } from './types'

/** When: at a free time, now, or somebody will find a time later. */
export type Target = { kind: 'slot'; slot: Slot } | { kind: 'walk-in'; resource: Resource } | { kind: 'later' }

export interface Done {
  line: OrderLine
  booking: Booking | undefined
  walkedIn: boolean
}

/**
 * Orders, and books in the same call: a connection that is cut in between leaves no order that nobody booked. `key` is one of
 * the form, so that what is sent twice, or again because the answer was lost, is made once.
 */
export async function orderAndBook(what: NewOrder, to: Target, key: string): Promise<Done> {
  let order: Order
  let booking: Booking | undefined
  if (to.kind === 'later') order = await http.post<Order>('/api/orders', { ...what, idempotency_key: key })
  else {
    const place =
      to.kind === 'slot'
        ? { modality_resource_pk: to.slot.modality_resource_pk, starts_at: to.slot.starts_at }
        : { modality_resource_pk: to.resource.modality_resource_pk }
    const made = await http.post<Answer<'/api/schedule/orders', 'post'>>('/api/schedule/orders', { ...what, ...place, idempotency_key: key })
    order = made.order
    booking = made.booking
  }
  const line = order.lines[0]
  if (!line) throw new Error('The answer names no procedure.')
  return { line, booking, walkedIn: to.kind === 'walk-in' }
}

/** What can be said anew of an order, as it stands. */
export interface Before {
  requested_procedure_priority: string
  reason_for_the_requested_procedure: string
  diagnosis_codes: Pick<Diagnosis, 'code' | 'description'>[]
  referring_practitioner_pk: number | null
  referring_physician_name: string
}

type OrderChange = Sent<'/api/orders/{imaging_service_request_pk}', 'patch'>

/** Only what was changed travels: procedures of one order may differ in the rest. */
export function changeOf(before: Before, after: Before & { more_comments: string }): OrderChange {
  const codes = after.diagnosis_codes.map((one) => one.code)
  const reason = after.reason_for_the_requested_procedure.trim()
  const name = after.referring_physician_name.trim()
  const referrerChanged = after.referring_practitioner_pk !== before.referring_practitioner_pk || name !== before.referring_physician_name
  return {
    requested_procedure_priority:
      after.requested_procedure_priority === before.requested_procedure_priority
        ? null
        : (after.requested_procedure_priority as OrderChange['requested_procedure_priority']),
    reason_for_the_requested_procedure: reason === before.reason_for_the_requested_procedure ? null : reason,
    diagnosis_codes: codes.join() === before.diagnosis_codes.map((one) => one.code).join() ? null : codes,
    more_comments: after.more_comments.trim() || null,
    // A known physician is named by key alone; who is typed, by name; nobody, by an empty one.
    referring_practitioner_pk: referrerChanged ? after.referring_practitioner_pk : null,
    referring_physician_name: referrerChanged && after.referring_practitioner_pk === null ? name : null,
  }
}
