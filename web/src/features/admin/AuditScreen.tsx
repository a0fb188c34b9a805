import { Select, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { http, type Page } from '@/lib/api'
import { formatDay, formatTime } from '@/lib/time'
import { Facts, Screen, Section, WorkList, type WorkColumn, type WorkFilter } from '@/ui'
import classes from './admin.module.css'
import type { AuditRecord } from './types'

// PS3.15 A.5.3, CID 400
const EVENTS: Record<string, string> = {
  '110100': 'Application activity',
  '110101': 'Audit log used',
  '110102': 'Begin transferring instances',
  '110103': 'Instances accessed',
  '110104': 'Instances transferred',
  '110105': 'Study deleted',
  '110106': 'Export',
  '110107': 'Import',
  '110108': 'Network entry',
  '110109': 'Order record',
  '110110': 'Patient record',
  '110111': 'Procedure record',
  '110112': 'Query',
  '110113': 'Security alert',
  '110114': 'User authentication',
}
const ACTIONS: Record<string, string> = { C: 'Created', R: 'Read', U: 'Changed', D: 'Deleted', E: 'Executed' }
const OUTCOMES: Record<number, string> = { 0: 'Success', 4: 'Refused', 8: 'Failed', 12: 'Failed badly' }

const outcomeOf = (record: AuditRecord) => OUTCOMES[record.event_outcome_indicator] ?? String(record.event_outcome_indicator)
const momentOf = (record: AuditRecord) => `${formatDay(record.event_date_time)} ${formatTime(record.event_date_time)}`
const aboutOf = (record: AuditRecord) =>
  [record.object_type?.replaceAll('_', ' '), record.object_id].filter(Boolean).join(' ') || null

const COLUMNS: readonly WorkColumn<AuditRecord>[] = [
  {
    id: 'event_date_time',
    label: 'When',
    value: (record) => new Date(record.event_date_time),
    render: momentOf,
    width: 130,
    unsorted: true,
  },
  { id: 'user_id', label: 'Who', value: (record) => record.user_id, width: 150, grow: 1, unsorted: true },
  { id: 'event', label: 'Event', value: (record) => EVENTS[record.event_id] ?? record.event_id, width: 160, grow: 1, unsorted: true },
  { id: 'action', label: 'Action', value: (record) => ACTIONS[record.event_action_code], width: 84, unsorted: true },
  { id: 'about', label: 'About', value: aboutOf, width: 150, grow: 1, unsorted: true },
  { id: 'patient_pk', label: 'Patient record', value: (record) => record.patient_pk, width: 90, align: 'right', unsorted: true },
  {
    id: 'outcome',
    label: 'Outcome',
    value: outcomeOf,
    render: (record) => (record.event_outcome_indicator ? <strong>{outcomeOf(record)}</strong> : outcomeOf(record)),
    width: 78,
    unsorted: true,
  },
  { id: 'from', label: 'From', value: (record) => record.network_access_point_id, width: 104, unsorted: true },
]

const FILTERS: readonly WorkFilter<AuditRecord>[] = [
  {
    id: 'outcome',
    label: 'Outcome',
    options: [{ value: 'bad', label: 'Refused or failed' }],
    match: (record) => record.event_outcome_indicator !== 0,
  },
]

const keyOf = (record: AuditRecord) => String(record.audit_record_pk)

/** Every look at patient data and every change, newest first. Looking here is recorded too. */
export default function AuditScreen() {
  const [userId, setUserId] = useState('')
  const [patientPk, setPatientPk] = useState('')
  const [eventId, setEventId] = useState<string | null>(null)
  const [typed] = useDebouncedValue({ userId, patientPk }, 300)
  const [current, setCurrent] = useState<AuditRecord>()
  const trail = useInfiniteQuery({
    queryKey: ['audit', typed, eventId],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      http.post<Page<AuditRecord>>(
        '/api/audit/find',
        {
          before: pageParam,
          user_id: typed.userId.trim() || null,
          patient_pk: typed.patientPk.trim() || null,
          event_id: eventId,
          limit: 200,
        },
        { signal },
      ),
    getNextPageParam: (page) => page.next_cursor,
    // Each look is itself an entry: the trail is not asked again by itself.
    refetchOnWindowFocus: false,
    staleTime: Infinity,
  })
  const rows = useMemo(() => trail.data?.pages.flatMap((page) => page.items), [trail.data])
  return (
    <Screen
      title="Audit trail"
      note="newest first; looking here is recorded"
      inspectorLabel="The chosen record"
      inspectorHint="Choose a record to see all of it."
      inspector={current ? <RecordInspector record={current} /> : null}
    >
      <WorkList
        id="audit"
        noun="records"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        filters={FILTERS}
        onCurrent={setCurrent}
        error={trail.error}
        onRetry={() => void trail.refetch()}
        onMore={() => {
          if (trail.hasNextPage && !trail.isFetchingNextPage) void trail.fetchNextPage()
        }}
        searchPlaceholder="Search what is fetched"
        compact={(record) => (
          <>
            <strong>{EVENTS[record.event_id] ?? record.event_id}</strong>
            <span className={classes['note']}>
              {momentOf(record)} · {record.user_id} · {outcomeOf(record)}
            </span>
          </>
        )}
        empty={{ title: 'No record answers to this', hint: 'Take away a part of what you ask for.' }}
        tools={
          <>
            <TextInput
              aria-label="User name"
              placeholder="User name"
              value={userId}
              w={130}
              onChange={(event) => setUserId(event.currentTarget.value)}
            />
            <TextInput
              aria-label="Patient record number"
              placeholder="Patient record"
              inputMode="numeric"
              value={patientPk}
              w={120}
              onChange={(event) => setPatientPk(event.currentTarget.value.replace(/\D/g, ''))}
            />
            <Select
              aria-label="Event"
              placeholder="Any event"
              clearable
              searchable
              w={190}
              data={Object.entries(EVENTS).map(([value, label]) => ({ value, label }))}
              value={eventId}
              onChange={setEventId}
            />
          </>
        }
      />
    </Screen>
  )
}

function RecordInspector({ record }: { record: AuditRecord }) {
  return (
    <Section title={EVENTS[record.event_id] ?? record.event_id}>
      <Facts
        facts={[
          ['Record', record.audit_record_pk],
          ['When', `${formatDay(record.event_date_time)} ${new Date(record.event_date_time).toTimeString().slice(0, 8)}`],
          ['Who', record.user_id],
          ['Kind of actor', record.actor_kind],
          ['From', record.network_access_point_id],
          ['Action', ACTIONS[record.event_action_code]],
          ['Outcome', outcomeOf(record)],
          ['About', aboutOf(record)],
          ['Patient record', record.patient_pk],
          ['Study UID', record.study_instance_uid],
          ...Object.entries(record.detail ?? {}).map(([name, value]) => [name.replaceAll('_', ' '), value] as const),
          ['Sealed', record.seal_number === null ? 'Not yet' : `As number ${record.seal_number}`],
        ]}
      />
    </Section>
  )
}
