import { Button, Checkbox } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useLive } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { DateTime, Empty, Glyph, PersonName, ReasonDialog, StateSign, toast, type WorkColumn, WorkList } from '@/ui'
import { Orders, PatientDiffers } from './Orders'
import classes from './reconciliation.module.css'
import { identityDiffers, workWords } from './rules'
import { Split } from './Split'
import type { Candidate, Reported, ReportedPage } from './types'

const KEY = ['unscheduled-work']
const STATUS: Readonly<Record<string, string>> = {
  'IN PROGRESS': 'In progress',
  COMPLETED: 'Completed',
  DISCONTINUED: 'Discontinued',
}
const COLUMNS: readonly WorkColumn<Reported>[] = [
  {
    id: 'patient_name',
    label: 'The scanner says',
    value: (one) => formatPersonName(one.patient_name ?? ''),
    render: (one) => <PersonName value={one.patient_name} first="alphabetic" />,
    width: 120,
    grow: 3,
  },
  { id: 'work', label: 'Work', value: workWords, width: 90, grow: 2 },
  {
    id: 'started_at',
    label: 'Begun',
    value: (one) => new Date(one.started_at),
    render: (one) => <DateTime value={one.started_at} />,
    width: 124,
  },
  { id: 'patient_id', label: 'Patient ID', value: (one) => one.patient_id, width: 100, hidden: true },
  { id: 'station', label: 'Station', value: (one) => one.performed_station_ae_title, width: 120, hidden: true },
  { id: 'status', label: 'State', value: (one) => STATUS[one.performed_procedure_step_status] ?? one.performed_procedure_step_status, width: 96, hidden: true },
  { id: 'reason', label: 'Why', value: (one) => one.unscheduled_reason, width: 160, hidden: true },
]
const keyOf = (one: Reported) => String(one.performed_procedure_step_pk)

const WHY = [
  'Wrong worklist entry chosen at the scanner',
  'Patient ID mistyped at the scanner',
  'Scanned before the order was placed',
  'Seen in the room',
]

/** Work that scanners reported and that hangs on no order, until a person says of which it is. */
export function UnscheduledWork() {
  const [currentPk, setCurrentPk] = useState<number>()
  useLive(['performed_step.changed', 'step.changed'], [KEY])
  const waiting = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => http.get<ReportedPage>('/api/reconciliation/performed-steps', { signal }),
    refetchInterval: 60_000,
  })
  const rows = waiting.data?.items
  const current = rows?.find((one) => one.performed_procedure_step_pk === currentPk) ?? rows?.[0]
  return (
    <Split
      list={
        <WorkList
          id="unscheduled-work"
          noun="reports of scanners"
          rows={rows}
          rowKey={keyOf}
          columns={COLUMNS}
          onCurrent={(one) => one && setCurrentPk(one.performed_procedure_step_pk)}
          error={waiting.error}
          onRetry={() => void waiting.refetch()}
          empty={{ title: 'Nothing waits', hint: 'All work that scanners reported hangs on an order.' }}
        />
      }
    >
      {current ? (
        <One key={current.performed_procedure_step_pk} work={current} />
      ) : rows ? (
        <Empty title="All work hangs on an order" hint="What a scanner reports comes here when it names no step of the worklist, or another patient." />
      ) : null}
    </Split>
  )
}

function One({ work }: { work: Reported }) {
  return (
    <>
      <section className={classes['study']}>
        <div>
          <h2>{workWords(work)}</h2>
          <p className={classes['sub']}>
            {STATUS[work.performed_procedure_step_status] ?? work.performed_procedure_step_status} on {work.performed_station_ae_title}, begun{' '}
            <DateTime value={work.started_at} />
            {work.ended_at ? (
              <>
                , ended <DateTime value={work.ended_at} />
              </>
            ) : null}
          </p>
          <ul className={classes['reasons']}>
            <li>
              <Glyph shape="alert" size={13} /> It hangs on nothing: {work.unscheduled_reason}
            </li>
          </ul>
        </div>
      </section>
      <Orders of={`/api/reconciliation/performed-steps/${work.performed_procedure_step_pk}`} says="The scanner says">
        {(candidate, found) => <HangWork work={work} candidate={candidate} found={found} />}
      </Orders>
    </>
  )
}

function HangWork({ work, candidate, found }: { work: Reported; candidate: Candidate; found: readonly Candidate[] }) {
  const client = useQueryClient()
  const [asking, setAsking] = useState(false)
  const [more, setMore] = useState<readonly number[]>([])
  const beside = found.filter(
    (one) =>
      one.imaging_service_request_pk === candidate.imaging_service_request_pk && one !== candidate && !one.obstacle,
  )
  const chosen = [candidate, ...beside.filter((one) => more.includes(one.requested_procedure_pk))]
  return (
    <>
      <div className={classes['act']}>
        <StateSign state={candidate.state} of="procedure" />
        <span>{candidate.obstacle ? `It cannot hang there: the order ${candidate.obstacle}.` : null}</span>
        <Button size="md" disabled={Boolean(candidate.obstacle)} onClick={() => setAsking(true)}>
          Hang the work on this order
        </Button>
      </div>
      <ReasonDialog
        opened={asking}
        title="Hang the work on this order?"
        reasons={WHY}
        confirm={`Hang it on ${candidate.accession_number}`}
        danger={chosen.some((one) => identityDiffers(one).length > 0)}
        onConfirm={async (reason) => {
          await http.post(`/api/reconciliation/performed-steps/${work.performed_procedure_step_pk}`, {
            requested_procedure_pks: chosen.map((one) => one.requested_procedure_pk),
            patient_pk: candidate.patient.patient_pk,
            reason,
          })
          await Promise.all([
            client.invalidateQueries({ queryKey: KEY }),
            client.invalidateQueries({ queryKey: ['reconciled-work'] }),
          ])
          toast('The work hangs on its order.')
        }}
        onClose={() => setAsking(false)}
      >
        <p>
          It counts as work for <strong>{formatPersonName(candidate.patient.patient_name)}</strong>, {candidate.patient.patient_id}: the order’s
          steps on this kind of scanner move as far as the work has gone. Its images are compared by themselves. This can be taken back under
          Decided.
        </p>
        {beside.map((one) => (
          <Checkbox
            key={one.requested_procedure_pk}
            label={`It was ${one.requested_procedure_description} of this order too`}
            checked={more.includes(one.requested_procedure_pk)}
            onChange={(event) =>
              setMore(
                event.currentTarget.checked
                  ? [...more, one.requested_procedure_pk]
                  : more.filter((pk) => pk !== one.requested_procedure_pk),
              )
            }
          />
        ))}
        <PatientDiffers candidates={chosen} say="the scanner says" />
      </ReasonDialog>
    </>
  )
}
