import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { IconTrash } from '@tabler/icons-react'
import { useMemo, useState } from 'react'
import { http, useLive, useSession } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { DateTime, DicomDate, PersonName, ReasonDialog, Screen, StateSign, toast, WorkList, type WorkAction, type WorkColumn } from '@/ui'
import { Places } from './Places'
import type { FoundStudy, FoundStudyPage } from './types'
import { WHY_TRASH } from './words'

const COLUMNS: readonly WorkColumn<FoundStudy>[] = [
  {
    id: 'patient_name',
    label: 'Patient',
    value: (study) => formatPersonName(study.patient_name ?? ''),
    render: (study) => <PersonName value={study.patient_name} />,
    width: 170,
    grow: 2,
  },
  { id: 'patient_id', label: 'Patient ID', value: (study) => study.patient_id, width: 110, grow: 1 },
  { id: 'date', label: 'Study date', value: (study) => study.study_date, render: (study) => <DicomDate value={study.study_date} />, width: 104 },
  { id: 'modality', label: 'Modality', value: (study) => study.modalities_in_study.join(', '), width: 88 },
  { id: 'description', label: 'Study', value: (study) => study.study_description, width: 180, grow: 2 },
  { id: 'accession', label: 'Accession', value: (study) => study.accession_number, width: 120, grow: 1 },
  { id: 'images', label: 'Images', value: (study) => study.number_of_study_related_instances, width: 76, align: 'right' },
  {
    id: 'held',
    label: 'Hold',
    value: (study) => (study.is_held ? 'held' : ''),
    render: (study) => (study.is_held ? <StateSign state="held" of="object" /> : null),
    width: 100,
  },
  {
    id: 'arrived',
    label: 'Arrived',
    value: (study) => new Date(study.created_at),
    render: (study) => <DateTime value={study.created_at} />,
    width: 130,
  },
]

const keyOf = (study: FoundStudy) => String(study.study_pk)

/** Every study of the archive, to be corrected, held or removed. */
export default function StudiesScreen() {
  const navigate = useNavigate()
  const [typed, setTyped] = useState('')
  const [text] = useDebouncedValue(typed.trim(), 200)
  useLive(['study.updated', 'study.removed', 'study.restored'], [['studies']])
  const pages = useInfiniteQuery({
    queryKey: ['studies', 'list', text],
    queryFn: ({ pageParam, signal }) =>
      http.post<FoundStudyPage>('/api/archive/studies/find', { text, limit: 100, cursor: pageParam ?? null }, { signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    gcTime: 60_000,
  })
  const rows = useMemo(() => pages.data?.pages.flatMap((page) => page.items), [pages.data])
  const { may } = useSession()
  const client = useQueryClient()
  const [going, setGoing] = useState<readonly FoundStudy[]>([])
  const words = `${going.length} ${going.length === 1 ? 'study' : 'studies'}`
  const actions: readonly WorkAction<FoundStudy>[] = may('study.remove')
    ? [
        {
          id: 'trash',
          label: 'Put in the trash',
          icon: <IconTrash size={16} />,
          refuse: (chosen) => (chosen.some((study) => study.is_held) ? 'A study among them is under legal hold.' : undefined),
          run: (chosen) => setGoing(chosen),
        },
      ]
    : []
  return (
    <Screen title="Studies" note="The latest to arrive first" actions={<Places here="/studies" />}>
      <WorkList
        id="archive-studies"
        noun="studies"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        search={{ text: typed, onChange: setTyped, placeholder: 'Name, ID or accession' }}
        searchFocused
        actions={actions}
        onOpen={(study) => void navigate({ to: `/studies/${study.study_pk}` })}
        onMore={() => {
          if (pages.hasNextPage && !pages.isFetchingNextPage) void pages.fetchNextPage()
        }}
        error={pages.error}
        onRetry={() => void pages.refetch()}
        empty={
          text
            ? { title: 'No study begins like that', hint: 'Names, patient IDs and accession numbers are looked for. What was removed stands in the trash.' }
            : { title: 'No study yet', hint: 'What a scanner sends stands here as soon as its first image is in.' }
        }
      />
      <ReasonDialog
        opened={going.length > 0}
        title={`Put ${words} in the trash?`}
        reasons={WHY_TRASH}
        confirm={`Put ${words} in the trash`}
        danger
        onConfirm={async (reason) => {
          for (const study of going) await http.post('/api/archive/removals', { study_instance_uid: study.study_instance_uid, reason })
          await client.invalidateQueries({ queryKey: ['studies'] })
          toast(`${words} put in the trash.`)
        }}
        onClose={() => setGoing([])}
      >
        <p>They vanish at once from lists, the viewer and for other systems, and can be restored until their days in the trash are over.</p>
      </ReasonDialog>
    </Screen>
  )
}
