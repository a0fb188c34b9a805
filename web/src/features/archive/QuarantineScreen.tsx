import { Button, SegmentedControl, Textarea } from '@mantine/core'
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { http, useLive, useSession } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import {
  Age,
  ConfirmIrreversible,
  DateTime,
  Facts,
  Form,
  Screen,
  Section,
  StateSign,
  toast,
  useProblemForm,
  WorkList,
  type WorkColumn,
  type WorkFilter,
} from '@/ui'
import classes from './archive.module.css'
import {
  formatBytes,
  meaningOfAccepting,
  REASON_LABEL,
  stateOf,
  type QuarantinedObject,
  type QuarantinePage,
  type Resolution,
  type Storage,
} from './types'

const COLUMNS: readonly WorkColumn<QuarantinedObject>[] = [
  {
    id: 'state',
    label: 'State',
    value: (object) => stateOf(object),
    render: (object) => <StateSign state={stateOf(object)} of="object" />,
    width: 120,
  },
  { id: 'reason', label: 'Reason', value: (object) => REASON_LABEL[object.reason], width: 170 },
  {
    id: 'patient_name',
    label: 'Patient',
    value: (object) => formatPersonName(object.patient_name ?? ''),
    width: 160,
    grow: 2,
  },
  { id: 'patient_id', label: 'Patient ID', value: (object) => object.patient_id, width: 110, grow: 1 },
  { id: 'accession_number', label: 'Accession', value: (object) => object.accession_number, width: 110, grow: 1 },
  { id: 'received_from', label: 'From', value: (object) => object.received_from, width: 120, grow: 1 },
  {
    id: 'age',
    label: 'Age',
    value: (object) => new Date(object.received_at),
    render: (object) => <Age since={object.received_at} />,
    width: 80,
    align: 'right',
  },
  {
    id: 'received_at',
    label: 'Received',
    value: (object) => new Date(object.received_at),
    render: (object) => <DateTime value={object.received_at} />,
    width: 140,
    hidden: true,
  },
]

/** Chips only for the reasons that there are: most hospitals never meet most of them. */
function filtersFor(rows: readonly QuarantinedObject[] | undefined): readonly WorkFilter<QuarantinedObject>[] {
  const present = new Set(rows?.map((object) => object.reason))
  return [
    {
      id: 'reason',
      label: 'Reason',
      options: Object.entries(REASON_LABEL)
        .filter(([value]) => present.has(value as QuarantinedObject['reason']))
        .map(([value, label]) => ({ value, label })),
      match: (object, value) => object.reason === value,
    },
  ]
}

const keyOf = (object: QuarantinedObject) => String(object.quarantine_pk)

/** Objects that were kept but not filed, until a person decides; above them, what the archive holds. */
export default function QuarantineScreen() {
  const { may } = useSession()
  const [show, setShow] = useState<'waiting' | 'decided'>('waiting')
  const [currentPk, setCurrentPk] = useState<number>()
  useLive(['object.quarantined', 'object.released'], [['quarantine'], ['storage']])
  const pages = useInfiniteQuery({
    queryKey: ['quarantine', show],
    queryFn: ({ pageParam, signal }) =>
      http.get<QuarantinePage>('/api/archive/quarantine', {
        query: { waiting: show === 'waiting', cursor: pageParam },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  })
  const rows = useMemo(() => pages.data?.pages.flatMap((page) => page.items), [pages.data])
  const filters = useMemo(() => filtersFor(rows), [rows])
  const current = rows?.find((object) => object.quarantine_pk === currentPk)
  return (
    <Screen
      title="Quarantine"
      note="Everything here is kept. Nothing of it is shown with a patient before somebody decides."
      inspectorLabel="The chosen object"
      inspectorHint="Choose an object to see why it waits and what can be done."
      inspector={current ? <Inspector key={current.quarantine_pk} object={current} mayDecide={may('quarantine.write')} /> : null}
    >
      {may('config.read') ? <Figures /> : null}
      <WorkList
        id="quarantine"
        noun="objects"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        filters={filters}
        onCurrent={(object) => setCurrentPk(object?.quarantine_pk)}
        isQuiet={(object) => object.resolution !== null}
        total={pages.data?.pages[0]?.total}
        onMore={() => {
          if (pages.hasNextPage && !pages.isFetchingNextPage) void pages.fetchNextPage()
        }}
        error={pages.error}
        onRetry={() => void pages.refetch()}
        tools={
          <SegmentedControl
            aria-label="Which objects"
            value={show}
            onChange={(value) => setShow(value === 'decided' ? 'decided' : 'waiting')}
            data={[
              { value: 'waiting', label: 'Waiting' },
              { value: 'decided', label: 'Decided' },
            ]}
          />
        }
        empty={
          show === 'waiting'
            ? { title: 'Nothing waits', hint: 'Every object that arrived was filed.' }
            : { title: 'Nothing was decided yet', hint: 'What is tried again, accepted or discarded stands here.' }
        }
      />
    </Screen>
  )
}

function Figures() {
  const storage = useQuery({
    queryKey: ['storage'],
    queryFn: () => http.get<Storage>('/api/archive/storage'),
    refetchInterval: 30_000,
  })
  const numbers = storage.data
  if (!numbers) return null
  return (
    <dl className={classes['map']} aria-label="What the archive holds">
      <div>
        <dt>Studies</dt>
        <dd>
          {numbers.studies.toLocaleString()} <small>{numbers.instances.toLocaleString()} instances</small>
        </dd>
      </div>
      <div>
        <dt>Received</dt>
        <dd>{formatBytes(numbers.original_bytes)}</dd>
      </div>
      <div>
        <dt>For viewing</dt>
        <dd>
          {formatBytes(numbers.rendition_bytes)} <small>{numbers.rendition_objects.toLocaleString()} copies</small>
        </dd>
      </div>
      <div>
        <dt>Free</dt>
        <dd>{formatBytes(numbers.file_system_free_bytes)}</dd>
      </div>
      <div>
        <dt>Newest</dt>
        <dd>{numbers.newest_instance_at ? <Age since={numbers.newest_instance_at} /> : 'none yet'}</dd>
      </div>
    </dl>
  )
}

function Inspector({ object, mayDecide }: { object: QuarantinedObject; mayDecide: boolean }) {
  return (
    <>
      <Section title={REASON_LABEL[object.reason]}>
        <p className={classes['detail']}>{object.detail}</p>
        <Facts
          facts={[
            ['Patient', formatPersonName(object.patient_name ?? '')],
            ['Patient ID', object.patient_id],
            ['Accession number', object.accession_number],
            ['From', object.network_address ? `${object.received_from} (${object.network_address})` : object.received_from],
            ['Received', <DateTime key="received" value={object.received_at} />],
            ['Study', <Uid key="study" value={object.study_instance_uid} />],
            ['Instance', <Uid key="instance" value={object.sop_instance_uid} />],
            ['SOP class', <Uid key="class" value={object.sop_class_uid} />],
          ]}
        />
      </Section>
      {object.resolution ? (
        <Section title="Decided">
          <Facts
            facts={[
              ['What', object.resolution],
              ['Why', object.resolution_reason],
              ['By', object.resolved_by],
              ['When', <DateTime key="when" value={object.resolved_at} />],
            ]}
          />
        </Section>
      ) : mayDecide ? (
        <Decision object={object} />
      ) : null}
    </>
  )
}

function Uid({ value }: { value: string | null }) {
  return value ? <span className={classes['uid']}>{value}</span> : <span className={classes['note']}>not given</span>
}

function Decision({ object }: { object: QuarantinedObject }) {
  const client = useQueryClient()
  const [asking, setAsking] = useState<Resolution>()
  const decide = async (resolution: Resolution, reason: string) => {
    await http.post(`/api/archive/quarantine/${object.quarantine_pk}/resolution`, { resolution, reason })
    await Promise.all([
      client.invalidateQueries({ queryKey: ['quarantine'] }),
      client.invalidateQueries({ queryKey: ['storage'] }),
    ])
    toast({ retried: 'The object is filed.', accepted: 'The object is accepted.', discarded: 'The object is discarded.' }[resolution])
  }
  // A retry is the harmless way and the usual one, once the cause is gone.
  const form = useProblemForm({ initialValues: { reason: '' }, validate: { reason: (text) => (text.trim() ? null : 'Say why.') } }, (values) =>
    decide('retried', values.reason),
  )
  const ask = (resolution: Resolution) => {
    if (!form.form.validate().hasErrors) setAsking(resolution)
  }
  const reason = form.form.getValues().reason
  return (
    <Section title="Decide">
      <Form of={form} submit="Try again">
        <Textarea
          label="Reason"
          description="It stays in the record."
          autosize
          minRows={2}
          maxLength={200}
          {...form.form.getInputProps('reason')}
        />
      </Form>
      <div className={classes['buttons']}>
        {object.can_accept ? (
          <Button variant="default" onClick={() => ask('accepted')}>
            Accept it
          </Button>
        ) : null}
        <Button variant="default" color="danger" onClick={() => ask('discarded')}>
          Discard it
        </Button>
      </div>
      <ConfirmIrreversible
        opened={asking === 'accepted'}
        title="Accept this object?"
        confirm="Accept the object"
        onConfirm={() => decide('accepted', reason)}
        onClose={() => setAsking(undefined)}
      >
        {meaningOfAccepting(object)}
      </ConfirmIrreversible>
      <ConfirmIrreversible
        opened={asking === 'discarded'}
        title="Discard this object?"
        confirm="Discard the object"
        typed="discard"
        onConfirm={() => decide('discarded', reason)}
        onClose={() => setAsking(undefined)}
      >
        Its bytes are removed for good. That it was here, who discarded it and why stays in the record.
      </ConfirmIrreversible>
    </Section>
  )
}
