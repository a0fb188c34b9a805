import { http, type Answer } from '@/lib/api'
import type { Booking, NewOrder, Order, OrderLine, Resource, Slot } from './types'

/** When: at a free time, now, or somebody will find a time later. */
export type Target = { kind: 'slot'; slot: Slot } | { kind: 'walk-in'; resource: Resource } | { kind: 'later' }

export interface Done {
  line: OrderLine
  booking: Booking | undefined
  walkedIn: boolean
}

/** Orders, and books in the same call: a connection that is cut in between leaves no order that nobody booked. */
export async function orderAndBook(what: NewOrder, to: Target): Promise<Done> {
  let order: Order
  let booking: Booking | undefined
  if (to.kind === 'later') order = await http.post<Order>('/api/orders', what)
  else {
    const place =
      to.kind === 'slot'
        ? { modality_resource_pk: to.slot.modality_resource_pk, starts_at: to.slot.starts_at }
        : { modality_resource_pk: to.resource.modality_resource_pk }
    const made = await http.post<Answer<'/api/schedule/orders', 'post'>>('/api/schedule/orders', { ...what, ...place })
    order = made.order
    booking = made.booking
  }
  const line = order.lines[0]
  if (!line) throw new Error('The answer names no procedure.')
  return { line, booking, walkedIn: to.kind === 'walk-in' }
}
