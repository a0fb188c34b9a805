import { Button, SegmentedControl } from '@mantine/core'
import { keepPreviousData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { http, useLive, useSession } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { ConfirmIrreversible, DateTime, DicomDate, Facts, PersonName, Screen, Section, StateSign, toast, useNow, WorkList, type WorkColumn } from '@/ui'
import { reasonOf, RestoreButton } from './Acts'
import classes from './archive.module.css'
import { Places } from './Places'
import { Proposals } from './Proposals'
import { formatBytes, type Removal, type RemovalPage } from './types'
import { daysUntil, stateOfRemoval, tookWord } from './words'

type Show = 'trash' | 'hidden' | 'restored' | 'purged' | 'proposed'
const SHOW: readonly { value: Show; label: string }[] = [
  { value: 'trash', label: 'In the trash' },
  { value: 'proposed', label: 'Time is over' },
  { value: 'hidden', label: 'Rejected' },
  { value: 'restored', label: 'Restored' },
  { value: 'purged', label: 'Destroyed' },
]
const EMPTY: Record<Exclude<Show, 'proposed'>, { title: string; hint: string }> = {
  trash: { title: 'The trash is empty', hint: 'What is removed stands here until its days are over, and can be restored until then.' },
  hidden: { title: 'Nothing is rejected', hint: 'What a rejection note hides stands here, and can be shown again.' },
  restored: { title: 'Nothing was restored yet', hint: 'What was taken out of the trash again stands here.' },
  purged: { title: 'Nothing was destroyed yet', hint: 'Of what was destroyed it stands here that it was, by whom and why.' },
}

const COLUMNS: readonly WorkColumn<Removal>[] = [
  {
    id: 'patient',
    label: 'Patient',
    value: (removal) => formatPersonName(removal.patient_name ?? ''),
    render: (removal) => <PersonName value={removal.patient_name} />,
    width: 150,
    grow: 2,
  },
  { id: 'date', label: 'Study date', value: (removal) => removal.study_date, render: (removal) => <DicomDate value={removal.study_date} />, width: 100 },
  { id: 'study', label: 'Study', value: (removal) => [removal.modalities.join(', '), removal.study_description].filter(Boolean).join(' · '), width: 150, grow: 2 },
  { id: 'took', label: 'Removed', value: (removal) => tookWord(removal), width: 160, grow: 2 },
  { id: 'reason', label: 'Why', value: (removal) => reasonOf(removal), width: 160, grow: 2 },
  {
    id: 'when',
    label: 'When',
    value: (removal) => new Date(removal.removed_at),
    render: (removal) => <DateTime value={removal.removed_at} />,
    width: 124,
  },
]
const LEFT: WorkColumn<Removal> = {
  id: 'left',
  label: 'Left',
  value: (removal) => (removal.purge_at ? new Date(removal.purge_at) : null),
  render: (removal) => <DaysLeft removal={removal} />,
  width: 104,
  align: 'right',
}
const IN_TRASH = [...COLUMNS, LEFT]

function DaysLeft({ removal }: { removal: Removal }) {
  const now = useNow(60_000)
  if (!removal.purge_at) return null
  if (removal.is_held) return <StateSign state={stateOfRemoval(removal)} of="object" />
  const days = daysUntil(removal.purge_at, new Date(now))
  return <span>{days === 0 ? 'today' : `${days} ${days === 1 ? 'day' : 'days'}`}</span>
}

const keyOf = (removal: Removal) => String(removal.removal_pk)

/** What was removed, and how it comes back; and what a rule says that its time is over. */
export default function TrashScreen() {
  const [show, setShow] = useState<Show>('trash')
  const tools = (
    <SegmentedControl aria-label="Which" value={show} onChange={(value) => setShow(value as Show)} data={[...SHOW]} />
  )
  return show === 'proposed' ? <Proposals tools={tools} /> : <Removals key={show} show={show} tools={tools} />
}

function Removals({ show, tools }: { show: Exclude<Show, 'proposed'>; tools: React.ReactNode }) {
  const [currentPk, setCurrentPk] = useState<number>()
  useLive(['study.removed', 'study.restored'], [['removals']])
  const pages = useInfiniteQuery({
    queryKey: ['removals', 'list', show],
    queryFn: ({ pageParam, signal }) => http.get<RemovalPage>('/api/archive/removals', { query: { state: show, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  })
  const rows = useMemo(() => pages.data?.pages.flatMap((page) => page.items), [pages.data])
  const current = rows?.find((removal) => removal.removal_pk === currentPk)
  return (
    <Screen
      title="Trash"
      note="What is here is seen by nobody else."
      actions={<Places here="/trash" />}
      inspectorLabel="The chosen removal"
      inspectorHint="Choose a row to see what was removed, and to restore it."
      inspector={current ? <Inspector key={current.removal_pk} removal={current} /> : null}
    >
      <WorkList
        id={`removals-${show}`}
        noun="removals"
        rows={rows}
        rowKey={keyOf}
        columns={show === 'trash' ? IN_TRASH : COLUMNS}
        onCurrent={(removal) => setCurrentPk(removal?.removal_pk)}
        total={pages.data?.pages[0]?.total}
        onMore={() => {
          if (pages.hasNextPage && !pages.isFetchingNextPage) void pages.fetchNextPage()
        }}
        error={pages.error}
        onRetry={() => void pages.refetch()}
        tools={tools}
        empty={EMPTY[show]}
      />
    </Screen>
  )
}

function Inspector({ removal }: { removal: Removal }) {
  const { may } = useSession()
  const client = useQueryClient()
  const [purging, setPurging] = useState(false)
  const standing = !removal.restored_at && !removal.purged_at
  return (
    <>
      <Section title={tookWord(removal)}>
        <Facts
          facts={[
            ['Patient', <PersonName key="patient" value={removal.patient_name} />],
            ['Patient ID', removal.patient_id],
            ['Study', [removal.modalities.join(', '), removal.study_description].filter(Boolean).join(' · ')],
            ['Study date', <DicomDate key="date" value={removal.study_date} />],
            ['Accession number', removal.accession_number],
            ['Size', formatBytes(removal.bytes)],
            ['Why', reasonOf(removal)],
            ['Removed', <DateTime key="removed" value={removal.removed_at} />],
            ['By', removal.removed_by],
            ['Destroyed after', standing && removal.purge_at ? <DateTime key="purge" value={removal.purge_at} /> : null],
          ]}
        />
        {removal.is_held && standing ? <p className={classes['detail']}>It is under legal hold: nothing of it is destroyed before the hold is lifted.</p> : null}
        {standing ? <RestoreButton removal={removal} /> : null}
        {standing && may('config.write') && !removal.is_held ? (
          <div className={classes['buttons']}>
            <Button variant="default" color="danger" onClick={() => setPurging(true)}>
              Destroy it now
            </Button>
          </div>
        ) : null}
      </Section>
      {removal.restored_at ? (
        <Section title="Restored">
          <Facts
            facts={[
              ['When', <DateTime key="when" value={removal.restored_at} />],
              ['By', removal.restored_by],
              ['Why', removal.restored_reason],
            ]}
          />
        </Section>
      ) : null}
      {removal.purged_at ? (
        <Section title="Destroyed">
          <p className={classes['detail']}>
            <DateTime value={removal.purged_at} />: its images and the key that opened them are gone for good. Should the same images come again, the policy decides what becomes of them.
          </p>
        </Section>
      ) : null}
      <ConfirmIrreversible
        opened={purging}
        title="Destroy it now?"
        confirm="Destroy it"
        typed="destroy"
        onConfirm={async () => {
          await http.post(`/api/archive/removals/${removal.removal_pk}/purge`)
          await client.invalidateQueries({ queryKey: ['removals'] })
          toast('It is destroyed.')
        }}
        onClose={() => setPurging(false)}
      >
        {tookWord(removal)}: the images and the key that opens them are destroyed, here and in every copy of the store. That they were here, who removed them and why stays in the record.
      </ConfirmIrreversible>
    </>
  )
}
