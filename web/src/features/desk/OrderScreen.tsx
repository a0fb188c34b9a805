import { Button } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useLive, useSession } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { formatMoment } from '@/lib/time'
import { DateTime, Facts, Outline, PatientBar, Priority, ProblemNote, ReasonDialog, Screen, Section, StateSign, toast } from '@/ui'
import { isGone } from './board'
import { SCHEDULE_EVENTS, useOrder, usePatientBookings } from './data'
import { ChangeOrder } from './ChangeOrder'
import classes from './desk.module.css'
import { TimeFinder } from './TimeFinder'
import { barOf } from './types'
import { wallDay, wallTime } from './walltime'

const REASONS = ['Ordered twice', 'Wrong patient', 'Wrong examination', 'Not needed any more', 'Patient refused']

const words = (state: string) => state.toLowerCase().replaceAll('_', ' ')
const ASKED: Record<string, string> = {
  requested_procedure_priority: 'priority',
  reason_for_the_requested_procedure: 'reason',
  diagnosis_codes: 'diagnoses',
  referring_physician_name: 'referring physician',
}
const asked = (field: string) => ASKED[field] ?? field

/** A whole order: what was asked, by whom, where each procedure stands, and how it came there. */
export default function OrderScreen() {
  const { orderPk } = useParams({ strict: false }) as { orderPk: string }
  const { may } = useSession()
  const client = useQueryClient()
  const order = useOrder(Number(orderPk))
  const bar = order.data?.lines[0]?.bar
  const bookings = usePatientBookings(may('schedule.read') ? bar?.patient_pk : undefined)
  const [canceling, setCanceling] = useState(false)
  const [changing, setChanging] = useState(false)
  useLive(SCHEDULE_EVENTS, [['order'], ['patient']])
  const request = order.data?.imaging_service_request
  const mayChange = may('order.write') && order.data !== undefined && ['REQUESTED', 'SCHEDULED'].includes(order.data.state)
  const waiting = order.data?.lines.filter((line) => line.requested_procedure.state === 'REQUESTED') ?? []

  return (
    <Screen
      title="Order"
      note={request?.accession_number}
      body="page"
      patient={bar ? <PatientBar patient={barOf(bar)} /> : null}
      actions={
        <>
          {bar ? (
            <Button component={Link} to={`/patients/${bar.patient_pk}`} variant="default">
              Patient’s record
            </Button>
          ) : null}
          {mayChange ? (
            <>
              <Button variant="default" onClick={() => setChanging(true)} disabled={changing}>
                Change
              </Button>
              <Button variant="default" onClick={() => setCanceling(true)}>
                Cancel the order
              </Button>
            </>
          ) : null}
        </>
      }
    >
      {order.error ? <ProblemNote error={order.error} onRetry={() => void order.refetch()} /> : null}
      {order.isPending ? <Outline rows={10} /> : null}
      {order.data && request ? (
        <div className={classes['order']}>
          <div>
            {changing && mayChange ? <ChangeOrder order={order.data} onDone={() => setChanging(false)} /> : null}
            {order.data.lines.map((line) => {
              const { requested_procedure: requested } = line
              const booked = (bookings.data?.items ?? []).filter((one) => one.requested_procedure_pk === requested.requested_procedure_pk).at(-1)
              return (
                <article key={requested.requested_procedure_pk} className={classes['line']}>
                  <div className={classes['lineHead']}>
                    <h3>{requested.requested_procedure_description}</h3>
                    <Priority priority={requested.requested_procedure_priority} />
                    <StateSign state={requested.state} of="order" />
                  </div>
                  <Facts
                    facts={[
                      [
                        'Appointment',
                        booked
                          ? `${wallDay(booked.starts_at, booked.time_zone)} ${wallTime(booked.starts_at, booked.time_zone)}, ${booked.resource_name}${isGone(booked) ? ` (${booked.appointment_state === 'noshow' ? 'no-show' : 'canceled'})` : ''}`
                          : null,
                      ],
                      ['Reason', requested.reason_for_the_requested_procedure],
                      ['State’s reason', requested.state_reason],
                      ['Preparation', line.procedure.preparation],
                      ['Contrast', line.procedure.requested_contrast_agent],
                      ['Procedure', requested.requested_procedure_id],
                    ]}
                  />
                </article>
              )
            })}
            <Section title="Asked">
              <Facts
                facts={[
                  ['Ordered', <DateTime key="ordered" value={request.ordered_at} />],
                  ['By', request.ordered_by],
                  ['Referrer', request.referring_physician_name ? formatPersonName(request.referring_physician_name) : null],
                  ['Service', request.requesting_service],
                  ['Accession', `${request.accession_number} (${request.issuer_of_accession_number})`],
                  ['Placer’s number', request.placer_order_number],
                  ['Note', request.imaging_service_request_comments],
                ]}
              />
            </Section>
            {order.data.diagnoses.length ? (
              <Section title="Diagnoses">
                <ul className={classes['trail']}>
                  {order.data.diagnoses.map((one) => (
                    <li key={one.code}>
                      <strong>{one.code}</strong>
                      <span>{one.description}</span>
                    </li>
                  ))}
                </ul>
              </Section>
            ) : null}
            <Section title="How it went">
              <ol className={classes['trail']}>
                {order.data.changes.map((one) => (
                  <li key={`${one.changed_at} ${one.requested_procedure_pk} ${one.to_state}`}>
                    <time dateTime={one.changed_at}>{formatMoment(one.changed_at)}</time>
                    <span>
                      {one.step === 'change' ? 'changed' : words(one.to_state)} <small>by {one.changed_by}</small>
                      {one.reason ? <small>: {one.step === 'change' ? one.reason.split(', ').map(asked).join(', ') : one.reason}</small> : null}
                    </span>
                  </li>
                ))}
              </ol>
            </Section>
          </div>
          {may('schedule.write') && waiting.length ? (
            <div>
              {waiting.map((line) => (
                <Section key={line.requested_procedure.requested_procedure_pk} title={waiting.length > 1 ? line.requested_procedure.requested_procedure_description : 'Find a time'}>
                  <TimeFinder line={line} />
                </Section>
              ))}
            </div>
          ) : null}
        </div>
      ) : null}
      <ReasonDialog
        opened={canceling}
        title="Cancel the order?"
        reasons={REASONS}
        confirm="Cancel the order"
        danger
        onClose={() => setCanceling(false)}
        onConfirm={async (reason) => {
          await http.post(`/api/orders/${orderPk}/cancel`, { reason })
          toast('The order is canceled.')
          await client.invalidateQueries({ queryKey: ['order'] })
        }}
      >
        <p>Its appointments are freed and it leaves the scanners’ lists. The order stays in the record as canceled; it cannot be taken back here.</p>
      </ReasonDialog>
    </Screen>
  )
}
