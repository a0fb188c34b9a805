import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { http, type Page } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { Facts, Outline, Priority, ProblemNote, Section, StateSign } from '@/ui'
import type { FreeTime } from './Board'
import { isGone } from './board'
import { usePatientBookings } from './data'
import classes from './desk.module.css'
import type { Booking, FoundPatient, OrderLine } from './types'
import { clock, sayDay, wallDay, wallTime } from './walltime'

/** The patient just found: what is booked, what waits for a time, and the way to a new booking. */
export function PatientInspector({
  found,
  today,
  free,
  mayWrite,
  onBook,
  onShow,
}: {
  found: FoundPatient
  today: string
  free: FreeTime | undefined
  mayWrite: boolean
  onBook: () => void
  onShow: (booking: Booking) => void
}) {
  const patientPk = found.bar.patient_pk
  const bookings = usePatientBookings(patientPk)
  const waiting = useQuery({
    queryKey: ['orders', 'of', patientPk, 'REQUESTED'],
    queryFn: () => http.get<Page<OrderLine>>('/api/orders', { query: { patient_pk: patientPk, state: ['REQUESTED'] } }),
  })
  useKeys('Patient', [{ keys: 'Enter', label: 'Book for this patient', run: onBook, disabled: !mayWrite }])
  const coming = (bookings.data?.items ?? []).filter(
    (one) => !isGone(one) && wallDay(one.starts_at, one.time_zone) >= today && one.scheduled_procedure_step_status !== 'COMPLETED',
  )
  return (
    <>
      <Section title="Appointments">
        {bookings.error ? <ProblemNote error={bookings.error} onRetry={() => void bookings.refetch()} /> : null}
        {bookings.isPending ? <Outline rows={3} /> : null}
        {bookings.data && !coming.length ? <p className={classes['quiet']}>Nothing is booked from today on.</p> : null}
        <ul className={classes['cards']}>
          {coming.map((one) => (
            <li key={one.scheduled_procedure_step_pk}>
              <button type="button" onClick={() => onShow(one)}>
                <span>
                  <strong>
                    {sayDay(wallDay(one.starts_at, one.time_zone), today)} {wallTime(one.starts_at, one.time_zone)}
                  </strong>
                  <StateSign state={one.scheduled_procedure_step_status} of="step" bare />
                </span>
                <span>{one.requested_procedure_description}</span>
                <span>
                  {one.resource_name}, {one.site_code}
                </span>
              </button>
            </li>
          ))}
        </ul>
      </Section>
      {waiting.data?.items.length ? (
        <Section title="Ordered, without a time">
          <ul className={classes['cards']}>
            {waiting.data.items.map((line) => (
              <li key={line.requested_procedure.requested_procedure_pk}>
                <Link to={`/orders/${line.imaging_service_request.imaging_service_request_pk}`}>
                  <span>
                    <strong>{line.requested_procedure.requested_procedure_description}</strong>
                    <Priority priority={line.requested_procedure.requested_procedure_priority} />
                  </span>
                  <span>{line.imaging_service_request.accession_number}: find a time</span>
                </Link>
              </li>
            ))}
          </ul>
        </Section>
      ) : null}
      <Section title="Contact">
        <Facts
          facts={[
            ['Telephone', found.patient_telephone_numbers],
            ['Address', [found.patient_address, found.city].filter(Boolean).join(', ')],
          ]}
        />
        <div className={classes['actions']}>
          {mayWrite ? (
            <Button fullWidth onClick={onBook} rightSection={<kbd>Enter</kbd>} data-primary>
              {free ? `Book ${clock(free.start)}, ${free.resource.name}` : 'Book an examination'}
            </Button>
          ) : null}
          <Button component={Link} to={`/patients/${patientPk}`} variant="default" fullWidth>
            Patient’s record
          </Button>
        </div>
      </Section>
    </>
  )
}
