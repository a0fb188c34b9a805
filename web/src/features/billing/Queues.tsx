import { Glyph, stateLook, type Shape } from '@/ui'
import classes from './billing.module.css'
import { daysBetween, formatMoney } from './money'
import { NEEDS, type Queue } from './types'

/** What the biller looks at: claims in a state, or those that lack one thing. */
export interface Chosen {
  state?: string
  need?: string
}

interface Entry {
  key: string
  label: string
  shape: Shape
  tint: string
  chosen: Chosen
  queue: Queue | undefined
  always: boolean
}

export const keyOfChosen = ({ state = '', need = '' }: Chosen) => `${state}/${need}`

function entriesOf(queues: readonly Queue[]): { title: string; entries: Entry[] }[] {
  const find = (state: string, need: string | null) => queues.find((one) => one.state === state && one.need === need)
  const state = (name: string, label: string, always = false): Entry => {
    const { shape, tint } = stateLook(name, 'claim')
    return { key: `${name}/`, label, shape, tint, chosen: { state: name }, queue: find(name, null), always }
  }
  // A missing report is nobody's to mend here.
  const mendable = Object.entries(NEEDS).filter(([need]) => need !== 'report')
  const needs = mendable.map(([need, label]): Entry => ({
    key: `draft/${need}`,
    label,
    shape: 'question',
    tint: 'urgent',
    chosen: { state: 'draft', need },
    queue: find('draft', need),
    always: false,
  }))
  const groups = [
    { title: 'To mend', entries: [{ ...state('draft', 'All to mend', true), tint: 'plain' }, ...needs] },
    { title: 'To send', entries: [state('ready', 'Ready', true), state('batched', 'In a file')] },
    {
      title: 'Out of hand',
      entries: [
        state('held', 'Awaiting report', true),
        state('sent', 'Sent', true),
        state('accepted', 'Accepted'),
        state('rejected', 'Rejected'),
        state('denied', 'Denied'),
        state('paid', 'Paid'),
      ],
    },
  ]
  return groups.map(({ title, entries }) => ({ title, entries: entries.filter((entry) => entry.always || entry.queue) }))
}

/** The queues by what they need, each with how many claims, how much money, and how old the oldest is; undefined: not known. */
export function Queues({
  queues,
  chosen,
  onChoose,
}: {
  queues: readonly Queue[] | undefined
  chosen: Chosen
  onChoose: (chosen: Chosen) => void
}) {
  return (
    <nav className={classes['queues']} aria-label="Queues">
      {entriesOf(queues ?? []).map(({ title, entries }) => (
        <section key={title}>
          <h2>{title}</h2>
          <ul>
            {entries.map((entry) => (
              <li key={entry.key}>
                <button
                  type="button"
                  className={classes['queue']}
                  aria-current={entry.key === keyOfChosen(chosen) ? 'true' : undefined}
                  onClick={() => onChoose(entry.chosen)}
                >
                  <span className={classes['queueName']} data-tint={entry.queue ? entry.tint : 'quiet'}>
                    <Glyph shape={entry.shape} size={12} />
                    {entry.label}
                  </span>
                  <span className={classes['queueCount']}>{entry.queue?.count ?? (queues && 0)}</span>
                  {entry.queue ? (
                    <span className={classes['queueMore']}>
                      <span>{formatMoney(entry.queue.total_minor)}</span>
                      {entry.queue.oldest_service_date ? <span>oldest {daysBetween(entry.queue.oldest_service_date)} d</span> : null}
                    </span>
                  ) : null}
                </button>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </nav>
  )
}
