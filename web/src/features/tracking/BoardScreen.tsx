import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { http, useLive } from '@/lib/api'
import { barOf } from '@/lib/patient'
import { formatPersonName } from '@/lib/personname'
import { formatDay, formatMoment, formatTime } from '@/lib/time'
import { Age, DateTime, Laterality, PatientBar, PersonName, Priority, Screen, StateSign, WorkList, type WorkColumn, type WorkFilter } from '@/ui'
import { StepInspector } from './StepInspector'
import classes from './tracking.module.css'
import { boardOrder, isRunningStat, placeOf, PLACES } from './rules'
import type { BoardRow, Progress, Tracking } from './types'

const CHUNK = 500 // as many as the server answers for at once

const isToday = (row: BoardRow) => formatDay(row.starts_at, row.time_zone) === formatDay(new Date(), row.time_zone)
const appointmentOr = (row: BoardRow) =>
  row.appointment_state === 'noshow' && row.scheduled_procedure_step_status === 'CANCELED'
    ? 'no_show'
    : row.scheduled_procedure_step_status

const COLUMNS: readonly WorkColumn<BoardRow>[] = [
  {
    id: 'priority',
    label: 'Priority',
    value: (row) => ['STAT', 'HIGH', 'ROUTINE', 'MEDIUM', 'LOW'].indexOf(row.requested_procedure_priority),
    render: (row) =>
      row.requested_procedure_priority === 'STAT' && !isRunningStat(row) ? (
        <span className={classes['quiet']}>STAT</span>
      ) : (
        <Priority priority={row.requested_procedure_priority} since={isRunningStat(row) ? row.ordered_at : undefined} />
      ),
    width: 104,
  },
  {
    id: 'patient_name',
    label: 'Patient',
    value: (row) => formatPersonName(row.patient.patient_name),
    render: (row) => <PersonName value={row.patient.patient_name} first="alphabetic" />,
    width: 114,
    grow: 2,
  },
  { id: 'patient_id', label: 'Patient ID', value: (row) => row.patient.patient_id, width: 100, hidden: true },
  {
    id: 'procedure',
    label: 'Procedure',
    value: (row) => row.requested_procedure_description,
    render: (row) => (
      <span className={classes['procedure']}>
        <span>{row.requested_procedure_description}</span>
        <Laterality value={row.laterality} />
      </span>
    ),
    width: 128,
    grow: 3,
  },
  {
    id: 'step',
    label: 'Step',
    value: (row) => row.scheduled_procedure_step_status,
    render: (row) => <StateSign state={appointmentOr(row)} of="step" />,
    width: 104,
  },
  {
    id: 'when',
    label: 'When',
    value: (row) => new Date(row.scheduled_procedure_step_status === 'SCHEDULED' ? row.starts_at : row.status_changed_at),
    // Who is still to come has a time; what happened has an age.
    render: (row) =>
      row.scheduled_procedure_step_status === 'SCHEDULED' ? (
        <time dateTime={row.starts_at} title={formatMoment(row.starts_at, new Date(), row.time_zone)}>
          {isToday(row) ? `at ${formatTime(row.starts_at, row.time_zone)}` : `on ${formatDay(row.starts_at, row.time_zone).slice(5)}`}
        </time>
      ) : (
        <Age since={row.status_changed_at} />
      ),
    width: 60,
    align: 'right',
  },
  {
    id: 'performed',
    label: 'Scanner',
    value: (row) => row.performed_procedure_step_status,
    render: (row) =>
      row.performed_procedure_step_status ? (
        <StateSign state={row.performed_procedure_step_status} of="performed" bare />
      ) : (
        <span className={classes['quiet']}>none</span>
      ),
    width: 94,
  },
  {
    id: 'images',
    label: 'Images',
    value: (row) => row.number_of_images,
    render: (row) => (row.number_of_images ? row.number_of_images.toLocaleString() : ''),
    width: 44,
    align: 'right',
  },
  {
    id: 'report',
    label: 'Report',
    value: (row) => row.reading?.reading_state ?? 'none',
    render: (row) =>
      row.reading ? <StateSign state={row.reading.reading_state} of="report" bare /> : <span className={classes['quiet']}>none</span>,
    width: 92,
  },
  {
    id: 'room',
    label: 'Room',
    value: (row) => row.resource_name,
    width: 90,
    grow: 1,
  },
  { id: 'accession_number', label: 'Accession', value: (row) => row.accession_number, width: 130, hidden: true },
  {
    id: 'starts_at',
    label: 'Booked',
    value: (row) => new Date(row.starts_at),
    render: (row) => <DateTime value={row.starts_at} zone={row.time_zone} />,
    width: 64,
    hidden: true,
  },
  { id: 'site', label: 'Site', value: (row) => row.site_code, width: 80, hidden: true },
  { id: 'modality', label: 'Modality', value: (row) => row.modality, width: 80, hidden: true },
]

const distinct = (values: readonly string[]) => [...new Set(values)].sort()

/** Chips only for sites and modalities that are there. */
function filtersFor(rows: readonly BoardRow[] | undefined): readonly WorkFilter<BoardRow>[] {
  const sites = distinct(rows?.map((row) => row.site_code) ?? [])
  const modalities = distinct(rows?.map((row) => row.modality) ?? [])
  const plain = (value: string) => ({ value, label: value })
  return [
    { id: 'place', label: 'Where the case stands', options: PLACES, match: (row, value) => placeOf(row) === value },
    { id: 'modality', label: 'Modality', options: modalities.map(plain), match: (row, value) => row.modality === value },
    ...(sites.length > 1
      ? [{ id: 'site', label: 'Site', options: sites.map(plain), match: (row: BoardRow, value: string) => row.site_code === value }]
      : []),
  ]
}

const keyOf = (row: BoardRow) => String(row.scheduled_procedure_step_pk)
const isOver = (row: BoardRow) => ['read', 'off'].includes(placeOf(row))

/** Everything that is under way, in every room: step, scanner, images and report, live. */
export default function BoardScreen() {
  const [currentPk, setCurrentPk] = useState<number>()
  useLive(
    ['step.changed', 'appointment.changed', 'order.changed', 'study.updated', 'study.linked', 'patient.changed'],
    [['tracking']],
  )
  useLive(
    ['report.changed', 'report.preliminary', 'report.final', 'report.addended'],
    [['tracking-reports']],
  )
  const tracking = useQuery({
    queryKey: ['tracking'],
    queryFn: ({ signal }) => http.get<Tracking>('/api/tracking', { signal }),
    refetchInterval: 60_000,
  })
  const pks = useMemo(() => distinct(tracking.data?.items.map((row) => String(row.requested_procedure_pk)) ?? []).map(Number), [tracking.data])
  const reports = useQuery({
    queryKey: ['tracking-reports', pks.join(' ')],
    queryFn: async ({ signal }) => {
      const found: Progress[] = []
      for (let from = 0; from < pks.length; from += CHUNK) {
        const body = { requested_procedure_pks: pks.slice(from, from + CHUNK) }
        found.push(...(await http.post<Progress[]>('/api/reading-list/progress', body, { signal })))
      }
      return found
    },
    enabled: pks.length > 0,
    placeholderData: (before) => before,
  })
  const rows = useMemo(() => {
    const byProcedure = new Map(reports.data?.map((one) => [one.requested_procedure_pk, one]))
    return tracking.data && boardOrder(tracking.data.items.map((row) => ({ ...row, reading: byProcedure.get(row.requested_procedure_pk) })))
  }, [tracking.data, reports.data])
  const filters = useMemo(() => filtersFor(tracking.data?.items), [tracking.data])
  const current = rows?.find((row) => row.scheduled_procedure_step_pk === currentPk)
  const stats = rows?.filter(isRunningStat).length ?? 0
  return (
    <Screen
      title="Tracking board"
      note={stats ? `${stats} STAT under way` : undefined}
      patient={current ? <PatientBar patient={barOf(current.patient)} /> : undefined}
      inspectorLabel="The chosen step"
      inspectorHint="Choose a case to see what happened to it and when."
      inspector={current ? <StepInspector key={current.scheduled_procedure_step_pk} row={current} /> : null}
    >
      <WorkList
        id="tracking"
        noun="cases"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        filters={filters}
        views={[
          { name: 'STAT first (as it comes)', filters: {} },
          { name: 'In the house now', filters: { place: ['here', 'scanning'] } },
          { name: 'Scanned, not read', filters: { place: ['to read'] } },
        ]}
        onCurrent={(row) => setCurrentPk(row?.scheduled_procedure_step_pk)}
        isUrgent={isRunningStat}
        isQuiet={isOver}
        error={tracking.error}
        onRetry={() => void tracking.refetch()}
        empty={{
          title: 'Nothing is under way',
          hint: 'What is booked for the next hours, is being scanned or was finished within twelve hours stands here.',
        }}
      />
    </Screen>
  )
}
