import { Button, SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { http } from '@/lib/api'
import { DateTime, Facts, Screen, Section, StateSign, WorkList, type WorkColumn } from '@/ui'
import classes from './associations.module.css'
import { promiseText, stateOf, type Commitment } from './types'

const COLUMNS: readonly WorkColumn<Commitment>[] = [
  {
    id: 'state',
    label: 'State',
    value: stateOf,
    render: (one) => <StateSign state={stateOf(one)} of="queue" />,
    width: 118,
  },
  { id: 'peer', label: 'Asked by', value: (one) => one.calling_ae_title, width: 140, grow: 1 },
  { id: 'promise', label: 'Promised', value: promiseText, width: 190, grow: 1 },
  {
    id: 'requested',
    label: 'Asked',
    value: (one) => new Date(one.requested_at),
    render: (one) => <DateTime value={one.requested_at} />,
    width: 130,
  },
  {
    id: 'reported',
    label: 'Told',
    value: (one) => (one.reported_at ? new Date(one.reported_at) : null),
    render: (one) => (one.reported_at ? <DateTime value={one.reported_at} /> : null),
    width: 130,
  },
  { id: 'fault', label: 'What is wrong', value: (one) => one.last_error, width: 200, grow: 2 },
]

const keyOf = (one: Commitment) => String(one.storage_commitment_pk)

/** Who asked that objects be kept for sure, and what they were told. */
export default function CommitmentsScreen() {
  const [waiting, setWaiting] = useState(false)
  const [currentPk, setCurrentPk] = useState<number>()
  const list = useQuery({
    queryKey: ['storage-commitments', waiting],
    queryFn: () => http.get<Commitment[]>('/api/archive/storage-commitments', { query: { waiting } }),
    refetchInterval: 10_000,
  })
  const current = list.data?.find((one) => one.storage_commitment_pk === currentPk)
  return (
    <Screen
      title="Storage commitments"
      actions={
        <>
          <SegmentedControl
            aria-label="Which requests"
            value={waiting ? 'waiting' : 'all'}
            onChange={(value) => setWaiting(value === 'waiting')}
            data={[
              { value: 'all', label: 'All' },
              { value: 'waiting', label: 'Not told yet' },
            ]}
          />
          <Button component={Link} to="/system/announcements" variant="default">
            What others have
          </Button>
          <Button component={Link} to="/system/associations" variant="default">
            Associations
          </Button>
        </>
      }
      inspectorLabel="The chosen request"
      inspectorHint="Choose a request to see what was promised."
      inspector={current ? <CommitmentInspector commitment={current} /> : null}
    >
      <WorkList
        key={String(waiting)}
        id="storage-commitments"
        noun="requests"
        rows={list.data}
        rowKey={keyOf}
        columns={COLUMNS}
        defaultSort={{ column: 'requested', descending: true }}
        onCurrent={(one) => setCurrentPk(one?.storage_commitment_pk)}
        isUrgent={(one) => stateOf(one) === 'failed' || stateOf(one) === 'retrying'}
        error={list.error}
        onRetry={() => void list.refetch()}
        empty={
          waiting
            ? { title: 'Everybody was told', hint: 'Requests whose outcome was not heard yet stand here.' }
            : {
                title: 'Nobody has asked',
                hint: 'A modality that asks for storage commitment may delete its images once it is promised that they are safe here.',
              }
        }
      />
    </Screen>
  )
}

function CommitmentInspector({ commitment }: { commitment: Commitment }) {
  return (
    <Section title={commitment.calling_ae_title}>
      <Facts
        facts={[
          ['State', <StateSign key="state" state={stateOf(commitment)} of="queue" />],
          ['Objects asked for', commitment.objects.toLocaleString()],
          ['Promised', promiseText(commitment)],
          ['Asked', <DateTime key="asked" value={commitment.requested_at} />],
          ['Told', commitment.reported_at ? <DateTime key="told" value={commitment.reported_at} /> : 'not yet'],
          ['Calls in vain', commitment.attempt_count.toLocaleString()],
          ['What is wrong', commitment.last_error ?? 'nothing'],
          [
            'Transaction UID',
            <span key="uid" className={classes['uid']}>
              {commitment.transaction_uid}
            </span>,
          ],
        ]}
      />
    </Section>
  )
}
