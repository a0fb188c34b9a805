import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http } from '@/lib/api'
import { asProblem } from '@/lib/problem'
import { ProblemText, toast } from '@/ui'
import { useResources } from './data'
import classes from './desk.module.css'
import { SlotPicker } from './SlotPicker'
import type { Booking, OrderLine, Resource, Slot } from './types'
import { sayDay, wallDay, wallTime } from './walltime'

type Target = { slot: Slot } | { resource: Resource }

/** A time for what is ordered already: now on a scanner, or one of the first slots. */
export function TimeFinder({ line, onBooked }: { line: OrderLine; onBooked?: () => void }) {
  const client = useQueryClient()
  const resources = useResources()
  const [target, setTarget] = useState<Target>()
  const requested_procedure_pk = line.requested_procedure.requested_procedure_pk
  const siteOf = (resources.data ?? []).filter((one) => one.site_pk === line.imaging_service_request.site_pk)
  const zone = siteOf[0]?.time_zone ?? 'UTC'
  const fitting = siteOf.filter((one) => one.active && one.modality === line.procedure.modality)
  const book = useMutation({
    mutationFn: (to: Target) =>
      'slot' in to
        ? http.post<Booking>('/api/schedule/appointments', {
            requested_procedure_pk,
            modality_resource_pk: to.slot.modality_resource_pk,
            starts_at: to.slot.starts_at,
          })
        : http.post<Booking>('/api/schedule/walk-ins', { requested_procedure_pk, modality_resource_pk: to.resource.modality_resource_pk }),
    onMutate: setTarget,
    onSuccess: (booking) => {
      toast(`Booked: ${sayDay(wallDay(booking.starts_at, booking.time_zone), wallDay(Date.now(), zone))} ${wallTime(booking.starts_at, booking.time_zone)}, ${booking.resource_name}.`)
      onBooked?.()
    },
    onSettled: () => {
      setTarget(undefined)
      for (const key of ['slots', 'orders', 'order', 'patient', 'day-board']) void client.invalidateQueries({ queryKey: [key] })
    },
  })
  return (
    <div className={classes['slots']}>
      {book.error ? (
        <div className={classes['refusal']} role="alert">
          <ProblemText problem={asProblem(book.error)} />
        </div>
      ) : null}
      <SlotPicker
        of={{ requested_procedure_pk }}
        zone={zone}
        resources={resources.data ?? []}
        verb="Book"
        disabled={book.isPending}
        busy={target && 'slot' in target ? target.slot : undefined}
        onPick={(slot) => book.mutate({ slot })}
      />
      {fitting.length ? (
        <div className={classes['slotDay']}>
          <h3>Here now</h3>
          <ul>
            {fitting.map((resource) => (
              <li key={resource.modality_resource_pk}>
                <button type="button" disabled={book.isPending} onClick={() => book.mutate({ resource })}>
                  <strong>Now</strong>
                  <span>{resource.name}</span>
                  <small>walk-in, arrived</small>
                  <span />
                </button>
              </li>
            ))}
          </ul>
        </div>
      ) : null}
    </div>
  )
}
