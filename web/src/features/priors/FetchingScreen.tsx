import { Button, SegmentedControl } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { http, useLive, useSession } from '@/lib/api'
import { DateTime, DicomDate, Facts, Fault, PersonName, Screen, Section, StateSign, toast, toastProblem, WorkList, type WorkColumn } from '@/ui'
import classes from './priors.module.css'
import { progressText, stateOf, type Fetching, type FetchPage, type Lookup } from './types'

const COLUMNS: readonly WorkColumn<Fetching>[] = [
  { id: 'state', label: 'State', value: stateOf, render: (one) => <StateSign state={stateOf(one)} of="queue" />, width: 118 },
  { id: 'patient', label: 'Patient', value: (one) => one.patient_name, render: (one) => <PersonName value={one.patient_name} />, width: 150, grow: 1 },
  { id: 'study', label: 'Study', value: (one) => [one.modalities.join(' '), one.study_description].filter(Boolean).join(' · '), width: 160, grow: 2 },
  { id: 'date', label: 'Of', value: (one) => one.study_date, render: (one) => <DicomDate value={one.study_date} />, width: 100 },
  { id: 'from', label: 'From', value: (one) => one.archive_name, width: 130 },
  { id: 'objects', label: 'Objects', value: progressText, width: 110, align: 'right' },
  { id: 'fault', label: 'What is wrong', value: (one) => one.last_error, width: 180, grow: 2 },
  { id: 'updated', label: 'When', value: (one) => new Date(one.updated_at), render: (one) => <DateTime value={one.updated_at} />, width: 116 },
  { id: 'by', label: 'By', value: (one) => one.requested_by, width: 120, hidden: true },
]

const LOOKUPS: readonly WorkColumn<Lookup>[] = [
  { id: 'state', label: 'State', value: stateOf, render: (one) => <StateSign state={stateOf(one)} of="queue" />, width: 118 },
  { id: 'archive', label: 'Archive', value: (one) => one.archive_name, width: 160, grow: 1 },
  { id: 'by', label: 'Because of', value: (one) => one.requested_by, width: 120 },
  { id: 'attempts', label: 'Attempts', value: (one) => one.attempts, width: 80, align: 'right' },
  { id: 'fault', label: 'What is wrong', value: (one) => one.last_error, width: 200, grow: 3 },
  {
    id: 'next',
    label: 'Not before',
    value: (one) => new Date(one.not_before),
    render: (one) => (one.state === 'failed' ? 'not any more' : <DateTime value={one.not_before} />),
    width: 130,
  },
]

const VIEWS = { all: 'All', failed: 'Failed', waiting: 'Waiting', fetched: 'Fetched', lookups: 'Look-ups' } as const
type View = keyof typeof VIEWS

const keyOf = (one: Fetching) => String(one.remote_study_pk)
const lookupKey = (one: Lookup) => String(one.prior_lookup_pk)

/** Priors on their way here from other archives, and look-ups that are not answered. */
export default function FetchingScreen() {
  const { may } = useSession()
  const [view, setView] = useState<View>('all')
  const [currentPk, setCurrentPk] = useState<number>()
  const asksArchives = view === 'lookups'
  const list = useInfiniteQuery({
    queryKey: ['prior-fetches', view],
    queryFn: ({ pageParam }) =>
      http.get<FetchPage>('/api/priors/fetches', {
        query: { state: view === 'all' ? undefined : view, before: pageParam ?? undefined, limit: 200 },
      }),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next_before,
    enabled: !asksArchives,
  })
  const lookups = useQuery({
    queryKey: ['prior-lookups'],
    queryFn: () => http.get<Lookup[]>('/api/priors/lookups'),
    enabled: asksArchives,
  })
  useLive(['priors.changed'], [['prior-fetches'], ['prior-lookups']])
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data])
  const mayWrite = may('queue.write')
  const current = rows?.find((one) => one.remote_study_pk === currentPk)
  const lookup = lookups.data?.find((one) => one.prior_lookup_pk === currentPk)
  const inspector = asksArchives ? (
    lookup ? <LookupInspector key={lookupKey(lookup)} lookup={lookup} mayWrite={mayWrite} /> : null
  ) : current ? (
    <FetchInspector key={keyOf(current)} fetching={current} mayWrite={mayWrite} />
  ) : null
  return (
    <Screen
      title="Fetching"
      actions={
        <>
          <SegmentedControl
            aria-label="What to show"
            value={view}
            onChange={(value) => {
              setCurrentPk(undefined)
              setView(value as View)
            }}
            data={Object.entries(VIEWS).map(([value, label]) => ({ value, label }))}
          />
          <Button component={Link} to="/system/archives" variant="default">
            Other archives
          </Button>
        </>
      }
      inspectorLabel="What is chosen"
      inspectorHint={asksArchives ? 'Choose a look-up to try it again.' : 'Choose a study to see how far it is, and to try it again or stop it.'}
      inspector={inspector}
    >
      {asksArchives ? (
        <WorkList
          key="lookups"
          id="prior-lookups"
          noun="look-ups"
          rows={lookups.data}
          rowKey={lookupKey}
          columns={LOOKUPS}
          onCurrent={(one) => setCurrentPk(one?.prior_lookup_pk)}
          isUrgent={(one) => one.state === 'failed'}
          error={lookups.error}
          onRetry={() => void lookups.refetch()}
          empty={{ title: 'Every look-up is answered', hint: 'Look-ups that wait for their time or that failed stand here.' }}
        />
      ) : (
        <WorkList
          key={view}
          id="prior-fetches"
          noun="studies"
          rows={rows}
          rowKey={keyOf}
          columns={COLUMNS}
          defaultSort={{ column: 'updated', descending: true }}
          onCurrent={(one) => setCurrentPk(one?.remote_study_pk)}
          onMore={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          isUrgent={(one) => one.state === 'failed'}
          isQuiet={(one) => one.state === 'canceled'}
          error={list.error}
          onRetry={() => void list.refetch()}
          searchPlaceholder="Patient, study, archive"
          compact={(one) => (
            <>
              <div>
                <StateSign state={stateOf(one)} of="queue" bare /> <PersonName value={one.patient_name} />
              </div>
              <div>
                {one.archive_name} · {progressText(one)}
              </div>
            </>
          )}
          empty={
            view === 'all'
              ? { title: 'Nothing was fetched yet', hint: 'Priors that come from another archive stand here until they arrived.' }
              : { title: `Nothing is ${VIEWS[view].toLowerCase()}`, hint: 'Other studies are under the other headings.' }
          }
        />
      )}
    </Screen>
  )
}

function useAct() {
  const [busy, setBusy] = useState(false)
  const act = (path: string, done: string) => {
    setBusy(true)
    void http
      .post(path)
      .then(() => toast(done))
      .catch((error: unknown) => toastProblem(error))
      .finally(() => setBusy(false))
  }
  return { busy, act }
}

function Wrong({ fault, hint }: { fault: string | null; hint: string }) {
  if (!fault) return null
  return (
    <Fault>
      <strong>{fault}</strong>
      <p>{hint}</p>
    </Fault>
  )
}

function FetchInspector({ fetching, mayWrite }: { fetching: Fetching; mayWrite: boolean }) {
  const { busy, act } = useAct()
  const path = `/api/priors/fetches/${fetching.remote_study_pk}`
  const isOver = fetching.state === 'fetched' || fetching.state === 'canceled' || fetching.state === 'failed'
  return (
    <Section title={`From ${fetching.archive_name}`} aside={<StateSign state={stateOf(fetching)} of="queue" />}>
      <Wrong
        fault={fetching.last_error}
        hint={
          fetching.state === 'failed'
            ? 'It is not tried any more by itself. What came is kept; the study still lies at the other archive.'
            : 'It is tried again by itself.'
        }
      />
      <Facts
        facts={[
          ['Patient', <PersonName key="p" value={fetching.patient_name} />],
          ['Patient ID', fetching.patient_id],
          ['Study', fetching.study_description],
          ['Of', <DicomDate key="d" value={fetching.study_date} />],
          ['Objects', progressText(fetching)],
          ['Asked for by', fetching.requested_by],
          ['Next attempt', fetching.state === 'waiting' && fetching.not_before ? <DateTime key="n" value={fetching.not_before} /> : null],
        ]}
      />
      {mayWrite ? (
        <div className={classes['buttons']}>
          {fetching.state === 'fetching' ? null : (
            <Button variant="default" disabled={busy} onClick={() => act(`${path}/again`, 'It is fetched now.')}>
              {fetching.state === 'fetched' ? 'Fetch again' : 'Try now'}
            </Button>
          )}
          {isOver ? null : (
            <Button variant="default" disabled={busy} onClick={() => act(`${path}/cancel`, 'It is stopped; what came stays.')}>
              Stop
            </Button>
          )}
        </div>
      ) : null}
    </Section>
  )
}

function LookupInspector({ lookup, mayWrite }: { lookup: Lookup; mayWrite: boolean }) {
  const { busy, act } = useAct()
  return (
    <Section title={lookup.archive_name} aside={<StateSign state={stateOf(lookup)} of="queue" />}>
      <Wrong fault={lookup.last_error} hint={lookup.state === 'failed' ? 'It is not tried any more by itself.' : 'It is tried again by itself.'} />
      <Facts
        facts={[
          ['Because of', lookup.requested_by],
          ['Attempts', String(lookup.attempts)],
          ['Not before', <DateTime key="n" value={lookup.not_before} />],
        ]}
      />
      {mayWrite ? (
        <div className={classes['buttons']}>
          <Button
            variant="default"
            disabled={busy}
            onClick={() => act(`/api/priors/lookups/${lookup.prior_lookup_pk}/again`, 'The archive is asked now.')}
          >
            Ask now
          </Button>
        </div>
      ) : null}
    </Section>
  )
}
