import { createContext, useContext, type ReactNode } from 'react'
import { formatSpan } from '@/lib/time'
import { FIGURE, GRID, hourName, partOf, place, sameOpened, type Opened, type Today, type Turnaround } from './figures'
import classes from './today.module.css'

interface Opening {
  opened: Opened | undefined
  open: (figure: Opened) => void
}

const OpeningContext = createContext<Opening>({ opened: undefined, open: () => undefined })
export const OpeningProvider = OpeningContext.Provider

/** A number that opens its cases. Nothing behind it, nothing to open. */
export function Figure({ of, count, children, className }: { of: Opened; count: number; children?: ReactNode; className?: string }) {
  const { opened, open } = useContext(OpeningContext)
  const classNames = [classes['figure'], className].join(' ')
  if (!count) {
    return (
      <span className={classNames} data-none>
        {children ?? 0}
      </span>
    )
  }
  const part = partOf(of)
  return (
    <button
      type="button"
      className={classNames}
      data-figure={of.figure}
      aria-pressed={sameOpened(opened, of)}
      title="Open the cases"
      aria-label={`${FIGURE[of.figure]?.title ?? of.figure}${part ? `, ${part}` : ''}: ${count}. Open the cases.`}
      onClick={() => open(of)}
    >
      {children ?? count}
    </button>
  )
}

export const span = (seconds: number | null | undefined) =>
  seconds === null || seconds === undefined ? '–' : formatSpan(seconds * 1000)

const FLOW = [
  { figure: 'ordered', label: 'Ordered', next: 'ordered_to_scheduled' },
  { figure: 'scheduled', label: 'Scheduled', next: 'scheduled_to_acquired' },
  { figure: 'acquired', label: 'Acquired', next: 'acquired_to_first_report' },
  { figure: 'first_reported', label: 'First report', next: 'first_report_to_final' },
  { figure: 'final', label: 'Final', next: '' },
] as const

/** The way of a case from left to right: how many came so far on the day, and how long each stretch took. */
export function Flow({ today }: { today: Today }) {
  return (
    <ol className={classes['flow']}>
      {FLOW.map(({ figure, label, next }) => {
        const stretch = today.turnaround.find((one) => one.name === next)
        return (
          <li key={figure}>
            <div className={classes['station']}>
              <span>{label}</span>
              <Figure of={{ figure }} count={today[figure]} />
            </div>
            {stretch ? (
              <div className={classes['stretch']} data-none={stretch.all.count ? undefined : true}>
                <span>{span(stretch.all.median_s)}</span>
                <i aria-hidden />
              </div>
            ) : null}
          </li>
        )
      })}
    </ol>
  )
}

/** Median and 90th percentile of each stretch, all and STAT, and where they lie on one scale. */
export function TurnaroundTable({ rows }: { rows: readonly Turnaround[] }) {
  return (
    <table className={classes['table']}>
      <thead>
        <tr>
          <th rowSpan={2} scope="col">
            Stretch
          </th>
          <th colSpan={3} scope="colgroup" className={classes['group']}>
            All
          </th>
          <th colSpan={3} scope="colgroup" className={classes['group']} data-stat>
            STAT
          </th>
          <th rowSpan={2} scope="col" className={classes['scaleHead']}>
            <div aria-hidden>
              {GRID.map((mark) => (
                <span key={mark.s} style={{ insetInlineStart: `${place(mark.s) * 100}%` }}>
                  {mark.label}
                </span>
              ))}
            </div>
          </th>
        </tr>
        <tr>
          {['Cases', 'Median', 'p90', 'Cases', 'Median', 'p90'].map((word, index) => (
            <th key={index} scope="col">
              {word}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.name} data-whole={row.name === 'ordered_to_final' || undefined}>
            <th scope="row">{FIGURE[row.name]?.title}</th>
            {([['all', undefined], ['stat', 'STAT']] as const).map(([group, priority]) => {
              const measure = row[group]
              const of = { figure: row.name, priority }
              return [
                <td key={`${group}-count`}>
                  <Figure of={of} count={measure.count + measure.left_out}>
                    {measure.count}
                    {measure.left_out ? <sup>+{measure.left_out}</sup> : null}
                  </Figure>
                </td>,
                <td key={`${group}-median`} className={classes['strong']}>
                  <Figure of={of} count={measure.count}>
                    {span(measure.median_s)}
                  </Figure>
                </td>,
                <td key={`${group}-p90`}>
                  <Figure of={of} count={measure.count}>
                    {span(measure.p90_s)}
                  </Figure>
                </td>,
              ]
            })}
            <td className={classes['scale']}>
              <Scale row={row} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** A tick at the median and a line to the 90th percentile; STAT below in the colour of urgency. */
function Scale({ row }: { row: Turnaround }) {
  return (
    <svg viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden>
      {GRID.map((mark) => (
        <line key={mark.s} x1={place(mark.s) * 100} x2={place(mark.s) * 100} y1="0" y2="20" className={classes['gridLine']} />
      ))}
      {(['all', 'stat'] as const).map((group) => {
        const { median_s, p90_s } = row[group]
        if (median_s === null || p90_s === null) return null
        const y = group === 'all' ? 6.5 : 14
        const [from, to] = [place(median_s) * 100, place(p90_s) * 100]
        return (
          <g key={group} className={classes[group === 'all' ? 'rangeAll' : 'rangeStat']}>
            <line x1={from} x2={Math.max(to, from)} y1={y} y2={y} />
            <line x1={from} x2={from} y1={y - 3.5} y2={y + 3.5} className={classes['tick']} />
          </g>
        )
      })}
    </svg>
  )
}

const ROWS = [
  ['ordered', 'Ordered'],
  ['acquired', 'Acquired'],
  ['final', 'Final'],
] as const

/** Three rows of bars over one clock; each bar opens its hour. */
export function Hours({ today }: { today: Today }) {
  const most = Math.max(1, ...today.by_hour.flatMap((one) => [one.ordered, one.acquired, one.final]))
  return (
    <div className={classes['hours']}>
      {ROWS.map(([figure, label]) => (
        <div key={figure} className={classes['hourRow']}>
          <span className={classes['hourLabel']}>{label}</span>
          <div className={classes['bars']}>
            {today.by_hour.map((one) => (
              <Figure key={one.hour} of={{ figure, hour: one.hour }} count={one[figure]} className={classes['bar']}>
                {one[figure] ? (
                  <>
                    <b>{one[figure]}</b>
                    <i data-of={figure} style={{ height: `${(one[figure] / most) * 100}%` }} />
                  </>
                ) : (
                  <span className="sr-only">0</span>
                )}
              </Figure>
            ))}
          </div>
          <span className={classes['hourTotal']}>{today[figure]}</span>
        </div>
      ))}
      <div className={classes['clock']} aria-hidden>
        {today.by_hour.map((one) => (
          <span key={one.hour}>{one.hour % 3 === 0 ? hourName(one.hour) : ''}</span>
        ))}
      </div>
    </div>
  )
}

/** Volumes of one kind of group. */
export function Groups({
  title,
  rows,
  part,
  name = (key) => key,
}: {
  title: string
  rows: Today['by_modality']
  part: 'modality' | 'site_code' | 'priority'
  name?: (key: string) => ReactNode
}) {
  const most = Math.max(1, ...rows.map((row) => row.acquired))
  return (
    <table className={classes['table']} data-narrow>
      <thead>
        <tr>
          <th scope="col">{title}</th>
          <th scope="col">Ordered</th>
          <th scope="col">Acquired</th>
          <th scope="col">Final</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.key}>
            <th scope="row">{name(row.key)}</th>
            {(['ordered', 'acquired', 'final'] as const).map((figure) => (
              <td key={figure} className={figure === 'acquired' ? classes['withBar'] : undefined}>
                {figure === 'acquired' && row.acquired ? (
                  <i aria-hidden style={{ width: `${(row.acquired / most) * 100}%` }} />
                ) : null}
                <Figure of={{ figure, [part]: row.key }} count={row[figure]} />
              </td>
            ))}
          </tr>
        ))}
        {rows.length ? null : (
          <tr>
            <td colSpan={4} className={classes['nothing']}>
              Nothing on this day.
            </td>
          </tr>
        )}
      </tbody>
    </table>
  )
}
