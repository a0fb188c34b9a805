import { UnstyledButton } from '@mantine/core'
import { Fragment, useEffect, useRef } from 'react'
import { formatPersonAge, formatTime } from '@/lib/time'
import { Laterality, PersonName, StateSign, StatFlag, useNow } from '@/ui'
import classes from './room.module.css'
import { isOver } from './rules'
import type { Booking } from './types'

/** The room's day in time order; a line where the day has come to. */
export function DayLine({
  line,
  current,
  turn,
  emergency,
  isToday,
  onPick,
}: {
  line: readonly Booking[]
  current: Booking
  turn: Booking | undefined
  emergency: Booking | undefined
  isToday: boolean
  onPick: (booking: Booking) => void
}) {
  const now = useNow(30_000)
  const list = useRef<HTMLOListElement>(null)
  const pk = current.scheduled_procedure_step_pk
  useEffect(() => {
    list.current?.querySelector(`[data-step="${pk}"]`)?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [pk])
  const passed = line.filter((booking) => Date.parse(booking.starts_at) <= now).length
  return (
    <nav className={classes['line']} aria-label="The day of this room">
      {emergency ? (
        <UnstyledButton className={classes['emergency']} onClick={() => onPick(emergency)}>
          <StatFlag since={emergency.ordered_at} />
          <span>waits: show</span>
        </UnstyledButton>
      ) : turn && turn !== current ? (
        <UnstyledButton className={classes['turn']} onClick={() => onPick(turn)}>
          Show whose turn it is
        </UnstyledButton>
      ) : null}
      <ol ref={list}>
        {line.map((booking, index) => (
          <Fragment key={booking.scheduled_procedure_step_pk}>
            {isToday && index === passed ? <Now at={now} zone={current.time_zone} /> : null}
            <li>
              <Card booking={booking} isCurrent={booking === current} onPick={onPick} />
            </li>
          </Fragment>
        ))}
        {isToday && passed === line.length ? <Now at={now} zone={current.time_zone} /> : null}
      </ol>
    </nav>
  )
}

/** Where the day has come to. */
function Now({ at, zone }: { at: number; zone: string }) {
  return (
    <li className={classes['now']} aria-label={`Now, ${formatTime(at, zone)}`}>
      <span>{formatTime(at, zone)}</span>
    </li>
  )
}

function Card({ booking, isCurrent, onPick }: { booking: Booking; isCurrent: boolean; onPick: (booking: Booking) => void }) {
  const { patient } = booking
  const stat = booking.requested_procedure_priority === 'STAT' && !isOver(booking)
  return (
    <UnstyledButton
      className={classes['card']}
      aria-current={isCurrent ? 'true' : undefined}
      data-step={booking.scheduled_procedure_step_pk}
      data-over={isOver(booking) || undefined}
      data-stat={stat || undefined}
      onClick={() => onPick(booking)}
    >
      <span className={classes['cardTop']}>
        <time dateTime={booking.starts_at}>{formatTime(booking.starts_at, booking.time_zone)}</time>
        {stat ? <StatFlag /> : null}
        <StateSign
          state={booking.appointment_state === 'noshow' ? 'no_show' : booking.scheduled_procedure_step_status}
          of="step"
          bare
        />
      </span>
      <span className={classes['cardName']}>
        <PersonName value={patient.patient_name} first="alphabetic" />
        <span>
          {patient.patient_sex ?? ''} {formatPersonAge(patient.patient_birth_date)}
        </span>
      </span>
      <span className={classes['cardWhat']}>
        <span>{booking.requested_procedure_description}</span>
        <Laterality value={booking.laterality} />
        {booking.number_of_images ? <span className={classes['count']}>{booking.number_of_images}</span> : null}
      </span>
    </UnstyledButton>
  )
}
