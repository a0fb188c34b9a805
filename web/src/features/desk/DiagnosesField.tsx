import { Pill } from '@mantine/core'
import type { ReactNode } from 'react'
import { http, type Page } from '@/lib/api'
import classes from './desk.module.css'
import { Picker } from './Picker'
import type { Diagnosis } from './types'

/** What is suspected or known, as ICD-10-CM codes: the principal one first. */
export function DiagnosesField({
  value,
  error,
  onChange,
}: {
  value: readonly Pick<Diagnosis, 'code' | 'description'>[]
  error: ReactNode
  onChange: (value: Pick<Diagnosis, 'code' | 'description'>[]) => void
}) {
  return (
    <div>
      <Picker<Diagnosis>
        id="diagnoses"
        label="Diagnoses, ICD-10-CM"
        placeholder="Code or words: R51, knee pain"
        minCharacters={2}
        disabled={value.length >= 12}
        error={error}
        search={async (typed, signal) => (await http.post<Page<Diagnosis>>('/api/orders/diagnoses/find', { text: typed }, { signal })).items}
        keyOf={(one) => one.code}
        line={(one) => (
          <span className={classes['choice']}>
            <span>
              <b>{one.code}</b> {one.description}
            </span>
            {one.billable ? null : <span>not specific enough to bill</span>}
          </span>
        )}
        onPick={(one) => onChange([...value.filter((other) => other.code !== one.code), one])}
        none="No code is found by this."
      />
      {value.length ? (
        <ul className={classes['codes']}>
          {value.map((one) => (
            <li key={one.code}>
              <Pill withRemoveButton removeButtonProps={{ 'aria-label': `Remove ${one.code}` }} onRemove={() => onChange(value.filter((other) => other !== one))}>
                {one.code}
              </Pill>
              {one.description}
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  )
}
