import { memo, useMemo, useState } from 'react'
import { linesOf, type Line, type Named } from '../../keep/reports'
import type { PaperLinks, PaperViewProps } from '../paper'
import { useSheet } from '../useSheet'
import { headingOf } from './heading'
import classes from './report.module.css'

/** So many lines are laid out at first: a dose report may have a hundred thousand. */
const AT_FIRST = 2_000

/** A structured report to be read: its heading, what it says as an outline, and its pictures a press away. */
export default function ReportView({ paper, links, onHands }: PaperViewProps) {
  const { setSheet, large } = useSheet(onHands)
  return (
    // What can be scrolled can be reached by keys.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div ref={setSheet} className={classes['sheet']} tabIndex={0} role="document" aria-label={paper.title} data-testid="report">
      <article style={{ fontSize: `calc(var(--text-form) * ${large})` }}>
        <Words instance={paper.instance} links={links} />
      </article>
    </div>
  )
}

const Words = memo(function Words({ instance, links }: { instance: PaperViewProps['paper']['instance']; links: PaperLinks }) {
  const heading = useMemo(() => headingOf(instance), [instance])
  const lines = useMemo(() => linesOf(instance), [instance])
  const [most, setMost] = useState(AT_FIRST)
  return (
    <>
      <header>
        <h2 dir="auto">{heading.title}</h2>
        {heading.standing.length ? (
          <p className={classes['standing']}>
            {heading.standing.map((one) => (
              <span key={one.words} data-final={one.isFinal || undefined}>
                {one.words}
              </span>
            ))}
          </p>
        ) : null}
        {heading.facts.length ? (
          <dl>
            {heading.facts.map((one) => (
              <div key={one.name}>
                <dt>{one.name}</dt>
                <dd dir="auto">{one.value}</dd>
              </div>
            ))}
          </dl>
        ) : null}
      </header>
      {lines.length === 0 ? <p role="note">It says nothing in words.</p> : null}
      {lines.slice(0, most).map((line, at) => (
        <One key={at} line={line} links={links} />
      ))}
      {lines.length > most ? (
        <button type="button" className={classes['more']} onClick={() => setMost(most + 10 * AT_FIRST)}>
          Show more: {lines.length - most} lines are left
        </button>
      ) : null}
    </>
  )
})

const DEEPEST = 8

function One({ line, links }: { line: Line; links: PaperLinks }) {
  const indent = { marginInlineStart: `${Math.min(line.depth, DEEPEST) * 1.25}em` }
  if (line.isHead)
    return (
      <div className={classes['head']} style={indent} role="heading" aria-level={Math.min(6, 3 + line.depth)} dir="auto">
        {line.name}
      </div>
    )
  return (
    <div className={classes['line']} style={indent}>
      {line.name ? <span dir="auto">{line.name}</span> : null}
      {line.value ? <p dir="auto">{line.value}</p> : null}
      {line.named.map((one, at) => (
        <Pointer key={at} named={one} links={links} />
      ))}
    </div>
  )
}

/** A thing that a report points to: a press shows it where it is in a study that is opened here. */
function Pointer({ named, links }: { named: Named; links: PaperLinks }) {
  const found = links.find(named.sopInstanceUid, named.frames)
  if (!found) return <em>An object that is not in the studies opened here</em>
  return (
    <button type="button" className={classes['pointer']} onClick={found.open}>
      {found.words}
    </button>
  )
}
