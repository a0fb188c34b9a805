import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { http, useSession, type Page } from '@/lib/api'
import { DateTime, Screen, StateSign, toast, WorkList, type WorkAction, type WorkColumn, type WorkFilter } from '@/ui'
import classes from './admin.module.css'
import type { Integrity, Job } from './types'

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

const keyOf = (job: Job) => String(job.job_id)

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
  const rows = useMemo(() => jobs.data?.items.filter((job) => job.status !== 'succeeded'), [jobs.data])
  const count = (status: string) => rows?.filter((job) => job.status === status).length ?? 0
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
        <Link to="/system/store" className={classes['part']}>
          <header>
            <h2>The store</h2>
            <StateSign state={damaged === undefined ? 'unknown' : damaged ? 'down' : 'up'} of="device" />
          </header>
          <div className={classes['figure']}>
            {damaged ?? ''} <small>{damaged === undefined ? '' : damaged === 1 ? 'damaged image' : 'damaged images'}</small>
          </div>
        </Link>
        <section className={classes['part']}>
          <header>
            <h2>Background work</h2>
            <StateSign state={count('failed') ? 'failed' : count('doing') ? 'doing' : 'idle'} of="queue" />
          </header>
          <div className={classes['figure']}>
            {count('failed')} <small>failed</small> {count('doing')} <small>running</small> {count('todo')} <small>queued</small>
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
