import { Button } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { http, useLive } from '@/lib/api'
import { barOf } from '@/lib/patient'
import { formatPersonName } from '@/lib/personname'
import { DateTime, Facts, Glyph, PatientBar, PersonName, ReasonDialog, Section, toast, type WorkColumn, WorkList } from '@/ui'
import classes from './reconciliation.module.css'
import { reasonText, studyWords, workWords } from './rules'
import { Split } from './Split'
import type { Hung, HungPage, Resolved, ResolvedPage } from './types'

/** What a person hung on an order: images, or a scanner's work. */
interface Decision {
  key: string
  linked_at: string
  linked_by: string
  patient: Resolved['patient']
  accession_number: string
  order: string
  what: string
  /** What it is in its own words, and where it is taken back. */
  words: readonly [string, string]
  because: string | null
  /** What differed when it was decided. */
  against: readonly string[]
  undo: string
  after: string
}

const OF_IMAGES = 'The images show again what they brought, and wait for an order. A report that was written stays with the order.'
const OF_WORK =
  'The work waits for an order again. The order’s steps stand as they did before, unless other work or images say more. Where a report was written on nothing else, it is refused.'

const ofImages = (one: Resolved): Decision => ({
  ...one,
  key: `study ${one.study_pk}`,
  order: one.requested_procedure_description,
  what: `${one.number_of_study_related_instances} ${one.number_of_study_related_instances === 1 ? 'image' : 'images'}`,
  words: ['Study', studyWords(one)],
  because: one.linked_because,
  against: one.reasons.map(reasonText),
  undo: `/api/reconciliation/${one.study_pk}/undo`,
  after: OF_IMAGES,
})

const ofWork = (one: Hung): Decision => ({
  ...one,
  key: `work ${one.work.performed_procedure_step_pk}`,
  order: one.procedures.join(', '),
  what: 'Scanner’s work',
  words: ['The scanner said', [workWords(one.work), formatPersonName(one.work.patient_name ?? ''), one.work.patient_id].filter(Boolean).join(' · ')],
  because: one.linked_because,
  against: [],
  undo: `/api/reconciliation/performed-steps/${one.work.performed_procedure_step_pk}/undo`,
  after: OF_WORK,
})

const COLUMNS: readonly WorkColumn<Decision>[] = [
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
  { id: 'procedure', label: 'Order', value: (one) => one.order, width: 120, grow: 2 },
  { id: 'what', label: 'What', value: (one) => one.what, width: 110 },
  { id: 'linked_by', label: 'By', value: (one) => one.linked_by, width: 110, grow: 1 },
]
const UNDONE = ['Wrong order chosen', 'Another patient', 'Decided too early']
const keyOf = (one: Decision) => one.key

/** What people decided, newest first; each can be taken back. */
export function Decided() {
  const [currentKey, setCurrentKey] = useState<string>()
  useLive(['study.linked', 'study.unmatched'], [['reconciled']])
  useLive(['performed_step.changed', 'step.changed'], [['reconciled-work']])
  const images = useQuery({
    queryKey: ['reconciled'],
    queryFn: ({ signal }) => http.get<ResolvedPage>('/api/reconciliation/resolved', { signal }),
  })
  const work = useQuery({
    queryKey: ['reconciled-work'],
    queryFn: ({ signal }) => http.get<HungPage>('/api/reconciliation/performed-steps/resolved', { signal }),
  })
  const rows = useMemo(
    () =>
      images.data && work.data
        ? [...images.data.items.map(ofImages), ...work.data.items.map(ofWork)].sort((a, b) => Date.parse(b.linked_at) - Date.parse(a.linked_at))
        : undefined,
    [images.data, work.data],
  )
  const current = rows?.find((one) => one.key === currentKey) ?? rows?.[0]
  return (
    <Split
      wide
      list={
        <WorkList
          id="reconciled"
          noun="decisions"
          rows={rows}
          rowKey={keyOf}
          columns={COLUMNS}
          onCurrent={(one) => one && setCurrentKey(one.key)}
          error={images.error ?? work.error}
          onRetry={() => void Promise.all([images.refetch(), work.refetch()])}
          empty={{ title: 'Nobody decided anything yet', hint: 'What is hung on an order by hand stands here and can be taken back.' }}
        />
      }
    >
      {current ? <One key={current.key} decision={current} /> : null}
    </Split>
  )
}

function One({ decision }: { decision: Decision }) {
  const client = useQueryClient()
  const [asking, setAsking] = useState(false)
  return (
    <>
      <div className={classes['bar']}>
        <PatientBar patient={barOf(decision.patient)} />
      </div>
      <Section title={decision.order}>
        <Facts
          facts={[
            ['Accession', decision.accession_number],
            ['What', decision.what],
            [decision.words[0], decision.words[1]],
            ['Decided', <DateTime key="when" value={decision.linked_at} />],
            ['By', decision.linked_by],
            ['Why', decision.because],
          ]}
        />
        {decision.against.length ? (
          <ul className={classes['reasons']} aria-label="What differed then">
            {decision.against.map((words) => (
              <li key={words}>
                <Glyph shape="alert" size={13} /> {words}
              </li>
            ))}
          </ul>
        ) : null}
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
          await http.post(decision.undo, { reason })
          await Promise.all([
            client.invalidateQueries({ queryKey: ['reconciliation'] }),
            client.invalidateQueries({ queryKey: ['reconciled'] }),
            client.invalidateQueries({ queryKey: ['reconciled-work'] }),
            client.invalidateQueries({ queryKey: ['unscheduled-work'] }),
          ])
          toast('It waits again.')
        }}
        onClose={() => setAsking(false)}
      >
        <p>{decision.after}</p>
      </ReasonDialog>
    </>
  )
}
