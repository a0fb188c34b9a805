import { Checkbox } from '@mantine/core'
import { Glyph } from '@/ui'
import classes from './room.module.css'
import type { Check } from './rules'
import type { CheckName } from './types'

/** What to ask and see before the scan. What is ticked goes into the record with the step. */
export function Checks({
  checks,
  checked,
  settled,
  onChange,
}: {
  checks: readonly Check[]
  checked: ReadonlySet<CheckName>
  /** The patient is ready: the checks were made, here or at another place. */
  settled: boolean
  onChange: (name: CheckName, on: boolean) => void
}) {
  return (
    <section className={classes['panel']} aria-labelledby="checks-title">
      <header>
        <h3 id="checks-title">Before the scan</h3>
        <span>{settled ? 'Checked when the patient was made ready' : `${checked.size} of ${checks.length} checked`}</span>
      </header>
      <ul className={classes['checks']}>
        {checks.map((check) => (
          <li key={check.name} data-danger={check.danger || undefined}>
            <Checkbox
              size="md"
              disabled={settled}
              checked={settled || checked.has(check.name)}
              onChange={(event) => onChange(check.name, event.currentTarget.checked)}
              label={check.label}
              description={
                check.danger ? (
                  <span className={classes['alarm']}>
                    <Glyph shape="alert" size={13} /> {check.fact}
                  </span>
                ) : check.name === 'laterality' ? (
                  <strong className={classes['side']}>{check.fact}</strong>
                ) : (
                  check.fact
                )
              }
            />
          </li>
        ))}
      </ul>
    </section>
  )
}
