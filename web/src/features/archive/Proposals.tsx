import { Button } from '@mantine/core'
import { IconCheck, IconTrash } from '@tabler/icons-react'
import { keepPreviousData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState, type ReactNode } from 'react'
import { http } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { ConfirmIrreversible, DicomDate, Facts, PersonName, Screen, Section, StateSign, toast, WorkList, type WorkAction, type WorkColumn } from '@/ui'
import classes from './archive.module.css'
import { Places } from './Places'
import type { Proposal, ProposalPage } from './types'

const COLUMNS: readonly WorkColumn<Proposal>[] = [
  {
    id: 'patient',
    label: 'Patient',
    value: (proposal) => formatPersonName(proposal.patient_name ?? ''),
    render: (proposal) => <PersonName value={proposal.patient_name} />,
    width: 160,
    grow: 2,
  },
  { id: 'born', label: 'Born', value: (proposal) => proposal.patient_birth_date, render: (proposal) => <DicomDate value={proposal.patient_birth_date} />, width: 100 },
  { id: 'date', label: 'Study date', value: (proposal) => proposal.study_date, render: (proposal) => <DicomDate value={proposal.study_date} />, width: 100 },
  { id: 'study', label: 'Study', value: (proposal) => [proposal.modalities_in_study.join(', '), proposal.study_description].filter(Boolean).join(' · '), width: 180, grow: 2 },
  { id: 'images', label: 'Images', value: (proposal) => proposal.number_of_study_related_instances, width: 76, align: 'right' },
  { id: 'rule', label: 'Rule', value: (proposal) => proposal.rule_name, width: 160, grow: 1 },
  { id: 'since', label: 'Over since', value: (proposal) => proposal.expired_on, render: (proposal) => <DicomDate value={proposal.expired_on} />, width: 104 },
  {
    id: 'held',
    label: 'Hold',
    value: (proposal) => (proposal.is_held ? 'held' : ''),
    render: (proposal) => (proposal.is_held ? <StateSign state="held" of="object" /> : null),
    width: 100,
  },
]

const keyOf = (proposal: Proposal) => String(proposal.retention_proposal_pk)

/** Studies that are over by a retention rule: a person says whether they go. */
export function Proposals({ tools }: { tools: ReactNode }) {
  const client = useQueryClient()
  const [currentPk, setCurrentPk] = useState<number>()
  const [going, setGoing] = useState<readonly Proposal[]>([])
  const pages = useInfiniteQuery({
    queryKey: ['retention-proposals'],
    queryFn: ({ pageParam, signal }) => http.get<ProposalPage>('/api/archive/retention-proposals', { query: { cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  })
  const rows = useMemo(() => pages.data?.pages.flatMap((page) => page.items), [pages.data])
  const current = rows?.find((proposal) => proposal.retention_proposal_pk === currentPk)
  const decide = async (proposals: readonly Proposal[], decision: 'trash' | 'keep') => {
    const { studies } = await http.post<{ studies: number }>('/api/archive/retention-proposals/decision', {
      retention_proposal_pks: proposals.map((one) => one.retention_proposal_pk),
      decision,
    })
    await Promise.all(['retention-proposals', 'removals'].map((key) => client.invalidateQueries({ queryKey: [key] })))
    const words = `${studies} ${studies === 1 ? 'study' : 'studies'}`
    toast(decision === 'trash' ? `${words} put in the trash.` : `${words} kept for another year.`)
  }
  const actions: readonly WorkAction<Proposal>[] = [
    {
      id: 'trash',
      label: 'Put in the trash',
      icon: <IconTrash size={16} />,
      refuse: (chosen) => (chosen.some((one) => one.is_held) ? 'A study among them is under legal hold.' : chosen.length > 200 ? 'At most 200 at once.' : undefined),
      run: (chosen) => setGoing(chosen),
    },
    { id: 'keep', label: 'Keep for another year', icon: <IconCheck size={16} />, run: (chosen) => decide(chosen, 'keep') },
  ]
  return (
    <Screen
      title="Trash"
      note="By the retention rules these need be kept no longer. Nothing goes before somebody says so."
      actions={<Places here="/trash" />}
      inspectorLabel="The chosen study"
      inspectorHint="Choose a study to see why its time is over."
      inspector={
        current ? (
          <Section title="Its time is over">
            <Facts
              facts={[
                ['Patient', <PersonName key="patient" value={current.patient_name} />],
                ['Patient ID', current.patient_id],
                ['Born', <DicomDate key="born" value={current.patient_birth_date} />],
                ['Study', [current.modalities_in_study.join(', '), current.study_description].filter(Boolean).join(' · ')],
                ['Accession number', current.accession_number],
                ['Study date', <DicomDate key="date" value={current.study_date} />],
                ['Rule', current.rule_name],
                ['Over since', <DicomDate key="since" value={current.expired_on} />],
              ]}
            />
            <div className={classes['buttons']}>
              <Button variant="default" onClick={() => void decide([current], 'keep')}>
                Keep for another year
              </Button>
              <Button variant="default" disabled={current.is_held} onClick={() => setGoing([current])}>
                Put in the trash
              </Button>
            </div>
          </Section>
        ) : null
      }
    >
      <WorkList
        id="retention-proposals"
        noun="studies"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        actions={actions}
        onCurrent={(proposal) => setCurrentPk(proposal?.retention_proposal_pk)}
        total={pages.data?.pages[0]?.total}
        onMore={() => {
          if (pages.hasNextPage && !pages.isFetchingNextPage) void pages.fetchNextPage()
        }}
        error={pages.error}
        onRetry={() => void pages.refetch()}
        tools={tools}
        empty={{ title: 'No study is over its time', hint: 'Every night the retention rules are looked through; what they no longer keep stands here.' }}
      />
      <ConfirmIrreversible
        opened={going.length > 0}
        title={`Put ${going.length} ${going.length === 1 ? 'study' : 'studies'} in the trash?`}
        confirm={`Put ${going.length === 1 ? 'it' : 'them'} in the trash`}
        onConfirm={() => decide(going, 'trash')}
        onClose={() => setGoing([])}
      >
        They vanish at once, can be restored until their days in the trash are over, and are destroyed then.
      </ConfirmIrreversible>
    </Screen>
  )
}
