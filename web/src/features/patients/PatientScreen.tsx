import { Button } from '@mantine/core'
import { IconCalendarPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useLive, useSession, type Page } from '@/lib/api'
import { formatMoment } from '@/lib/time'
import { DicomDate, Outline, PatientBar, Priority, ProblemNote, Screen, Section, StateSign } from '@/ui'
import { Coverages } from './Coverages'
import { Duplicates } from './Duplicates'
import classes from './patients.module.css'
import { Person } from './Person'
import { told } from './record'
import { Safety } from './Safety'
import { barOf, type Booking, type Change, type OrderLine, type PatientRecord, type PriorReport } from './types'

const clocks = new Map<string, Intl.DateTimeFormat>()

/** Date and time on the site's clock: that is where the patient is expected. */
function atSite(booking: Booking): string {
  const zone = booking.time_zone
  const format = clocks.get(zone) ?? new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' })
  clocks.set(zone, format)
  return format.format(new Date(booking.starts_at))
}

/** One patient: who, what must not be forgotten, who pays, what was ordered, done and reported, and under which other records. */
export default function PatientScreen() {
  const { patientPk } = useParams({ strict: false }) as { patientPk: string }
  const { may } = useSession()
  const asked = Number(patientPk)
  const record = useQuery({ queryKey: ['patient', asked], queryFn: () => http.get<PatientRecord>(`/api/patients/${asked}`) })
  const pk = record.data?.patient.patient_pk
  useLive(['patient.changed', 'patient.merged', 'order.changed', 'step.changed', 'appointment.changed', 'report.changed'], [['patient']])
  const mayWrite = may('patient.write')
  return (
    <Screen
      title="Patient"
      body="page"
      patient={record.data ? <PatientBar patient={barOf(record.data.bar)} /> : null}
      actions={
        pk !== undefined && may('schedule.write') && may('order.write') ? (
          <Button component={Link} to={`/desk/book/${pk}`} leftSection={<IconCalendarPlus size={16} />}>
            Book
          </Button>
        ) : null
      }
    >
      {record.error ? <ProblemNote error={record.error} onRetry={() => void record.refetch()} /> : null}
      {record.isPending ? <Outline rows={12} /> : null}
      {record.data && pk !== undefined ? (
        <>
          {pk !== asked ? (
            <p className={classes['into']} role="status">
              The record you opened was merged into this one.
            </p>
          ) : null}
          {record.data.patient.unidentified ? (
            <p className={classes['into']} data-urgent role="status">
              This person is not identified. Once you know who it is, write the name here, or merge this record into the one that is there already.
            </p>
          ) : null}
          <div className={classes['columns']}>
            <div>
              {may('order.read') ? <Orders patientPk={pk} mayBookings={may('schedule.read')} mayBook={may('schedule.write')} /> : null}
              {may('report.read') ? <Reports patientPk={pk} /> : null}
              <History patientPk={pk} />
            </div>
            <div>
              <Person key={`person ${pk}`} record={record.data} mayWrite={mayWrite} />
              <Safety key={`safety ${pk}`} record={record.data} mayWrite={mayWrite} />
              <Coverages key={`coverage ${pk}`} record={record.data} mayWrite={mayWrite} />
              <Duplicates key={`duplicates ${pk}`} record={record.data} mayWrite={mayWrite} />
            </div>
          </div>
        </>
      ) : null}
    </Screen>
  )
}

function Orders({ patientPk, mayBookings, mayBook }: { patientPk: number; mayBookings: boolean; mayBook: boolean }) {
  const orders = useQuery({
    queryKey: ['patient', patientPk, 'orders'],
    queryFn: () => http.get<Page<OrderLine>>('/api/orders', { query: { patient_pk: patientPk, limit: 200 } }),
  })
  const bookings = useQuery({
    queryKey: ['patient', patientPk, 'bookings'],
    queryFn: () => http.get<Page<Booking>>(`/api/patients/${patientPk}/bookings`),
    enabled: mayBookings,
  })
  const newest = [...(orders.data?.items ?? [])].sort((one, other) => other.imaging_service_request.ordered_at.localeCompare(one.imaging_service_request.ordered_at))
  return (
    <Section title="Orders" aside={orders.data ? <span className={classes['quiet']}>{newest.length}</span> : null}>
      {orders.error ? <ProblemNote error={orders.error} onRetry={() => void orders.refetch()} /> : null}
      {orders.isPending ? <Outline rows={4} /> : null}
      {orders.data && !newest.length ? (
        <p className={classes['quiet']}>Nothing was ordered for this patient yet.{mayBook ? ' Book makes the first order.' : ''}</p>
      ) : null}
      <ul className={classes['rows']}>
        {newest.map((line) => {
          const { requested_procedure: requested, imaging_service_request: request } = line
          const booked = bookings.data?.items.filter((one) => one.requested_procedure_pk === requested.requested_procedure_pk).at(-1)
          return (
            <li key={requested.requested_procedure_pk}>
              <Link to={`/orders/${request.imaging_service_request_pk}`}>
                <span className={classes['rowWhat']}>
                  <strong>{requested.requested_procedure_description}</strong>
                  <span>{[request.accession_number, requested.reason_for_the_requested_procedure].filter(Boolean).join(' · ')}</span>
                </span>
                <span className={classes['rowWhen']}>
                  {booked && requested.state !== 'REQUESTED' ? (
                    <>
                      <span>{atSite(booked)}</span>
                      <span>
                        {booked.resource_name}
                        {booked.number_of_images ? ` · ${booked.number_of_images} images` : ''}
                      </span>
                    </>
                  ) : (
                    <span>ordered {formatMoment(request.ordered_at)}</span>
                  )}
                </span>
                <span className={classes['rowState']}>
                  {['COMPLETED', 'CANCELED', 'DISCONTINUED'].includes(requested.state) ? null : <Priority priority={requested.requested_procedure_priority} />}
                  <StateSign state={requested.state} of="order" />
                </span>
              </Link>
            </li>
          )
        })}
      </ul>
    </Section>
  )
}

function Reports({ patientPk }: { patientPk: number }) {
  const reports = useQuery({ queryKey: ['patient', patientPk, 'reports'], queryFn: () => http.get<PriorReport[]>(`/api/patients/${patientPk}/reports`) })
  return (
    <Section title="Reports">
      {reports.error ? <ProblemNote error={reports.error} onRetry={() => void reports.refetch()} /> : null}
      {reports.isPending ? <Outline rows={3} /> : null}
      {reports.data && !reports.data.length ? <p className={classes['quiet']}>No report is signed yet.</p> : null}
      {reports.data?.map((one) => (
        <details key={one.report_pk} className={classes['report']}>
          <summary>
            <strong>{one.description}</strong>
            <DicomDate value={one.study_date} />
            <StateSign state={one.state} of="report" />
            <span className={classes['quiet']}>
              {one.signed_by_name}, {formatMoment(one.signed_at)}
            </span>
            {one.impression ? <p>{one.impression}</p> : null}
          </summary>
          <pre>{one.text}</pre>
        </details>
      ))}
    </Section>
  )
}

function History({ patientPk }: { patientPk: number }) {
  const [all, setAll] = useState(false)
  const history = useQuery({ queryKey: ['patient', patientPk, 'history'], queryFn: () => http.get<Page<Change>>(`/api/patients/${patientPk}/history`) })
  const items = history.data?.items ?? []
  return (
    <Section title="Changes of the record">
      {history.error ? <ProblemNote error={history.error} onRetry={() => void history.refetch()} /> : null}
      {history.data && !items.length ? <p className={classes['quiet']}>Nothing was changed since the registration.</p> : null}
      <ol className={classes['changes']}>
        {(all ? items : items.slice(0, 8)).map((one, index) => (
          <li key={`${one.changed_at} ${index}`}>
            <span className={classes['quiet']}>
              {formatMoment(one.changed_at)} {one.changed_by}
            </span>
            <ul className={classes['plain']}>
              {told(one.changes).map((change) => (
                <li key={change.field}>
                  {change.field}: <s>{change.before}</s> <span aria-label="now">→</span> {change.after}
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ol>
      {!all && items.length > 8 ? (
        <Button variant="default" onClick={() => setAll(true)}>
          All {items.length} changes
        </Button>
      ) : null}
    </Section>
  )
}
