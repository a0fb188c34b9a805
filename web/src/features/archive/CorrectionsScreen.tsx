import { Button } from '@mantine/core'
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { http, useLive } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { DateTime, DicomDate, Facts, PersonName, Screen, Section, StateSign, WorkList, type WorkColumn, type WorkFilter } from '@/ui'
import { CorrectionAct, KIND_WORD, kindWord } from './Acts'
import classes from './archive.module.css'
import { Places } from './Places'
import type { Correction, CorrectionPage } from './types'
import { fieldWord } from './words'

const stateOf = (correction: Correction) => (correction.undone_at ? 'taken_back' : 'corrected')
const fieldsOf = (correction: Correction) => [...new Set(correction.changes.map((change) => fieldWord(change.field)))].join(', ')

const COLUMNS: readonly WorkColumn<Correction>[] = [
  {
    id: 'state',
    label: 'State',
    value: (correction) => stateOf(correction),
    render: (correction) => <StateSign state={stateOf(correction)} of="object" />,
    width: 116,
  },
  { id: 'kind', label: 'What', value: kindWord, width: 136 },
  {
    id: 'patient',
    label: 'Patient',
    value: (correction) => formatPersonName(correction.patient_name ?? ''),
    render: (correction) => <PersonName value={correction.patient_name} />,
    width: 120,
    grow: 2,
  },
  { id: 'study', label: 'Study', value: (correction) => correction.study_description, width: 120, grow: 2 },
  { id: 'fields', label: 'Changed', value: fieldsOf, width: 130, grow: 3 },
  { id: 'reason', label: 'Why', value: (correction) => correction.reason, width: 130, grow: 2 },
  { id: 'by', label: 'By', value: (correction) => correction.corrected_by, width: 96 },
  {
    id: 'when',
    label: 'When',
    value: (correction) => new Date(correction.corrected_at),
    render: (correction) => <DateTime value={correction.corrected_at} />,
    width: 96,
  },
]
/** Chips only for the kinds that there are. */
function filtersFor(rows: readonly Correction[] | undefined): readonly WorkFilter<Correction>[] {
  const present = new Set<string>(rows?.map((correction) => correction.kind))
  return [
    {
      id: 'kind',
      label: 'What',
      options: Object.entries(KIND_WORD)
        .filter(([value]) => present.has(value))
        .map(([value, label]) => ({ value, label })),
      match: (correction, value) => correction.kind === value,
    },
  ]
}

const keyOf = (correction: Correction) => String(correction.correction_pk)

/** Everything that people corrected, and the way back. */
export default function CorrectionsScreen() {
  const [currentPk, setCurrentPk] = useState<number>()
  useLive(['study.updated'], [['corrections']])
  const pages = useInfiniteQuery({
    queryKey: ['corrections', 'list'],
    queryFn: ({ pageParam, signal }) => http.get<CorrectionPage>('/api/archive/corrections', { query: { cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  })
  const rows = useMemo(() => pages.data?.pages.flatMap((page) => page.items), [pages.data])
  const filters = useMemo(() => filtersFor(rows), [rows])
  const current = rows?.find((correction) => correction.correction_pk === currentPk)
  return (
    <Screen
      title="Corrections"
      note="The images received stay as they are; each of these can be taken back."
      actions={<Places here="/corrections" />}
      inspectorLabel="The chosen correction"
      inspectorHint="Choose a correction to see what it changed."
      inspector={current ? <Inspector key={keyOf(current)} correction={current} /> : null}
    >
      <WorkList
        id="corrections"
        noun="corrections"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        filters={filters}
        onCurrent={(correction) => setCurrentPk(correction?.correction_pk)}
        isQuiet={(correction) => correction.undone_at !== null}
        onMore={() => {
          if (pages.hasNextPage && !pages.isFetchingNextPage) void pages.fetchNextPage()
        }}
        error={pages.error}
        onRetry={() => void pages.refetch()}
        empty={{ title: 'Nothing was corrected yet', hint: 'Open a study to edit what it says, move its series, split or merge it.' }}
      />
    </Screen>
  )
}

function Inspector({ correction }: { correction: Correction }) {
  return (
    <>
      <Section title={kindWord(correction)}>
        <Facts
          facts={[
            ['Why', correction.reason],
            ['By', correction.corrected_by],
            ['When', <DateTime key="when" value={correction.corrected_at} />],
          ]}
        />
        <CorrectionAct correction={correction} />
      </Section>
      <Section title="The study">
        <Facts
          facts={[
            ['Patient', <PersonName key="patient" value={correction.patient_name} />],
            ['Patient ID', correction.patient_id],
            ['Study', correction.study_description],
            ['Study date', <DicomDate key="date" value={correction.study_date} />],
            ['Accession number', correction.accession_number],
            ['Led to', correction.target_study_pk === null ? null : [formatPersonName(correction.target_patient_name ?? ''), correction.target_study_description].filter(Boolean).join(', ')],
          ]}
        />
        <div className={classes['buttons']}>
          <Button component={Link} to={`/studies/${correction.target_study_pk ?? correction.study_pk}`} variant="default">
            Open the study
          </Button>
        </div>
      </Section>
    </>
  )
}
