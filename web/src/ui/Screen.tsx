import { ActionIcon, Tooltip } from '@mantine/core'
import { IconLayoutSidebarRightCollapse, IconLayoutSidebarRightExpand } from '@tabler/icons-react'
import { useEffect, useState, type ReactNode } from 'react'
import { showKeys, useKeys } from '@/lib/keys'
import { load, save } from '@/lib/storage'
import classes from './Screen.module.css'

export interface ScreenProps {
  /** The screen's name; also the window's title, so never patient data. */
  title: string
  /** A quiet word beside the title: a site, a date, a count. */
  note?: ReactNode
  /** Buttons and controls at the right of the strip. */
  actions?: ReactNode
  /** The patient in context: a `<PatientBar>`. */
  patient?: ReactNode
  /** What the inspector shows of the selected row; undefined: this screen has none; null: nothing is selected. */
  inspector?: ReactNode
  inspectorLabel?: string
  /** What stands in the inspector while nothing is selected. */
  inspectorHint?: string
  /** `list`: the body fills the screen and scrolls itself. `page`: a readable column that scrolls. */
  body?: 'list' | 'page'
  children: ReactNode
}

/** One screen inside the frame: strip, patient bar, work, inspector. */
export function Screen({
  title,
  note,
  actions,
  patient,
  inspector,
  inspectorLabel = 'Inspector',
  inspectorHint = 'Choose a row to see more of it here.',
  body = 'list',
  children,
}: ScreenProps) {
  const [open, setOpen] = useState(() => load('inspector', true))
  const hasInspector = inspector !== undefined
  const toggle = () => {
    save('inspector', !open)
    setOpen(!open)
  }
  useEffect(() => {
    document.title = `${title} · Wetread`
  }, [title])
  useKeys('Screen', [{ keys: 'i', label: 'Show or hide the inspector', run: toggle, disabled: !hasInspector }])

  return (
    <div className={classes['screen']}>
      <header className={classes['strip']}>
        <h1>{title}</h1>
        {note ? <div className={classes['note']}>{note}</div> : null}
        <div className={classes['actions']}>
          {actions}
          {hasInspector ? (
            <Tooltip label={`${open ? 'Hide' : 'Show'} the inspector (${showKeys('i')})`}>
              <ActionIcon onClick={toggle} aria-label={open ? 'Hide the inspector' : 'Show the inspector'} aria-expanded={open}>
                {open ? <IconLayoutSidebarRightCollapse size={18} /> : <IconLayoutSidebarRightExpand size={18} />}
              </ActionIcon>
            </Tooltip>
          ) : null}
        </div>
      </header>
      {patient}
      <div className={classes['work']}>
        <main className={body === 'page' ? classes['page'] : classes['list']} tabIndex={-1}>
          {children}
        </main>
        {hasInspector && open ? (
          <aside
            className={[classes['inspector'], inspector === null ? classes['idle'] : ''].join(' ')}
            aria-label={inspectorLabel}
            // It scrolls, also where nothing in it takes the focus (WCAG 2.1.1).
            // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
            tabIndex={0}
          >
            {inspector ?? <p className={classes['hint']}>{inspectorHint}</p>}
          </aside>
        ) : null}
      </div>
    </div>
  )
}

/** A part of the inspector or of a page: a heading and what belongs to it. */
export function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className={classes['section']}>
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  )
}

/** Label and value pairs, aligned; empty values are left out. */
export function Facts({ facts }: { facts: readonly (readonly [label: string, value: ReactNode])[] }) {
  return (
    <dl className={classes['facts']}>
      {facts.map(([label, value]) =>
        value === null || value === undefined || value === '' ? null : (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ),
      )}
    </dl>
  )
}
