import { Button } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useLive, useSession, type Page } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { Age, Facts, PatientBar, PersonName, Priority, Screen, Section, WorkList, type WorkColumn, type WorkFilter } from '@/ui'
import classes from './desk.module.css'
import { TimeFinder } from './TimeFinder'
import { barOf, type OrderLine } from './types'

const RANK: Record<string, number> = { STAT: 0, HIGH: 1, ROUTINE: 2 }

const COLUMNS: readonly WorkColumn<OrderLine>[] = [
  {
    id: 'priority',
    label: 'Priority',
    value: (line) => RANK[line.requested_procedure.requested_procedure_priority] ?? 3,
    render: (line) => <Priority priority={line.requested_procedure.requested_procedure_priority} since={line.imaging_service_request.ordered_at} />,
    width: 130,
  },
  {
    id: 'patient',
    label: 'Patient',
    value: (line) => `${formatPersonName(line.bar.patient_name)} ${line.bar.patient_id ?? ''}`,
    render: (line) => <PersonName value={line.bar.patient_name} />,
    width: 170,
    grow: 2,
  },
  { id: 'procedure', label: 'Procedure', value: (line) => line.requested_procedure.requested_procedure_description, width: 190, grow: 2 },
  { id: 'modality', label: 'Modality', value: (line) => line.procedure.modality, width: 80 },
  {
    id: 'ordered',
    label: 'Ordered',
    value: (line) => new Date(line.imaging_service_request.ordered_at),
    render: (line) => <Age since={line.imaging_service_request.ordered_at} />,
    width: 92,
    align: 'right',
  },
  { id: 'why', label: 'Why it waits', value: (line) => line.requested_procedure.state_reason ?? 'new', width: 120, grow: 1 },
  { id: 'referrer', label: 'Referrer', value: (line) => formatPersonName(line.imaging_service_request.referring_physician_name), width: 130, grow: 1, hidden: true },
  { id: 'accession', label: 'Accession', value: (line) => line.imaging_service_request.accession_number, width: 130 },
]

const FILTERS: readonly WorkFilter<OrderLine>[] = [
  {
    id: 'priority',
    label: 'Priority',
    options: [
      { value: 'STAT', label: 'STAT' },
      { value: 'HIGH', label: 'Urgent' },
      { value: 'ROUTINE', label: 'Routine' },
    ],
    match: (line, value) => line.requested_procedure.requested_procedure_priority === value,
  },
]

const MOST = 200

const keyOf = (line: OrderLine) => String(line.requested_procedure.requested_procedure_pk)

/** Orders that have no time: from the wards, from other systems, after a cancellation or a no-show. */
export default function OrdersScreen() {
  const { may } = useSession()
  const navigate = useNavigate()
  const [current, setCurrent] = useState<OrderLine>()
  const orders = useQuery({
    queryKey: ['orders', 'REQUESTED'],
    queryFn: () => http.get<Page<OrderLine>>('/api/orders', { query: { state: ['REQUESTED'], limit: MOST } }),
    placeholderData: keepPreviousData,
  })
  useLive(['order.changed', 'patient.changed'], [['orders']])
  const rows = orders.data?.items
  const shown = rows?.find((line) => current && keyOf(line) === keyOf(current))
  return (
    <Screen
      title="To schedule"
      note={rows ? rows.length === MOST ? `the first ${MOST} without a time` : `${rows.length} without a time` : undefined}
      patient={shown ? <PatientBar patient={barOf(shown.bar)} /> : null}
      inspectorLabel="The chosen order"
      inspectorHint="Choose an order: its first fitting times stand here."
      inspector={
        shown ? (
          <div key={keyOf(shown)}>
            <Section title={shown.requested_procedure.requested_procedure_description}>
              <Facts
                facts={[
                  ['Reason', shown.requested_procedure.reason_for_the_requested_procedure],
                  ['Referrer', shown.imaging_service_request.referring_physician_name ? formatPersonName(shown.imaging_service_request.referring_physician_name) : null],
                  ['Why it waits', shown.requested_procedure.state_reason],
                  ['Preparation', shown.procedure.preparation],
                ]}
              />
              <div className={classes['links']}>
                <Button component={Link} to={`/orders/${shown.imaging_service_request.imaging_service_request_pk}`} variant="default">
                  Whole order
                </Button>
                <Button component={Link} to={`/patients/${shown.bar.patient_pk}`} variant="default">
                  Patient’s record
                </Button>
              </div>
            </Section>
            {may('schedule.write') ? (
              <Section title="When">
                <TimeFinder line={shown} />
              </Section>
            ) : null}
          </div>
        ) : null
      }
    >
      <WorkList
        id="to-schedule"
        noun="orders"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        filters={FILTERS}
        onCurrent={setCurrent}
        onOpen={(line) => void navigate({ to: `/orders/${line.imaging_service_request.imaging_service_request_pk}` })}
        isUrgent={(line) => line.requested_procedure.requested_procedure_priority === 'STAT'}
        error={orders.error}
        onRetry={() => void orders.refetch()}
        searchPlaceholder="Patient, procedure, accession number"
        searchFocused
        compact={(line) => (
          <>
            <div>
              <PersonName value={line.bar.patient_name} first="alphabetic" /> <Priority priority={line.requested_procedure.requested_procedure_priority} />
            </div>
            <div>{line.requested_procedure.requested_procedure_description}</div>
          </>
        )}
        empty={{ title: 'Every order has its time', hint: 'Orders from wards and other systems, and those whose appointment was canceled or missed, wait here.' }}
      />
    </Screen>
  )
}
