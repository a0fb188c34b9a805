import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo, type ReactNode } from 'react'
import { http, useSession, type Page } from '@/lib/api'
import { Age, DateTime, Screen, StateSign, toast, WorkList, type WorkAction, type WorkColumn, type WorkFilter } from '@/ui'
import classes from './admin.module.css'
import { needOf, sayBytes, sum, type Need } from './pulse'
import type { Associations, Counts, Forwardings, Integrity, Job, Storage } from './types'

interface Readiness {
  status: string
  checks: Record<string, boolean>
}

const COLUMNS: readonly WorkColumn<Job>[] = [
  {
    id: 'status',
    label: 'State',
    value: (job) => job.status,
    render: (job) => <StateSign state={job.status} of="queue" />,
    width: 110,
  },
  { id: 'task_name', label: 'Task', value: (job) => job.task_name.replace('.', ': ').replaceAll('_', ' '), width: 220, grow: 1 },
  { id: 'attempts', label: 'Attempts', value: (job) => job.attempts, width: 80, align: 'right' },
  {
    id: 'scheduled_at',
    label: 'Due',
    value: (job) => (job.scheduled_at ? new Date(job.scheduled_at) : null),
    render: (job) => <DateTime value={job.scheduled_at} />,
    width: 140,
  },
  { id: 'job_id', label: 'Number', value: (job) => job.job_id, width: 90, align: 'right' },
]

const FILTERS: readonly WorkFilter<Job>[] = [
  {
    id: 'status',
    label: 'State',
    options: [
      { value: 'failed', label: 'Failed' },
      { value: 'doing', label: 'Running' },
      { value: 'todo', label: 'Queued' },
    ],
    match: (job, value) => job.status === value,
  },
]

// Who has more than that to look at needs no exact figure.
const MOST = 100
const most = (count: number | undefined) => (count === undefined ? '' : count >= MOST ? `${MOST}+` : count)

const keyOf = (job: Job) => String(job.job_id)

interface Part {
  name: string
  /** A screen where a person can act. */
  to?: string
  need: Need | undefined
  figures: readonly (readonly [string | number, string])[]
}

/** The parts of the system with their pulse, and the background work with what failed on top. */
export default function SystemScreen() {
  const { may } = useSession()
  const client = useQueryClient()
  const readiness = useQuery({
    queryKey: ['readiness'],
    queryFn: () => http.get<Readiness>('/readyz'),
    refetchInterval: 10_000,
  })
  const jobs = useQuery({
    queryKey: ['jobs'],
    queryFn: () => http.get<Page<Job>>('/api/jobs', { query: { limit: 500 } }),
    refetchInterval: 10_000,
  })
  const integrity = useQuery({
    queryKey: ['integrity'],
    queryFn: () => http.get<Integrity>('/api/archive/integrity'),
    refetchInterval: 60_000,
    enabled: may('config.read'),
  })
  const damaged = integrity.data?.damaged.length
  const pulse = { refetchInterval: 15_000, enabled: may('queue.read') }
  const storage = useQuery({ queryKey: ['storage'], queryFn: () => http.get<Storage>('/api/archive/storage'), refetchInterval: 15_000, enabled: may('config.read') })
  const associations = useQuery({ queryKey: ['associations'], queryFn: () => http.get<Associations>('/api/archive/associations'), ...pulse })
  const messages = useQuery({ queryKey: ['messages', 'counts'], queryFn: () => http.get<Counts>('/api/interfaces/messages/counts'), ...pulse })
  const unsent = useQuery({
    queryKey: ['forwardings', 'pulse'],
    queryFn: async () => {
      const of = (state: 'failed' | 'waiting') => http.get<Forwardings>('/api/routing/forwardings', { query: { state, limit: MOST } })
      const [failed, waiting] = await Promise.all([of('failed'), of('waiting')])
      return { failed: failed.items.length, waiting: waiting.items.length }
    },
    ...pulse,
  })
  const rows = useMemo(() => jobs.data?.items.filter((job) => job.status !== 'succeeded'), [jobs.data])
  const count = (status: string) => rows?.filter((job) => job.status === status).length
  const actions: WorkAction<Job>[] = may('queue.write')
    ? [
        {
          id: 'retry',
          label: 'Try again',
          keys: 'r',
          refuse: (chosen) => (chosen.every((job) => job.status === 'failed') ? undefined : 'Only failed work can be tried again'),
          run: async (chosen) => {
            for (const job of chosen) await http.post(`/api/jobs/${job.job_id}/retry`)
            await client.invalidateQueries({ queryKey: ['jobs'] })
            toast(chosen.length === 1 ? 'It is queued again.' : `${chosen.length} are queued again.`)
          },
        },
      ]
    : []
  const checks = Object.entries(readiness.data?.checks ?? {})
  const toHandle = sum(messages.data, ['failed', 'rejected', 'dead'])
  const inbox = sum(messages.data, ['received', 'queued'])
  const newest = storage.data?.newest_instance_at
  const last = associations.data?.[0]
  const parts: Part[] = [
    {
      name: 'The store',
      to: '/system/store',
      need: damaged === undefined ? undefined : damaged ? 'person' : 'none',
      figures: [
        [damaged ?? '', damaged === 1 ? 'damaged image' : 'damaged images'],
        ...(storage.data ? ([[sayBytes(storage.data.file_system_free_bytes), 'free']] as const) : []),
      ],
    },
    {
      name: 'Quarantine',
      to: '/quarantine',
      need: needOf(storage.data?.quarantine_waiting, 0),
      figures: [[storage.data?.quarantine_waiting ?? '', storage.data?.quarantine_waiting === 1 ? 'object waits for a person' : 'objects wait for a person']],
    },
    {
      name: 'Interfaces',
      to: '/system/messages',
      need: needOf(toHandle, inbox),
      figures: [
        [toHandle ?? '', 'to handle'],
        [inbox ?? '', 'waiting'],
      ],
    },
    {
      name: 'Sending',
      to: '/system/sending',
      need: needOf(unsent.data?.failed, unsent.data?.waiting),
      figures: [
        [most(unsent.data?.failed), 'failed'],
        [most(unsent.data?.waiting), 'waiting'],
      ],
    },
    {
      name: 'DICOM peers',
      to: '/application-entities',
      need: associations.data ? 'none' : undefined,
      figures: [],
    },
  ]
  const lastWords: ReactNode = last ? (
    <>
      {last.calling_ae_title} called <Age since={last.opened_at} /> ago
    </>
  ) : newest ? (
    <>
      last image <Age since={newest} /> ago
    </>
  ) : associations.data && (storage.data || !may('config.read')) ? (
    'nobody called yet'
  ) : null // not known yet

  return (
    <Screen title="System" note={readiness.data ? `this server is ${readiness.data.status}` : undefined}>
      <div className={classes['map']}>
        {checks.map(([name, up]) => (
          <section key={name} className={classes['part']}>
            <header>
              <h2>{name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ')}</h2>
              <StateSign state={up ? 'up' : 'down'} of="device" />
            </header>
          </section>
        ))}
        {parts.map((part) => (
          <Link key={part.name} to={part.to} className={classes['part']}>
            <header>
              <h2>{part.name}</h2>
              {part.need ? <StateSign state={`need_${part.need}`} of="device" /> : null}
            </header>
            <div className={classes['figure']}>
              {part.figures.length ? part.figures.map(([figure, words]) => (
                <span key={words}>
                  {figure} <small>{figure === '' ? '' : words}</small>
                </span>
              )) : <small>{lastWords}</small>}
            </div>
          </Link>
        ))}
        <section className={classes['part']}>
          <header>
            <h2>Background work</h2>
            {rows ? <StateSign state={count('failed') ? 'failed' : count('doing') ? 'doing' : 'idle'} of="queue" /> : null}
          </header>
          <div className={classes['figure']} hidden={!rows}>
            <span>
              {count('failed')} <small>failed</small>
            </span>
            <span>
              {count('doing')} <small>running</small>
            </span>
            <span>
              {count('todo')} <small>queued</small>
            </span>
          </div>
        </section>
      </div>
      <WorkList
        id="jobs"
        noun="pieces of work"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        filters={FILTERS}
        actions={actions}
        defaultSort={{ column: 'status', descending: false }}
        isUrgent={(job) => job.status === 'failed'}
        error={jobs.error}
        onRetry={() => void jobs.refetch()}
        empty={{ title: 'All work is done', hint: 'Renditions, deliveries and housekeeping stand here while they wait, run or fail.' }}
      />
    </Screen>
  )
}
