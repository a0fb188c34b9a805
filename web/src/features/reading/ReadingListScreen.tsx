import { Button, Menu, SegmentedControl } from '@mantine/core'
import { IconCheck, IconChevronDown, IconLock, IconLockOpen, IconPlayerTrackNext } from '@tabler/icons-react'
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useDebouncedValue, useMediaQuery } from '@mantine/hooks'
import { useEffect, useMemo, useState } from 'react'
import { asProblem, http, useActor, useLive, useSession } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { load, save } from '@/lib/storage'
import { formatPersonName } from '@/lib/personname'
import {
  Age,
  PersonName,
  Priority,
  ProcedureName,
  Screen,
  ServiceClock,
  StateSign,
  type WorkAction,
  type WorkColumn,
  WorkList,
} from '@/ui'
import { comeViewerSoon } from '@/viewer/opening'
import { claim, refreshCases, release, useOpenNext } from './api'
import { CaseInspector } from './CaseInspector'
import classes from './reading.module.css'
import {
  ageAndSex,
  allowedSeconds,
  EVERYTHING,
  holderOf,
  LIST_EVENTS,
  queryOf,
  runningSince,
  type ListFilter,
  type ReadingItem,
  type ReadingPage,
  type Site,
  type UnmatchedPage,
} from './types'

const PAGE = 100

// Terms of PS3.3 C.7.3.1.1.1 and PS3.16 CID 4 that a radiologist sorts a day by.
const MODALITIES = ['CT', 'MR', 'DX', 'CR', 'US', 'MG', 'XA', 'RF', 'NM', 'PT']
const BODY_PARTS = ['HEAD', 'NECK', 'CHEST', 'BREAST', 'ABDOMEN', 'PELVIS', 'SPINE', 'EXTREMITY']

const keyOf = (item: ReadingItem) => String(item.requested_procedure_pk)

function columnsFor(userPk: number | null, narrow: boolean): readonly WorkColumn<ReadingItem>[] {
  return [
    {
      id: 'requested_procedure_priority',
      label: 'Priority',
      value: (item) => ({ STAT: 0, HIGH: 1, ROUTINE: 2 })[item.requested_procedure_priority] ?? 9,
      render: (item) => <Priority priority={item.requested_procedure_priority} since={runningSince(item)} />,
      width: 112,
    },
    {
      id: 'due_at',
      label: 'Due',
      value: (item) => new Date(item.due_at),
      render: (item) =>
        item.reading_state === 'final' ? null : (
          <ServiceClock since={item.first_image_at} allowed_s={allowedSeconds(item)} />
        ),
      width: 104,
    },
    {
      id: 'patient_name',
      label: 'Patient',
      value: (item) => formatPersonName(item.patient.patient_name),
      render: (item) => <PersonName value={item.patient.patient_name} first="alphabetic" />,
      width: 130,
      grow: 2,
    },
    { id: 'age', label: 'Age, sex', value: (item) => ageAndSex(item.patient), width: 58 },
    {
      id: 'requested_procedure_description',
      label: 'Procedure',
      value: (item) => `${item.requested_procedure_description} ${item.laterality ?? ''}`,
      render: (item) => <ProcedureName description={item.requested_procedure_description} laterality={item.laterality} />,
      width: 150,
      grow: 3,
    },
    { id: 'modality', label: 'Mod.', value: (item) => item.modality, width: 34 },
    {
      id: 'images',
      label: 'Images',
      value: (item) => item.number_of_study_related_instances,
      width: 48,
      align: 'right',
      hidden: narrow,
    },
    {
      id: 'reading_state',
      label: 'Report',
      value: (item) => item.reading_state,
      render: (item) => <StateSign state={item.reading_state} of="report" />,
      width: 104,
    },
    {
      id: 'claimed_by',
      label: 'Reader',
      value: (item) => item.claimed_by,
      render: (item) => {
        const holder = holderOf(item, userPk)
        if (holder === 'nobody') return null
        return (
          <span className={classes['holder']} data-mine={holder === 'me' || undefined}>
            <IconLock size={13} aria-hidden />
            {holder === 'me' ? 'You' : item.claimed_by}
          </span>
        )
      },
      width: 84,
      grow: 1,
    },
    { id: 'site_code', label: 'Site', value: (item) => item.site_code, width: 64, hidden: true },
    { id: 'accession_number', label: 'Accession', value: (item) => item.accession_number, width: 126, hidden: true },
    { id: 'patient_id', label: 'Patient ID', value: (item) => item.patient.patient_id, width: 100, hidden: true },
    { id: 'body_part_examined', label: 'Body part', value: (item) => item.body_part_examined, width: 90, hidden: true },
    {
      id: 'reason',
      label: 'Reason',
      value: (item) => item.reason_for_the_requested_procedure,
      width: 160,
      grow: 2,
      hidden: true,
    },
    {
      id: 'first_image_at',
      label: 'First image',
      value: (item) => new Date(item.first_image_at),
      render: (item) => <Age since={item.first_image_at} />,
      width: 84,
      align: 'right',
      hidden: true,
    },
    {
      id: 'referring_physician_name',
      label: 'Referrer',
      value: (item) => formatPersonName(item.referring_physician_name),
      width: 130,
      grow: 1,
      hidden: true,
    },
  ]
}

/** The radiologist's home: what waits to be read, the most urgent first, live. */
export default function ReadingListScreen() {
  const { may } = useSession()
  const { user_pk: userPk } = useActor()
  const narrow = useMediaQuery('(max-width: 1100px)') ?? false
  const client = useQueryClient()
  const navigate = useNavigate()
  const [filter, setFilter] = useState<ListFilter>(() => ({ ...EVERYTHING, ...load<Partial<ListFilter>>('reading-filter', {}) }))
  const [text, setText] = useState('')
  const [searched] = useDebouncedValue(text, 200)
  const [currentPk, setCurrentPk] = useState<number>()
  const change = (next: ListFilter) => {
    setFilter(next)
    save('reading-filter', next)
  }

  const list = useInfiniteQuery({
    queryKey: ['reading-list', 'cases', filter, searched],
    queryFn: ({ pageParam, signal }) =>
      http.post<ReadingPage>('/api/reading-list/find', { ...queryOf(filter, searched), cursor: pageParam, limit: PAGE }, { signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  })
  useLive(LIST_EVENTS, [['reading-list']])
  useEffect(() => {
    return comeViewerSoon(() => import('./ReadScreen'))
  }, [])
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data])
  const columns = useMemo(() => columnsFor(userPk, narrow), [userPk, narrow])
  const current = rows?.find((item) => item.requested_procedure_pk === currentPk)
  const openNext = useOpenNext(filter.modality)
  const open = (item: ReadingItem) => void navigate({ to: `/read/${item.study_pk}` })

  useKeys('Reading list', [{ keys: 'n', label: 'Open the next unread case', run: () => void openNext() }])

  const actions: WorkAction<ReadingItem>[] = may('report.write')
    ? [
        {
          id: 'claim',
          label: 'Take',
          keys: 'c',
          icon: <IconLock size={16} />,
          refuse: (items) =>
            items.some((item) => holderOf(item, userPk) === 'other')
              ? 'Somebody is reading one of these. Open it to take it over.'
              : undefined,
          run: async (items) => {
            try {
              for (const item of items) await claim(item)
            } finally {
              await refreshCases(client)
            }
          },
        },
        {
          id: 'release',
          label: 'Give back',
          keys: 'u',
          icon: <IconLockOpen size={16} />,
          refuse: (items) =>
            items.every((item) => holderOf(item, userPk) === 'me') ? undefined : 'Only what you hold can be given back.',
          run: async (items) => {
            try {
              for (const item of items) await release(item)
            } finally {
              await refreshCases(client)
            }
          },
        },
      ]
    : []

  return (
    <Screen
      title="Reading list"
      inspectorLabel="The chosen case"
      inspectorHint="Choose a case to see its pictures, reason and priors. Enter opens it."
      inspector={current ? <CaseInspector key={current.requested_procedure_pk} item={current} onOpen={() => open(current)} /> : null}
      actions={
        <Button leftSection={<IconPlayerTrackNext size={16} />} onClick={() => void openNext()}>
          Next case
        </Button>
      }
    >
      <WorkList
        id="reading"
        noun="cases"
        rows={rows}
        rowKey={keyOf}
        columns={columns}
        actions={actions}
        onOpen={open}
        onCurrent={(item) => setCurrentPk(item?.requested_procedure_pk)}
        isUrgent={(item) => item.requested_procedure_priority === 'STAT' && item.reading_state !== 'final'}
        isQuiet={(item) => holderOf(item, userPk) === 'other'}
        search={{ text, onChange: setText, placeholder: 'Name, patient ID, accession' }}
        total={list.data?.pages[0]?.total}
        onMore={() => {
          if (list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage()
        }}
        error={list.error}
        onRetry={() => void list.refetch()}
        tools={<Filters filter={filter} onChange={change} />}
        compact={(item) => <Compact item={item} />}
        empty={emptyFor(filter, searched, () => change(EVERYTHING))}
      />
      <Unmatched />
    </Screen>
  )
}

function emptyFor(filter: ListFilter, text: string, reset: () => void) {
  const narrowed = filter.modality.length > 0 || filter.body_part_examined !== null || filter.site_pk !== null || text !== ''
  if (narrowed) {
    return {
      title: 'No case matches',
      hint: 'The search or a filter hides the others.',
      children: (
        <Button variant="default" onClick={reset}>
          Clear the filters
        </Button>
      ),
    }
  }
  if (filter.show === 'mine') return { title: 'You hold no case', hint: 'Press N for the next one, or C on a row of the list to take it.' }
  if (filter.show === 'signed') return { title: 'Nothing is signed yet', hint: 'Final reports stand here.' }
  return { title: 'Everything is read', hint: 'A new case appears here by itself the moment its first image arrives.' }
}

function Compact({ item }: { item: ReadingItem }) {
  return (
    <>
      <div className={classes['compactLine']}>
        <Priority priority={item.requested_procedure_priority} since={runningSince(item)} />
        <PersonName value={item.patient.patient_name} first="alphabetic" />
        <span className={classes['quiet']}>{ageAndSex(item.patient)}</span>
      </div>
      <div className={classes['compactLine']}>
        <ProcedureName description={item.requested_procedure_description} laterality={item.laterality} />
        <StateSign state={item.reading_state} of="report" bare />
      </div>
    </>
  )
}

const SHOW: { value: ListFilter['show']; label: string }[] = [
  { value: 'open', label: 'To read' },
  { value: 'unread', label: 'Unread' },
  { value: 'mine', label: 'Mine' },
  { value: 'signed', label: 'Signed' },
]

function Filters({ filter, onChange }: { filter: ListFilter; onChange: (next: ListFilter) => void }) {
  const sites = useQuery({
    queryKey: ['sites'],
    queryFn: ({ signal }) => http.get<Site[]>('/api/sites', { signal }),
    staleTime: 300_000,
  })
  const site = sites.data?.find((one) => one.site_pk === filter.site_pk)
  return (
    <div className={classes['filters']}>
      <SegmentedControl
        aria-label="Which cases"
        value={filter.show}
        onChange={(show) => onChange({ ...filter, show: show as ListFilter['show'] })}
        data={SHOW}
      />
      <Pick
        label="Modality"
        shown={filter.modality.join(', ')}
        options={MODALITIES.map((value) => ({ value, label: value }))}
        chosen={filter.modality}
        several
        onChange={(modality) => onChange({ ...filter, modality })}
      />
      <Pick
        label="Body part"
        shown={filter.body_part_examined ? words(filter.body_part_examined) : ''}
        options={BODY_PARTS.map((value) => ({ value, label: words(value) }))}
        chosen={filter.body_part_examined ? [filter.body_part_examined] : []}
        onChange={([value]) => onChange({ ...filter, body_part_examined: value ?? null })}
      />
      {(sites.data?.length ?? 0) > 1 ? (
        <Pick
          label="Site"
          shown={site?.code ?? ''}
          options={(sites.data ?? []).map((one) => ({ value: String(one.site_pk), label: one.institution_name }))}
          chosen={filter.site_pk === null ? [] : [String(filter.site_pk)]}
          onChange={([value]) => onChange({ ...filter, site_pk: value ? Number(value) : null })}
        />
      ) : null}
    </div>
  )
}

const words = (term: string) => term.charAt(0) + term.slice(1).toLowerCase()

/** A filter of the server's as a button that says what it lets through. */
function Pick({
  label,
  shown,
  options,
  chosen,
  several = false,
  onChange,
}: {
  label: string
  shown: string
  options: readonly { value: string; label: string }[]
  chosen: readonly string[]
  several?: boolean
  onChange: (values: string[]) => void
}) {
  return (
    <Menu closeOnItemClick={!several} position="bottom-end">
      <Menu.Target>
        <Button
          variant={shown ? 'light' : 'default'}
          rightSection={<IconChevronDown size={14} />}
          aria-label={shown ? `${label}: ${shown}` : label}
        >
          {shown || label}
        </Button>
      </Menu.Target>
      <Menu.Dropdown className={classes['pick']}>
        <Menu.Item leftSection={chosen.length ? <span /> : <IconCheck size={14} />} onClick={() => onChange([])}>
          All
        </Menu.Item>
        {options.map((option) => {
          const on = chosen.includes(option.value)
          const next = several
            ? on
              ? chosen.filter((value) => value !== option.value)
              : [...chosen, option.value]
            : [option.value]
          return (
            <Menu.CheckboxItem key={option.value} checked={on} closeMenuOnClick={!several} onChange={() => onChange(next)}>
              {option.label}
            </Menu.CheckboxItem>
          )
        })}
      </Menu.Dropdown>
    </Menu>
  )
}

/** Images that hang on no order: shown apart and under what they say of themselves, never among the cases. */
function Unmatched() {
  const { may } = useSession()
  const found = useQuery({
    queryKey: ['reading-list', 'unmatched'],
    queryFn: ({ signal }) => http.get<UnmatchedPage>('/api/reading-list/unmatched', { signal }),
    enabled: may('study.reconcile'),
  })
  const [open, setOpen] = useState(false)
  if (found.error && asProblem(found.error).status !== 403) {
    return <p className={classes['apart']}>Whether unmatched studies wait could not be asked.</p>
  }
  const total = found.data?.total ?? 0
  if (!total) return null
  return (
    <section className={classes['apart']} aria-label="Studies without an order">
      <header>
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          <StateSign state="unmatched" of="link" />
          <span>
            {total} {total === 1 ? 'study hangs' : 'studies hang'} on no order yet and {total === 1 ? 'is' : 'are'} not among the cases
          </span>
          <IconChevronDown size={14} data-open={open || undefined} aria-hidden />
        </button>
        <Link to="/reconcile">Reconcile</Link>
      </header>
      {open ? (
        <table>
          <thead>
            <tr>
              <th>Name received</th>
              <th>ID received</th>
              <th>Study</th>
              <th>Modality</th>
              <th>Images</th>
              <th>First image</th>
            </tr>
          </thead>
          <tbody>
            {found.data?.items.map((study) => (
              <tr key={study.study_pk}>
                <td>
                  <PersonName value={study.received_patient_name} />
                </td>
                <td>{study.received_patient_id}</td>
                <td>{study.study_description}</td>
                <td>{study.modalities_in_study.join(', ')}</td>
                <td>{study.number_of_study_related_instances}</td>
                <td>
                  <Age since={study.first_image_at} /> ago
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
    </section>
  )
}
