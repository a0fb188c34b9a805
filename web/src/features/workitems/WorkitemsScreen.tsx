import { Button, SegmentedControl } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { http, useLive, useSession } from '@/lib/api'
import {
  DateTime,
  Facts,
  Outline,
  PersonName,
  Priority,
  ProblemNote,
  ReasonDialog,
  Screen,
  Section,
  StateSign,
  toast,
  WorkList,
  type WorkColumn,
} from '@/ui'
import { cancelText, priorityText, progressText, readinessText, type State, type Workitem, type WorkitemDetail, type WorkitemPage } from './types'
import classes from './workitems.module.css'

const COLUMNS: readonly WorkColumn<Workitem>[] = [
  {
    id: 'state',
    label: 'State',
    value: (one) => one.procedure_step_state,
    render: (one) => <StateSign state={one.procedure_step_state} of="step" />,
    width: 124,
  },
  { id: 'label', label: 'What is to be done', value: (one) => one.procedure_step_label, width: 200, grow: 3 },
  {
    id: 'patient',
    label: 'Patient',
    value: (one) => one.patient_name,
    render: (one) => <PersonName value={one.patient_name} />,
    width: 150,
    grow: 2,
  },
  {
    id: 'priority',
    label: 'Priority',
    value: (one) => priorityText(one.scheduled_procedure_step_priority),
    render: (one) => <Priority priority={one.scheduled_procedure_step_priority} />,
    width: 92,
  },
  { id: 'worklist', label: 'Worklist', value: (one) => one.worklist_label, width: 110, hidden: true },
  { id: 'station', label: 'For', value: (one) => one.scheduled_station, width: 110 },
  {
    id: 'performer',
    label: 'Done by',
    value: (one) => [progressText(one), one.performed_by].filter(Boolean).join(' · '),
    width: 140,
    grow: 1,
  },
  {
    id: 'start',
    label: 'Due',
    value: (one) => new Date(one.scheduled_procedure_step_start_date_time),
    render: (one) => <DateTime value={one.scheduled_procedure_step_start_date_time} />,
    width: 124,
  },
  { id: 'patient_id', label: 'Patient ID', value: (one) => one.patient_id, width: 120, hidden: true },
  { id: 'by', label: 'Asked by', value: (one) => one.requested_by, width: 120, hidden: true },
]

const VIEWS: Readonly<Record<string, { label: string; states: readonly State[] }>> = {
  open: { label: 'Open', states: ['SCHEDULED', 'IN PROGRESS'] },
  scheduled: { label: 'Scheduled', states: ['SCHEDULED'] },
  progress: { label: 'In progress', states: ['IN PROGRESS'] },
  ended: { label: 'Ended', states: ['COMPLETED', 'CANCELED'] },
}

/** Whose work: what systems ask of each other stands first, the house's own steps have screens of their own. */
const WHOSE = {
  others: {
    label: 'Systems',
    title: 'No work waits',
    hint: 'Systems that ask others to do something, such as an analysis of a study, put it here by DICOM (Unified Procedure Step).',
  },
  acquisition: { label: 'Exams', title: 'No examination waits', hint: 'What is scheduled stands here as other systems see it and take it up.' },
  reading: { label: 'Readings', title: 'Nothing waits to be read', hint: 'Cases of the reading list stand here as other systems see and claim them.' },
} as const
type Whose = keyof typeof WHOSE
const isWhose = (value: string): value is Whose => value in WHOSE

const keyOf = (one: Workitem) => String(one.workitem_pk)

/** Work that systems ask of each other: what waits, who does it, what came of it. */
export default function WorkitemsScreen() {
  const [view, setView] = useState('open')
  const [whose, setWhose] = useState<Whose>('others')
  const [currentPk, setCurrentPk] = useState<number>()
  const states = VIEWS[view]?.states
  const list = useInfiniteQuery({
    queryKey: ['workitems', whose, view],
    queryFn: ({ pageParam }) =>
      http.get<WorkitemPage>('/api/workitems', { query: { state: states, whose, cursor: pageParam ?? undefined, limit: 200 } }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  })
  useLive(['workitem.changed'], [['workitems'], ['workitem']])
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data])
  const counts = list.data?.pages[0]?.counts
  const count = (name: string) => VIEWS[name]?.states.reduce((sum, state) => sum + (counts?.[state] ?? 0), 0) ?? 0
  return (
    <Screen
      title="Work items"
      actions={
        <>
          <SegmentedControl
            aria-label="Whose work"
            value={whose}
            onChange={(value) => {
              if (isWhose(value)) setWhose(value)
              setCurrentPk(undefined)
            }}
            data={Object.entries(WHOSE).map(([value, { label }]) => ({ value, label }))}
          />
          <SegmentedControl
            aria-label="Which work items"
            value={view}
            onChange={(value) => {
              setView(value)
              setCurrentPk(undefined)
            }}
            data={Object.entries(VIEWS).map(([value, { label }]) => ({
              value,
              label: counts ? `${label} ${count(value).toLocaleString()}` : label,
            }))}
          />
        </>
      }
      inspectorLabel="The chosen work item"
      inspectorHint="Choose a work item to see who asked for it, who does it, and who watches."
      inspector={currentPk === undefined ? null : <WorkitemInspector key={currentPk} workitemPk={currentPk} />}
    >
      <WorkList
        key={`${whose} ${view}`}
        id="workitems"
        noun="work items"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        onCurrent={(one) => setCurrentPk(one?.workitem_pk)}
        onMore={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
        isUrgent={(one) => one.scheduled_procedure_step_priority === 'HIGH' && one.procedure_step_state === 'SCHEDULED'}
        isQuiet={(one) => one.procedure_step_state === 'CANCELED'}
        error={list.error}
        onRetry={() => void list.refetch()}
        searchPlaceholder="Work, patient, station"
        compact={(one) => (
          <>
            <div>
              <StateSign state={one.procedure_step_state} of="step" bare /> {one.procedure_step_label}
            </div>
            <div>
              <PersonName value={one.patient_name} /> · {[progressText(one), one.performed_by].filter(Boolean).join(' · ')}
            </div>
          </>
        )}
        empty={
          view === 'open'
            ? { title: WHOSE[whose].title, hint: WHOSE[whose].hint }
            : { title: 'None of this kind', hint: 'Other work items are under the other headings.' }
        }
      />
    </Screen>
  )
}

const REASONS = ['No longer needed', 'Wrong patient or study', 'Asked for twice'] as const

function WorkitemInspector({ workitemPk }: { workitemPk: number }) {
  const { may } = useSession()
  const client = useQueryClient()
  const [canceling, setCanceling] = useState(false)
  const found = useQuery({
    queryKey: ['workitem', workitemPk],
    queryFn: () => http.get<WorkitemDetail>(`/api/workitems/${workitemPk}`),
  })
  if (found.error) return <ProblemNote error={found.error} onRetry={() => void found.refetch()} />
  const one = found.data
  if (!one) return <Outline />
  const meaning = cancelText(one)
  const cancel = async (reason: string) => {
    const answer = await http.post<{ is_canceled: boolean }>(`/api/workitems/${workitemPk}/cancel-request`, {
      reason_for_cancellation: reason,
    })
    await client.invalidateQueries({ queryKey: ['workitems'] })
    await client.invalidateQueries({ queryKey: ['workitem', workitemPk] })
    toast(answer.is_canceled ? 'It is canceled.' : 'Its performer is asked to stop.')
  }
  return (
    <>
      <Section title={one.procedure_step_label}>
        <Facts
          facts={[
            ['State', <StateSign key="state" state={one.procedure_step_state} of="step" />],
            ['Patient', <PersonName key="patient" value={one.patient_name} />],
            ['Patient ID', one.patient_id],
            ['Kind of work', one.workitem_code],
            ['Priority', priorityText(one.scheduled_procedure_step_priority)],
            ['Its input is', readinessText(one.input_readiness_state)],
            ['For', one.scheduled_station],
            ['Due', <DateTime key="due" value={one.scheduled_procedure_step_start_date_time} />],
            ['Asked by', one.requested_by],
            ['Done by', one.performed_by],
            ['Progress', [progressText(one), one.progress_description].filter(Boolean).join(' · ') || null],
            ['Why canceled', one.procedure_step_state === 'CANCELED' ? one.reason_for_cancellation : null],
            ['Ended', one.finished_at ? <DateTime key="ended" value={one.finished_at} /> : null],
            ['Comments', one.comments],
            [
              'UID',
              <span key="uid" className={classes['uid']}>
                {one.sop_instance_uid}
              </span>,
            ],
          ]}
        />
        {meaning && may('workitem.write') && (one.step_kind !== 'acquisition' || may('step.perform')) ? (
          <div className={classes['buttons']}>
            <Button variant="default" onClick={() => setCanceling(true)}>
              {one.procedure_step_state === 'SCHEDULED' ? 'Cancel it…' : 'Ask to cancel…'}
            </Button>
          </div>
        ) : null}
      </Section>
      <Section title="Watched by">
        {one.subscriptions.length ? (
          <Facts
            facts={one.subscriptions.map((watcher) => [
              watcher.receiving_ae_title,
              [watcher.is_web ? 'by web socket' : 'by DICOM', watcher.has_deletion_lock ? 'holds it' : ''].filter(Boolean).join(', '),
            ])}
          />
        ) : (
          <p className={classes['detail']}>Nobody.</p>
        )}
      </Section>
      <ReasonDialog
        opened={canceling}
        title={one.procedure_step_state === 'SCHEDULED' ? 'Cancel the work item' : 'Ask to cancel the work item'}
        reasons={REASONS}
        confirm={one.procedure_step_state === 'SCHEDULED' ? 'Cancel the work item' : 'Ask its performer'}
        onConfirm={cancel}
        onClose={() => setCanceling(false)}
      >
        <p className={classes['detail']}>{meaning}</p>
      </ReasonDialog>
    </>
  )
}
