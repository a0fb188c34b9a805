import { useQueries, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useLive, type Answer } from '@/lib/api'
import { formatTime } from '@/lib/time'
import { Glyph, ProcedureName, Priority, StateSign, stateLook } from '@/ui'
import { Actions } from './Actions'
import { Checks } from './Checks'
import { Images } from './Images'
import classes from './room.module.css'
import { checksBefore, completeness, isOver } from './rules'
import type { Booking, CheckName, Performed, StudyDetail } from './types'

type Order = Answer<'/api/orders/{imaging_service_request_pk}', 'get'>

/** The patient whose turn it is, large: what is to be done, where it stands, what to check, what came, and the next step. */
export function CurrentPatient({
  booking,
  line,
  onPick,
}: {
  booking: Booking
  line: readonly Booking[]
  onPick: (booking: Booking | undefined) => void
}) {
  const stepPk = booking.scheduled_procedure_step_pk
  useLive(['study.updated', 'study.linked'], booking.studies.map((study) => ['study', study.study_pk]))
  useLive(['performed_step.changed', 'step.changed', 'study.updated'], [['performed', stepPk]])
  const order = useQuery({
    queryKey: ['order', booking.imaging_service_request_pk],
    queryFn: ({ signal }) => http.get<Order>(`/api/orders/${booking.imaging_service_request_pk}`, { signal }),
  })
  const performed = useQuery({
    queryKey: ['performed', stepPk, booking.performed_procedure_step_status],
    queryFn: ({ signal }) => http.get<Performed[]>(`/api/steps/${stepPk}/performed`, { signal }),
  })
  const studies = useQueries({
    queries: booking.studies.map((study) => ({
      queryKey: ['study', study.study_pk],
      queryFn: ({ signal }: { signal: AbortSignal }) => http.get<StudyDetail>(`/api/archive/studies/${study.study_pk}`, { signal }),
    })),
  })
  const orderLine = order.data?.lines.find(
    (one) => one.requested_procedure.requested_procedure_pk === booking.requested_procedure_pk,
  )
  const [checked, setChecked] = useState<ReadonlySet<CheckName>>(new Set())
  const checks = checksBefore(booking, orderLine)
  const status = booking.scheduled_procedure_step_status
  const before = ['SCHEDULED', 'ARRIVED', 'READY'].includes(status)
  const studiesHere = studies.flatMap((study) => study.data ?? [])
  const { findings } = completeness(booking, performed.data ?? [], studiesHere.flatMap((study) => study.series))
  const openChecks = checks.filter((check) => !checked.has(check.name)).length
  return (
    <div className={classes['current']}>
      <div className={classes['scroll']}>
        <header className={classes['head']}>
          <div className={classes['what']}>
            <h2>
              <ProcedureName description={booking.requested_procedure_description} laterality={booking.laterality} />
            </h2>
            <p>{booking.reason_for_the_requested_procedure ?? 'No reason given'}</p>
          </div>
          <dl className={classes['facts']}>
            <div>
              <dt>Priority</dt>
              <dd>
                <Priority
                  priority={booking.requested_procedure_priority}
                  since={isOver(booking) ? undefined : booking.ordered_at}
                />
              </dd>
            </div>
            <div>
              <dt>Booked</dt>
              <dd>
                {formatTime(booking.starts_at, booking.time_zone)} to {formatTime(booking.ends_at, booking.time_zone)}
                {booking.overbooked ? ' · beside another' : ''}
              </dd>
            </div>
            <div>
              <dt>Accession</dt>
              <dd>{booking.accession_number}</dd>
            </div>
          </dl>
        </header>
        <Stages booking={booking} performed={performed.data ?? []} />
        <div className={classes['columns']}>
          {before ? (
            <Checks
              checks={checks}
              checked={checked}
              settled={status === 'READY'}
              onChange={(name, on) => {
                const next = new Set(checked)
                if (on) next.add(name)
                else next.delete(name)
                setChecked(next)
              }}
            />
          ) : null}
          <Images
            booking={booking}
            performed={performed.data ?? []}
            studies={studiesHere}
            pending={studies.some((study) => study.isPending)}
            error={studies.find((study) => study.error)?.error}
          />
        </div>
      </div>
      <Actions
        booking={booking}
        line={line}
        checked={[...checked]}
        openChecks={openChecks}
        alarms={findings.flatMap((finding) => (finding.danger ? finding.text : []))}
        onPick={onPick}
      />
    </div>
  )
}

const STAGES = ['SCHEDULED', 'ARRIVED', 'READY', 'STARTED', 'COMPLETED'] as const

/** Where the step stands on its way, with the times that are known. */
function Stages({ booking, performed }: { booking: Booking; performed: readonly Performed[] }) {
  const status = booking.scheduled_procedure_step_status
  const at = STAGES.indexOf(status as (typeof STAGES)[number])
  if (at < 0) {
    return (
      <div className={classes['ended']}>
        <StateSign state={booking.appointment_state === 'noshow' ? 'no_show' : status} of="step" />
        <span>since {formatTime(booking.status_changed_at, booking.time_zone)}</span>
      </div>
    )
  }
  const begun = performed[0]?.started_at ?? booking.studies[0]?.first_image_at
  const times: (string | null | undefined)[] = [booking.starts_at, booking.arrived_at, null, at >= 3 ? begun : null, performed.at(-1)?.ended_at]
  times[at] = status === 'SCHEDULED' ? booking.starts_at : status === 'STARTED' ? (begun ?? booking.status_changed_at) : booking.status_changed_at
  return (
    <ol className={classes['stages']} aria-label="Where the step stands">
      {STAGES.map((stage, index) => {
        const look = stateLook(stage, 'step')
        return (
          <li key={stage} data-passed={index < at || undefined} aria-current={index === at ? 'step' : undefined}>
            <Glyph shape={look.shape} />
            <span>{look.word}</span>
            {index <= at && times[index] ? <time>{formatTime(times[index], booking.time_zone)}</time> : null}
          </li>
        )
      })}
    </ol>
  )
}
