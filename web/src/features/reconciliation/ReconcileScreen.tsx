import { Button, SegmentedControl } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useLive, useSession } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { Age, Empty, PersonName, Screen, WorkList, type WorkColumn } from '@/ui'
import { Compare } from './Compare'
import { Decided } from './Decided'
import { AtOtherArchives } from './Elsewhere'
import { studyWords } from './rules'
import { Split } from './Split'
import type { Waiting, WaitingPage } from './types'
import { UnscheduledWork } from './Unscheduled'

const COLUMNS: readonly WorkColumn<Waiting>[] = [
  {
    id: 'patient_name',
    label: 'The images say',
    value: (study) => formatPersonName(study.patient_name ?? ''),
    render: (study) => <PersonName value={study.patient_name} first="alphabetic" />,
    width: 110,
    grow: 3,
  },
  {
    id: 'study_description',
    label: 'Study',
    value: studyWords,
    width: 90,
    grow: 2,
  },
  {
    id: 'images',
    label: 'Images',
    value: (study) => study.number_of_study_related_instances,
    width: 52,
    align: 'right',
  },
  {
    id: 'age',
    label: 'Waits',
    value: (study) => new Date(study.arrived_at),
    render: (study) => <Age since={study.arrived_at} />,
    width: 62,
    align: 'right',
  },
  { id: 'patient_id', label: 'Patient ID', value: (study) => study.patient_id, width: 100, hidden: true },
  { id: 'accession_number', label: 'Accession', value: (study) => study.accession_number, width: 110, hidden: true },
]

type Shown = 'waiting' | 'decided' | 'work' | 'elsewhere'
const keyOf = (study: Waiting) => String(study.study_pk)

/** Studies that hang on no order, until a person says whose they are. */
export default function ReconcileScreen() {
  const { may } = useSession()
  const navigate = useNavigate()
  const [show, setShow] = useState<Shown>('waiting')
  return (
    <Screen
      title="Reconciliation"
      note="Studies that hang on no order wait here; nobody reads them before."
      actions={
        <>
          {may('quarantine.read') ? (
            <Button variant="default" leftSection={<IconAlertTriangle size={16} />} onClick={() => void navigate({ to: '/quarantine' })}>
              Quarantine
            </Button>
          ) : null}
          <SegmentedControl
            aria-label="Which studies"
            value={show}
            onChange={(value) => setShow(value as Shown)}
            data={[
              { value: 'waiting', label: 'Waiting' },
              { value: 'decided', label: 'Decided' },
              { value: 'work', label: 'Scanners’ work' },
              { value: 'elsewhere', label: 'At other archives' },
            ]}
          />
        </>
      }
    >
      {show === 'waiting' ? <WaitingStudies /> : show === 'decided' ? <Decided /> : show === 'work' ? <UnscheduledWork /> : <AtOtherArchives />}
    </Screen>
  )
}

function WaitingStudies() {
  const [currentPk, setCurrentPk] = useState<number>()
  useLive(['study.unmatched', 'study.linked', 'study.updated'], [['reconciliation']])
  const waiting = useQuery({
    queryKey: ['reconciliation'],
    queryFn: ({ signal }) => http.get<WaitingPage>('/api/reconciliation', { signal }),
    refetchInterval: 60_000,
  })
  const rows = waiting.data?.items
  const current = rows?.find((study) => study.study_pk === currentPk) ?? rows?.[0]
  return (
    <Split
      list={
        <WorkList
          id="reconciliation"
          noun="studies"
          rows={rows}
          rowKey={keyOf}
          columns={COLUMNS}
          onCurrent={(study) => study && setCurrentPk(study.study_pk)}
          error={waiting.error}
          onRetry={() => void waiting.refetch()}
          empty={{ title: 'Nothing waits', hint: 'Every study that came agrees with its order.' }}
        />
      }
    >
      {current ? (
        <Compare key={current.study_pk} study={current} />
      ) : rows ? (
        <Empty
          title="Every study hangs where it belongs"
          hint="A study comes here when its accession number is not known, or when it names another patient than its order."
        />
      ) : null}
    </Split>
  )
}
