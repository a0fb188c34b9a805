import { Button } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useLive, useSession, type Page } from '@/lib/api'
import {
  ConfirmIrreversible,
  DateTime,
  Facts,
  PersonName,
  ProblemNote,
  Screen,
  Section,
  StateSign,
  toast,
  toastProblem,
  WorkList,
  type WorkColumn,
} from '@/ui'
import classes from './billing.module.css'
import { download } from './files'
import { formatMoney } from './money'
import type { Batch, ClaimRow } from './types'

const stateOf = (batch: Batch) => (batch.sent_at ? 'sent' : 'generated')

const COLUMNS: readonly WorkColumn<Batch>[] = [
  { id: 'number', label: 'Control number', value: (batch) => batch.interchange_control_number, width: 130, align: 'right' },
  {
    id: 'created_at',
    label: 'Made',
    value: (batch) => new Date(batch.created_at),
    render: (batch) => <DateTime value={batch.created_at} />,
    width: 140,
    grow: 1,
  },
  { id: 'created_by', label: 'By', value: (batch) => batch.created_by, width: 130, grow: 1 },
  { id: 'claim_count', label: 'Claims', value: (batch) => batch.claim_count, width: 80, align: 'right' },
  {
    id: 'total_minor',
    label: 'Amount',
    value: (batch) => batch.total_minor,
    render: (batch) => formatMoney(batch.total_minor),
    width: 120,
    align: 'right',
  },
  { id: 'usage', label: 'For', value: (batch) => (batch.usage_indicator === 'P' ? 'Production' : 'Test'), width: 100 },
  {
    id: 'state',
    label: 'State',
    value: stateOf,
    render: (batch) => <StateSign state={batch.claim_count ? stateOf(batch) : 'void'} of="claim" />,
    width: 120,
  },
]

const keyOf = (batch: Batch) => String(batch.claim_batch_pk)

/** Files of claims: fetched, handed in, or taken back while they are still here. */
export default function FilesScreen() {
  const { may } = useSession()
  const [currentPk, setCurrentPk] = useState<number>()
  const batches = useQuery({
    queryKey: ['claims', 'batches'],
    queryFn: () => http.get<Page<Batch>>('/api/billing/batches', { query: { limit: 500 } }),
  })
  useLive(['claim_batch.changed'], [['claims']])
  const current = batches.data?.items.find((batch) => batch.claim_batch_pk === currentPk)
  return (
    <Screen
      title="Claim files"
      inspectorLabel="The chosen file"
      inspectorHint="Choose a file to fetch it, or to say that it was handed in."
      inspector={current ? <FileInspector key={current.claim_batch_pk} batch={current} mayWrite={may('billing.write')} /> : null}
    >
      <WorkList
        id="claim-files"
        noun="files"
        rows={batches.data?.items}
        rowKey={keyOf}
        columns={COLUMNS}
        defaultSort={{ column: 'number', descending: true }}
        onCurrent={(batch) => setCurrentPk(batch?.claim_batch_pk)}
        error={batches.error}
        onRetry={() => void batches.refetch()}
        empty={{ title: 'No file was made yet', hint: 'Ready claims are put into an 837P file on the claims screen.' }}
      />
    </Screen>
  )
}

function FileInspector({ batch, mayWrite }: { batch: Batch; mayWrite: boolean }) {
  const client = useQueryClient()
  const [asking, setAsking] = useState<'sent' | 'undo'>()
  const claims = useQuery({
    queryKey: ['claims', 'of-file', batch.claim_batch_pk],
    queryFn: () => http.get<Page<ClaimRow>>('/api/billing/claims', { query: { claim_batch_pk: batch.claim_batch_pk, limit: 500 } }),
  })
  const step = async (name: 'sent' | 'undo', done: string) => {
    await http.post(`/api/billing/batches/${batch.claim_batch_pk}/${name}`)
    await client.invalidateQueries({ queryKey: ['claims'] })
    toast(done)
  }
  const inside = claims.data?.items ?? []
  const takenBack = claims.data !== undefined && inside.length === 0
  return (
    <>
      <Section title={`File ${batch.interchange_control_number}`} aside={<StateSign state={takenBack ? 'void' : stateOf(batch)} of="claim" />}>
        <div className={classes['total']}>
          {formatMoney(batch.total_minor)} <small>{batch.claim_count === 1 ? '1 claim' : `${batch.claim_count} claims`}</small>
        </div>
        <Facts
          facts={[
            ['Made', <DateTime key="made" value={batch.created_at} />],
            ['By', batch.created_by],
            ['Handed in', batch.sent_at ? <DateTime key="sent" value={batch.sent_at} /> : 'not yet'],
            ['By', batch.sent_by],
          ]}
        />
        {mayWrite ? (
          <div className={classes['buttons']}>
            <Button
              variant={batch.sent_at || takenBack ? 'default' : 'filled'}
              onClick={() => void download(batch.claim_batch_pk).catch((error: unknown) => toastProblem(error, 'The file was not fetched'))}
            >
              Fetch the file
            </Button>
            {batch.sent_at || takenBack ? null : (
              <>
                <Button variant="default" onClick={() => setAsking('sent')}>
                  It was handed in
                </Button>
                <Button variant="default" onClick={() => setAsking('undo')}>
                  Take it back
                </Button>
              </>
            )}
          </div>
        ) : null}
        {takenBack ? <p className={classes['note']}>Its claims were taken out again. The file is kept, its number is not used again.</p> : null}
      </Section>
      {claims.error ? <ProblemNote error={claims.error} /> : null}
      {inside.length ? (
        <Section title="Claims in it">
          <ul className={classes['inside']}>
            {inside.map((claim) => (
              <li key={claim.claim_pk}>
                <span>
                  <PersonName value={claim.patient.patient_name} first="alphabetic" />
                  <small>
                    {claim.claim_number} · {claim.procedures.join('; ')}
                  </small>
                </span>
                <span className={classes['amount']}>{formatMoney(claim.total_minor, claim.currency)}</span>
              </li>
            ))}
          </ul>
        </Section>
      ) : null}
      <ConfirmIrreversible
        opened={asking === 'sent'}
        title="Was this file handed in?"
        confirm="It was handed in"
        onConfirm={() => step('sent', 'The claims are sent.')}
        onClose={() => setAsking(undefined)}
      >
        The {batch.claim_count} claims in it become sent. They can then no longer be changed here before the payer answers.
      </ConfirmIrreversible>
      <ConfirmIrreversible
        opened={asking === 'undo'}
        title="Take the claims out of this file?"
        confirm="Take the file back"
        onConfirm={() => step('undo', 'The claims are open again.')}
        onClose={() => setAsking(undefined)}
      >
        Only where the file was not handed in: the clearing house would otherwise see its claims twice. The claims can be changed again and
        go into a later file with another number.
      </ConfirmIrreversible>
    </>
  )
}
