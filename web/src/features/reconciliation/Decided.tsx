import { Button } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useLive } from '@/lib/api'
import { barOf } from '@/lib/patient'
import { formatPersonName } from '@/lib/personname'
import { DateTime, Facts, PatientBar, PersonName, ReasonDialog, Section, toast, type WorkColumn, WorkList } from '@/ui'
import classes from './reconciliation.module.css'
import { studyWords } from './rules'
import type { Resolved, ResolvedPage } from './types'

const COLUMNS: readonly WorkColumn<Resolved>[] = [
  {
    id: 'linked_at',
    label: 'Decided',
    value: (one) => new Date(one.linked_at),
    render: (one) => <DateTime value={one.linked_at} />,
    width: 116,
  },
  {
    id: 'patient_name',
    label: 'Patient',
    value: (one) => formatPersonName(one.patient.patient_name),
    render: (one) => <PersonName value={one.patient.patient_name} first="alphabetic" />,
    width: 110,
    grow: 2,
  },
  { id: 'accession_number', label: 'Accession', value: (one) => one.accession_number, width: 120 },
  { id: 'procedure', label: 'Order', value: (one) => one.requested_procedure_description, width: 120, grow: 2 },
  { id: 'images', label: 'Images', value: (one) => one.number_of_study_related_instances, width: 60, align: 'right' },
  { id: 'linked_by', label: 'By', value: (one) => one.linked_by, width: 110, grow: 1 },
]
const UNDONE = ['Wrong order chosen', 'Another patient', 'Decided too early']
const keyOf = (one: Resolved) => String(one.study_pk)

/** What people decided, newest first; each can be taken back. */
export function Decided() {
  const [currentPk, setCurrentPk] = useState<number>()
  useLive(['study.linked', 'study.unmatched'], [['reconciled']])
  const decided = useQuery({
    queryKey: ['reconciled'],
    queryFn: ({ signal }) => http.get<ResolvedPage>('/api/reconciliation/resolved', { signal }),
  })
  const current = decided.data?.items.find((one) => one.study_pk === currentPk) ?? decided.data?.items[0]
  return (
    <div className={classes['split']} data-wide>
      <div className={classes['queue']}>
        <WorkList
          id="reconciled"
          noun="decisions"
          rows={decided.data?.items}
          rowKey={keyOf}
          columns={COLUMNS}
          onCurrent={(one) => one && setCurrentPk(one.study_pk)}
          error={decided.error}
          onRetry={() => void decided.refetch()}
          empty={{ title: 'Nobody decided anything yet', hint: 'What is hung on an order by hand stands here and can be taken back.' }}
        />
      </div>
      <div className={classes['detail']}>{current ? <Decision key={current.study_pk} decision={current} /> : null}</div>
    </div>
  )
}

function Decision({ decision }: { decision: Resolved }) {
  const client = useQueryClient()
  const [asking, setAsking] = useState(false)
  return (
    <>
      <div className={classes['bar']}>
        <PatientBar patient={barOf(decision.patient)} />
      </div>
      <Section title={decision.requested_procedure_description}>
        <Facts
          facts={[
            ['Accession', decision.accession_number],
            ['Study', studyWords(decision)],
            ['Images', decision.number_of_study_related_instances],
            ['Decided', <DateTime key="when" value={decision.linked_at} />],
            ['By', decision.linked_by],
          ]}
        />
        <div className={classes['act']}>
          <Button variant="default" onClick={() => setAsking(true)}>
            Take it back
          </Button>
        </div>
      </Section>
      <ReasonDialog
        opened={asking}
        title="Take this decision back?"
        reasons={UNDONE}
        confirm="Take it back"
        onConfirm={async (reason) => {
          await http.post(`/api/reconciliation/${decision.study_pk}/undo`, { reason })
          await Promise.all([
            client.invalidateQueries({ queryKey: ['reconciliation'] }),
            client.invalidateQueries({ queryKey: ['reconciled'] }),
          ])
          toast('The study waits again.')
        }}
        onClose={() => setAsking(false)}
      >
        <p>The images show again what they brought, and wait for an order. A report that was written stays with the order.</p>
      </ReasonDialog>
    </>
  )
}
