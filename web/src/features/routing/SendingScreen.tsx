import { Button, SegmentedControl } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { http, useLive, useSession } from '@/lib/api'
import {
  DateTime,
  Facts,
  Fault,
  PersonName,
  Screen,
  Section,
  StateSign,
  toast,
  toastProblem,
  WorkList,
  type WorkColumn,
} from '@/ui'
import classes from './routing.module.css'
import { faultText, progressText, stateOf, type Sending, type SendingPage } from './types'

const COLUMNS: readonly WorkColumn<Sending>[] = [
  {
    id: 'state',
    label: 'State',
    value: stateOf,
    render: (sending) => <StateSign state={stateOf(sending)} of="queue" />,
    width: 118,
  },
  {
    id: 'patient',
    label: 'Patient',
    value: (sending) => sending.patient_name,
    render: (sending) => <PersonName value={sending.patient_name} />,
    width: 150,
    grow: 1,
  },
  {
    id: 'study',
    label: 'Study',
    value: (sending) => [sending.modalities.join(' '), sending.study_description].filter(Boolean).join(' · '),
    width: 160,
    grow: 2,
  },
  { id: 'to', label: 'To', value: (sending) => sending.ae_title, width: 120 },
  { id: 'how', label: 'How', value: (sending) => (sending.is_deidentified ? 'without names' : 'as it is'), width: 112, hidden: true },
  { id: 'objects', label: 'Objects', value: progressText, width: 110, align: 'right' },
  { id: 'fault', label: 'What is wrong', value: faultText, width: 180, grow: 2 },
  {
    id: 'updated',
    label: 'When',
    value: (sending) => new Date(sending.updated_at),
    render: (sending) => <DateTime value={sending.updated_at} />,
    width: 116,
  },
  { id: 'by', label: 'By', value: (sending) => sending.requested_by, width: 120, hidden: true },
]

const VIEWS = {
  all: 'All',
  failed: 'Failed',
  waiting: 'Waiting',
  sending: 'Sending',
  sent: 'Sent',
} as const
type View = keyof typeof VIEWS

const keyOf = (sending: Sending) => String(sending.forwarding_pk)

/** Studies on their way to other archives: what waits, what arrived, what a person must look at. */
export default function SendingScreen() {
  const { may } = useSession()
  const [view, setView] = useState<View>('all')
  const [currentPk, setCurrentPk] = useState<number>()
  const list = useInfiniteQuery({
    queryKey: ['forwardings', view],
    queryFn: ({ pageParam }) =>
      http.get<SendingPage>('/api/routing/forwardings', {
        query: { state: view === 'all' ? undefined : view, before: pageParam ?? undefined, limit: 200 },
      }),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next_before,
  })
  useLive(['forwarding.changed'], [['forwardings']])
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data])
  const current = rows?.find((sending) => sending.forwarding_pk === currentPk)
  return (
    <Screen
      title="Sending"
      actions={
        <>
          <SegmentedControl
            aria-label="Which studies"
            value={view}
            onChange={(value) => setView(value as View)}
            data={Object.entries(VIEWS).map(([value, label]) => ({ value, label }))}
          />
          <Button component={Link} to="/system/compression" variant="default">
            Compression
          </Button>
          <Button component={Link} to="/system/rules" variant="default">
            Rules
          </Button>
        </>
      }
      inspectorLabel="The chosen study"
      inspectorHint="Choose a study to see how far it is, and to send it again or stop it."
      inspector={current ? <SendingInspector key={keyOf(current)} sending={current} mayWrite={may('queue.write')} /> : null}
    >
      <WorkList
        key={view}
        id="sending"
        noun="studies"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        defaultSort={{ column: 'updated', descending: true }}
        onCurrent={(sending) => setCurrentPk(sending?.forwarding_pk)}
        onMore={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
        isUrgent={(sending) => sending.state === 'failed'}
        isQuiet={(sending) => sending.state === 'canceled'}
        error={list.error}
        onRetry={() => void list.refetch()}
        searchPlaceholder="Patient, study, destination"
        compact={(sending) => (
          <>
            <div>
              <StateSign state={stateOf(sending)} of="queue" bare /> <PersonName value={sending.patient_name} />
            </div>
            <div>
              {sending.ae_title} · {progressText(sending)}
            </div>
          </>
        )}
        empty={
          view === 'all'
            ? { title: 'Nothing was sent yet', hint: 'Studies that a rule sends to another archive stand here until they arrived.' }
            : { title: `Nothing is ${VIEWS[view].toLowerCase()}`, hint: 'Other studies are under the other headings.' }
        }
      />
    </Screen>
  )
}

function SendingInspector({ sending, mayWrite }: { sending: Sending; mayWrite: boolean }) {
  const [busy, setBusy] = useState(false)
  const ask = (what: 'again' | 'cancel', done: string) => {
    setBusy(true)
    void http
      .post(`/api/routing/forwardings/${sending.forwarding_pk}/${what}`)
      .then(() => toast(done))
      .catch((error: unknown) => toastProblem(error))
      .finally(() => setBusy(false))
  }
  const fault = faultText(sending)
  return (
    <>
      <Section title={`To ${sending.ae_title}`} aside={<StateSign state={stateOf(sending)} of="queue" />}>
        {fault ? (
          <Fault>
            <strong>{fault}</strong>
            <p>
              {sending.state === 'failed'
                ? 'It is not tried again by itself. Mend what it names, then send it again.'
                : 'It is kept and tried again; nothing is lost.'}
            </p>
          </Fault>
        ) : null}
        <Facts
          facts={[
            ['Objects', progressText(sending)],
            ['Sent by', sending.requested_by],
            ['Attempts', sending.attempts ? String(sending.attempts) : 'none failed'],
            ...(sending.state === 'waiting'
              ? [['Next', <DateTime key="next" value={sending.not_before} />] as [string, React.ReactNode]]
              : []),
          ]}
        />
      </Section>
      {mayWrite ? (
        <div className={classes['buttons']}>
          {sending.state === 'sending' ? null : (
            <Button loading={busy} onClick={() => ask('again', 'It is sent again.')}>
              Send again
            </Button>
          )}
          {sending.state === 'waiting' || sending.state === 'sending' ? (
            <Button variant="default" loading={busy} onClick={() => ask('cancel', 'It is stopped; what arrived stays there.')}>
              Stop
            </Button>
          ) : null}
        </div>
      ) : null}
    </>
  )
}
