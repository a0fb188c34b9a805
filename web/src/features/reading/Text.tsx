import { DateTime } from '@/ui'
import classes from './report.module.css'
import { sectionNames, sectionTitle } from './sections'
import type { SignedVersion } from './types'

const KIND: Record<string, string> = { preliminary: 'Preliminary', final: 'Final', addendum: 'Addendum' }

/** A signed version as it is read. */
export function Text({ version }: { version: SignedVersion }) {
  const names = sectionNames(version.sections).filter((name) => version.sections[name]?.trim())
  return (
    <article className={classes['version']} data-kind={version.kind}>
      <header>
        <strong>{KIND[version.kind] ?? version.kind}</strong>
        <span>
          {version.signed_by_name}, <DateTime value={version.signed_at} />
        </span>
      </header>
      {names.map((name) => (
        <section key={name} data-section={name}>
          {version.kind === 'addendum' ? null : <h3>{sectionTitle(name)}</h3>}
          <p>{version.sections[name]}</p>
        </section>
      ))}
    </article>
  )
}
