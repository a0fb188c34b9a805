import { useInfiniteQuery, useQuery, useQueryClient, type InfiniteData } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useDebouncedValue } from '@mantine/hooks'
import { useCallback, useEffect, useMemo, useState } from 'react'
import { asProblem, http, useLive } from '@/lib/api'
import { formatMoment } from '@/lib/time'
import {
  Age,
  Glyph,
  PatientBar,
  PersonName,
  Priority,
  ProcedureName,
  Screen,
  type WorkColumn,
  type WorkFilter,
  WorkList,
} from '@/ui'
import { comeViewerSoon } from '@/viewer/opening'
import { ResultInspector } from './ResultInspector'
import { ResultSign } from './ResultSign'
import classes from './results.module.css'
import { barOf, bookedFor, isReport, LIVE, waitingText, type Result, type ResultDetail, type ResultPage } from './types'

const isStat = (row: Result) => row.requested_procedure_priority === 'STAT'
const keyOf = (row: Result) => String(row.requested_procedure_pk)
function summary(row: Result): string {
  const line = row.impression.split('\n').find((one) => one.trim())
  if (line) return row.state === 'addended' ? `Addendum: ${line}` : line
  if (row.state === 'scheduled' && row.starts_at) return `For ${bookedFor(row)}`
  return isReport(row.state) ? '' : waitingText(row)
}

const COLUMNS: readonly WorkColumn<Result>[] = [
  {
    id: 'unseen',
    label: 'New',
    value: (row) => row.unseen,
    render: (row) =>
      row.unseen ? (
        <span className={classes['new']}>
          <Glyph shape="target" size={11} />
          New
        </span>
      ) : null,
    width: 50,
  },
  {
    id: 'patient',
    label: 'Patient',
    value: (row) => `${row.patient.patient_name} ${row.patient.patient_id ?? ''}`,
    render: (row) => <PersonName value={row.patient.patient_name} first="alphabetic" />,
    width: 120,
    grow: 2,
  },
  { id: 'patient_id', label: 'Patient ID', value: (row) => row.patient.patient_id, width: 100, hidden: true },
  {
    id: 'procedure',
    label: 'Procedure',
    value: (row) => row.requested_procedure_description,
    render: (row) => <ProcedureName description={row.requested_procedure_description} laterality={row.laterality} />,
    width: 130,
    grow: 2,
  },
  {
    id: 'priority',
    label: 'Priority',
    value: (row) => ['STAT', 'HIGH', 'ROUTINE'].indexOf(row.requested_procedure_priority),
    render: (row) => (
      <Priority priority={row.requested_procedure_priority} since={isReport(row.state) ? undefined : row.ordered_at} />
    ),
    width: 100,
  },
  {
    id: 'state',
    label: 'State',
    value: (row) => row.state,
    render: (row) => <ResultSign state={row.state} />,
    width: 110,
  },
  { id: 'impression', label: 'Impression', value: summary, width: 104, grow: 4 },
  {
    id: 'latest_at',
    label: 'Since',
    value: (row) => new Date(row.latest_at),
    render: (row) => <Age since={row.latest_at} />,
    width: 64,
    align: 'right',
  },
  { id: 'ordered_at', label: 'Ordered', value: (row) => new Date(row.ordered_at), render: (row) => formatMoment(row.ordered_at), width: 130, hidden: true },
  { id: 'accession_number', label: 'Accession', value: (row) => row.accession_number, width: 120, hidden: true },
  { id: 'site_code', label: 'Site', value: (row) => row.site_code, width: 80, hidden: true },
]

const FILTERS: readonly WorkFilter<Result>[] = [
  {
    id: 'what',
    label: 'Show',
    options: [
      { value: 'new', label: 'New' },
      { value: 'stat', label: 'STAT' },
      { value: 'report', label: 'With report' },
      { value: 'waiting', label: 'Awaiting report' },
    ],
    match: (row, value) =>
      value === 'new' ? row.unseen : value === 'stat' ? isStat(row) : value === 'report' ? isReport(row.state) : row.state === 'acquired',
  },
]

/** The referrer's home: my patients, what is new first, the report beside the list. */
export default function ResultsScreen() {
  const client = useQueryClient()
  const navigate = useNavigate()
  const asked = useSearch({ strict: false }) as { result?: number | string }
  const [text, setText] = useState('')
  const [searched] = useDebouncedValue(text.trim(), 200)
  const [currentPk, setCurrentPk] = useState<number>()
  const list = useInfiniteQuery({
    queryKey: ['results', 'list', searched],
    queryFn: ({ pageParam, signal }) =>
      http.post<ResultPage>('/api/results/find', { text: searched, cursor: pageParam, limit: 200 }, { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: (before) => before,
  })
  useEffect(() => {
    return comeViewerSoon(() => import('./ImagesScreen'))
  }, [])
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data])
  const shownPk = currentPk ?? (Number(asked.result) || undefined)
  const detail = useQuery({
    queryKey: ['results', 'one', shownPk],
    queryFn: ({ signal }) => http.get<ResultDetail>(`/api/results/${shownPk}`, { signal }),
    enabled: shownPk !== undefined,
  })
  useLive(LIVE, [['results']])
  const first = list.data?.pages[0]
  const shown = detail.data?.result.requested_procedure_pk === shownPk ? detail.data : undefined

  /** The row loses its mark where it stands; it takes its new place when the list is asked for again. */
  const seen = useCallback(
    (pk: number) => {
      client.setQueriesData<InfiniteData<ResultPage>>({ queryKey: ['results', 'list'] }, (data) => {
        if (!data) return data
        let marked = 0
        const pages = data.pages.map((page) => ({
          ...page,
          items: page.items.map((row) => {
            if (row.requested_procedure_pk !== pk || !row.unseen) return row
            marked = 1
            return { ...row, unseen: false }
          }),
        }))
        return { ...data, pages: pages.map((page) => (page.unseen === null ? page : { ...page, unseen: page.unseen - marked })) }
      })
    },
    [client],
  )
  const openImages = (row: Result) => {
    if (row.requested_procedure_pk !== shown?.result.requested_procedure_pk) return
    const study = shown.studies[0]
    if (study) void navigate({ to: `/results/${study.study_pk}/images` })
  }

  return (
    <div className={classes['wide']}>
      <Screen
        title="My patients"
        note={first?.unseen ? <span className={classes['unseen']}>{first.unseen} new since you looked</span> : first ? 'Nothing new' : undefined}
        patient={shown ? <PatientBar patient={barOf(shown.result.patient)} /> : null}
        inspectorLabel="The chosen result"
        inspectorHint="Choose a patient: the report is read here, with its images."
        inspector={
          shownPk === undefined ? null : (
            <ResultInspector
              key={shownPk}
              detail={shown}
              error={asProblem404(detail.error)}
              onRetry={() => void detail.refetch()}
              onSeen={seen}
            />
          )
        }
      >
        <WorkList
          id="results"
          noun="results"
          rows={rows}
          rowKey={keyOf}
          columns={COLUMNS}
          filters={FILTERS}
          search={{ text, onChange: setText, placeholder: 'Patient, accession, procedure' }}
          total={first?.total}
          onMore={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
          onCurrent={(row) => setCurrentPk(row?.requested_procedure_pk)}
          onOpen={openImages}
          isUrgent={(row) => isStat(row) && row.unseen}
          isQuiet={(row) => row.state === 'canceled'}
          error={list.error}
          onRetry={() => void list.refetch()}
          compact={(row) => (
            <>
              <div className={classes['compactHead']}>
                <PersonName value={row.patient.patient_name} first="alphabetic" />
                {row.unseen ? <strong className={classes['new']}>New</strong> : null}
                <ResultSign state={row.state} bare />
              </div>
              <div>
                {isStat(row) ? 'STAT · ' : ''}
                {row.requested_procedure_description}
              </div>
            </>
          )}
          empty={
            searched
              ? { title: 'None of your patients match', hint: 'Only orders that name you as the referring physician are found here.' }
              : {
                  title: 'No results yet',
                  hint: 'Orders that name you as the referring physician stand here, from the order to the signed report.',
                }
          }
        />
      </Screen>
    </div>
  )
}

const asProblem404 = (error: unknown) => (error ? asProblem(error) : null)
