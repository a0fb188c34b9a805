import type { ReactNode } from 'react'
import classes from './reconciliation.module.css'

/** A list, and beside or below it what is known of its current row. `wide`: the list has the width. */
export function Split({ list, wide, children }: { list: ReactNode; wide?: boolean; children: ReactNode }) {
  return (
    <div className={classes['split']} data-wide={wide || undefined}>
      <div className={classes['queue']}>{list}</div>
      {/* It scrolls, also where nothing in it takes the focus (WCAG 2.1.1). */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <section className={classes['detail']} aria-label="Of the current row" tabIndex={0}>
        {children}
      </section>
    </div>
  )
}
