import { SegmentedControl } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useSession } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { DateTime, DicomDate, Facts, PersonName, ReasonDialog, Screen, Section, StateSign, toast, WorkList, type WorkColumn } from '@/ui'
import { LiftButton } from './HoldDialog'
import { Places } from './Places'
import type { Hold } from './types'

const stateOf = (hold: Hold) => (hold.stands ? 'held' : 'lifted')
const whatOf = (hold: Hold) => (hold.patient_pk === null ? (hold.study_description ?? 'A study') : 'All studies of the patient')

const COLUMNS: readonly WorkColumn<Hold>[] = [
  { id: 'state', label: 'State', value: stateOf, render: (hold) => <StateSign state={stateOf(hold)} of="object" />, width: 108 },
  {
    id: 'patient',
    label: 'Patient',
    value: (hold) => formatPersonName(hold.patient_name ?? ''),
    render: (hold) => <PersonName value={hold.patient_name} />,
    width: 140,
    grow: 2,
  },
  { id: 'what', label: 'What', value: whatOf, width: 130, grow: 2 },
  { id: 'date', label: 'Study date', value: (hold) => hold.study_date, render: (hold) => <DicomDate value={hold.study_date} />, width: 104 },
  { id: 'reason', label: 'Why', value: (hold) => hold.reason, width: 130, grow: 3 },
  { id: 'by', label: 'By', value: (hold) => hold.placed_by, width: 90 },
  { id: 'placed', label: 'Since', value: (hold) => new Date(hold.placed_at), render: (hold) => <DateTime value={hold.placed_at} />, width: 118 },
  { id: 'until', label: 'Until', value: (hold) => hold.until, render: (hold) => (hold.until ? <DicomDate value={hold.until} /> : 'lifted'), width: 100 },
]

const keyOf = (hold: Hold) => String(hold.legal_hold_pk)

/** What must be kept, whatever rules or people ask for. */
export default function HoldsScreen() {
  const { may } = useSession()
  const [show, setShow] = useState<'standing' | 'over'>('standing')
  const [currentPk, setCurrentPk] = useState<number>()
  const holds = useQuery({
    queryKey: ['holds', 'list', show],
    queryFn: ({ signal }) => http.get<Hold[]>('/api/archive/holds', { query: { standing: show === 'standing' }, signal }),
  })
  const current = holds.data?.find((hold) => hold.legal_hold_pk === currentPk)
  return (
    <Screen
      title="Legal holds"
      note="Nothing under a hold is put in the trash or destroyed."
      actions={<Places here="/holds" />}
      inspectorLabel="The chosen hold"
      inspectorHint="Choose a hold to see it and to lift it. A hold is placed on a study from its own page."
      inspector={current ? <Inspector key={keyOf(current)} hold={current} mayLift={may('study.hold')} /> : null}
    >
      <WorkList
        id="holds"
        noun="holds"
        rows={holds.data}
        rowKey={keyOf}
        columns={COLUMNS}
        onCurrent={(hold) => setCurrentPk(hold?.legal_hold_pk)}
        error={holds.error}
        onRetry={() => void holds.refetch()}
        tools={
          <SegmentedControl
            aria-label="Which holds"
            value={show}
            onChange={(value) => setShow(value === 'over' ? 'over' : 'standing')}
            data={[
              { value: 'standing', label: 'Standing' },
              { value: 'over', label: 'Over' },
            ]}
          />
        }
        empty={
          show === 'standing'
            ? { title: 'Nothing is on hold', hint: 'A study, or all studies of a patient, is put under hold from the page of the study.' }
            : { title: 'No hold is over yet', hint: 'Holds that were lifted or whose day has passed stand here.' }
        }
      />
    </Screen>
  )
}

function Inspector({ hold, mayLift }: { hold: Hold; mayLift: boolean }) {
  const client = useQueryClient()
  const [lifting, setLifting] = useState(false)
  return (
    <>
      <Section title={whatOf(hold)}>
        <Facts
          facts={[
            ['Patient', <PersonName key="patient" value={hold.patient_name} />],
            ['Patient ID', hold.patient_id],
            ['Study date', <DicomDate key="date" value={hold.study_date} />],
            ['Why', hold.reason],
            ['By', hold.placed_by],
            ['Since', <DateTime key="since" value={hold.placed_at} />],
            ['Until', hold.until ?? 'somebody lifts it'],
          ]}
        />
        {hold.stands && mayLift ? <LiftButton onClick={() => setLifting(true)} /> : null}
      </Section>
      {hold.lifted_at ? (
        <Section title="Lifted">
          <Facts
            facts={[
              ['When', <DateTime key="when" value={hold.lifted_at} />],
              ['By', hold.lifted_by],
              ['Why', hold.lifted_reason],
            ]}
          />
        </Section>
      ) : null}
      <ReasonDialog
        opened={lifting}
        title="Lift this hold?"
        reasons={['The case is closed', 'Placed by mistake']}
        confirm="Lift the hold"
        onConfirm={async (reason) => {
          await http.post(`/api/archive/holds/${hold.legal_hold_pk}/lift`, { reason })
          await client.invalidateQueries({ queryKey: ['holds'] })
          toast('The hold is lifted.')
        }}
        onClose={() => setLifting(false)}
      >
        <p>From then on rules and people may remove it again.</p>
      </ReasonDialog>
    </>
  )
}
