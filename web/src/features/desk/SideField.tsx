import type { ReactNode, Ref } from 'react'
import { useKeys } from '@/lib/keys'
import classes from './desk.module.css'

const SIDES = [
  { value: 'L', label: 'LEFT' },
  { value: 'R', label: 'RIGHT' },
  { value: 'B', label: 'BOTH SIDES' },
]

/** The side of a paired part. None is ever chosen for anybody: a chosen one is filled, a missing one is asked for in amber. */
export function SideField({
  value,
  error,
  onChange,
  ref,
}: {
  value: string
  error: ReactNode
  onChange: (value: string) => void
  ref: Ref<HTMLDivElement>
}) {
  useKeys(
    'Side',
    SIDES.map((side) => ({ keys: side.value.toLowerCase(), label: side.label, run: () => onChange(side.value) })),
  )
  return (
    <div ref={ref} role="radiogroup" aria-label="Side" tabIndex={-1} className={classes['side']} data-missing={!value || undefined}>
      <span className={classes['fieldLabel']}>Side</span>
      <div>
        {SIDES.map((side) => (
          <button key={side.value} type="button" role="radio" aria-checked={value === side.value} onClick={() => onChange(side.value)}>
            {side.label}
            <kbd>{side.value}</kbd>
          </button>
        ))}
      </div>
      {value ? null : (
        <p role={error ? 'alert' : undefined} className={error ? classes['fieldError'] : undefined}>
          {error ?? 'Choose the side.'}
        </p>
      )}
    </div>
  )
}
