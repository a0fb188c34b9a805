import { Button } from '@mantine/core'
import type { ReactNode } from 'react'
import { Refusal } from './dialogs'
import classes from './forms.module.css'
import type { ProblemForm } from './useProblemForm'

/** A form in one column or two: fields, what the server refused, and the buttons. */
export function Form<V extends object>({
  of,
  children,
  submit,
  onCancel,
  back = 'Cancel',
  columns = 1,
  more,
}: {
  of: ProblemForm<V>
  children: ReactNode
  /** The button's words: a verb and its object. */
  submit: string
  onCancel?: () => void
  /** The words of the way back, where `Cancel` would be the act itself. */
  back?: string
  columns?: 1 | 2
  /** Further buttons, left of the main one. */
  more?: ReactNode
}) {
  return (
    <form className={classes['form']} onSubmit={of.submit} noValidate>
      <div className={columns === 2 ? classes['two'] : classes['one']}>{children}</div>
      {of.problem ? <Refusal problem={of.problem} /> : null}
      <div className={classes['buttons']}>
        {more}
        {onCancel ? (
          <Button variant="default" onClick={onCancel}>
            {back}
          </Button>
        ) : null}
        <Button type="submit" loading={of.busy}>
          {submit}
        </Button>
      </div>
    </form>
  )
}

/** Takes the whole width of a two-column form. */
export function Wide({ children }: { children: ReactNode }) {
  return <div className={classes['wide']}>{children}</div>
}
