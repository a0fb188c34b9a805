import { Button, CopyButton, Progress, Skeleton } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconAlertTriangle, IconCheck, IconCopy } from '@tabler/icons-react'
import { useEffect, useState, type ReactNode } from 'react'
import { asProblem, type ApiProblem } from '@/lib/problem'
import classes from './feedback.module.css'

const CLOSE = { 'aria-label': 'Close' }

/** Says calmly that something is done. Never patient data: it may be shown over any screen. */
export function toast(message: string): void {
  notifications.show({ message, icon: <IconCheck size={16} />, color: 'safe', withBorder: true, closeButtonProps: CLOSE })
}

/** Says that something was not done, where there is no better place for it than over the screen. */
export function toastProblem(error: unknown, what = 'This was not done'): void {
  const problem = asProblem(error)
  notifications.show({
    title: what,
    message: <ProblemText problem={problem} />,
    icon: <IconAlertTriangle size={16} />,
    color: 'danger',
    withBorder: true,
    autoClose: 12_000,
    closeButtonProps: CLOSE,
  })
}

/** What a refusal says, with its request number to copy. */
export function ProblemText({ problem }: { problem: ApiProblem }) {
  const { detail, title, errors, requestId } = problem
  return (
    <div className={classes['problem']}>
      <p>{detail || title}</p>
      {errors.length ? (
        <ul>
          {errors.map((error) => (
            <li key={error.field + error.reason}>
              {error.field}: {error.reason}
            </li>
          ))}
        </ul>
      ) : null}
      {requestId ? (
        <CopyButton value={requestId}>
          {({ copied, copy }) => (
            <button type="button" className={classes['request']} onClick={copy}>
              <IconCopy size={13} aria-hidden /> {copied ? 'Copied' : `Request ${requestId}`}
            </button>
          )}
        </CopyButton>
      ) : null}
    </div>
  )
}

/** What the last attempt came to, in an inspector; `calm` where it goes on without a person. */
export function Fault({ calm = false, children }: { calm?: boolean; children: ReactNode }) {
  return (
    <div className={classes['fault']} data-calm={calm || undefined}>
      {children}
    </div>
  )
}

/** An error where the eye is: what happened, what is safe, what to do. */
export function ProblemNote({
  error,
  title = 'This could not be shown',
  safe,
  onRetry,
}: {
  error: unknown
  title?: string
  safe?: string
  onRetry?: () => void
}) {
  const problem = asProblem(error)
  return (
    <div className={classes['note']} role="alert">
      <IconAlertTriangle size={18} aria-hidden />
      <div>
        <h3>{title}</h3>
        <ProblemText problem={problem} />
        {safe ? <p>{safe}</p> : null}
        {onRetry ? (
          <Button variant="default" mt={8} onClick={onRetry}>
            Try again
          </Button>
        ) : null}
      </div>
    </div>
  )
}

/** Why a place is empty, and what to do next. */
export function Empty({ title, hint, children }: { title: string; hint?: ReactNode; children?: ReactNode }) {
  return (
    <div className={classes['empty']}>
      <h2>{title}</h2>
      {hint ? <p>{hint}</p> : null}
      {children ? <div className={classes['emptyActions']}>{children}</div> : null}
    </div>
  )
}

/** Shows its children only after a while, so that what is fast shows nothing at all. */
export function Later({ children, after_ms = 100 }: { children: ReactNode; after_ms?: number }) {
  const [due, setDue] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setDue(true), after_ms)
    return () => clearTimeout(timer)
  }, [after_ms])
  return due ? children : null
}

/** The outline of rows or facts to come. */
export function Outline({ rows = 6 }: { rows?: number }) {
  return (
    <Later>
      <div className={classes['outline']} role="status" aria-label="Loading">
        {Array.from({ length: rows }, (_, row) => (
          <Skeleton key={row} height={12} width={`${88 - ((row * 29) % 46)}%`} animate={false} />
        ))}
      </div>
    </Later>
  )
}

/** Progress with what is left, and a way to stop. */
export function ProgressNote({
  label,
  done,
  total,
  onStop,
}: {
  label: string
  done: number
  total: number
  onStop?: () => void
}) {
  return (
    <div className={classes['progress']} role="status">
      <div>
        <span>{label}</span>
        <span>
          {done} of {total}
        </span>
      </div>
      <Progress value={total ? (done / total) * 100 : 0} size={6} aria-label={label} transitionDuration={0} />
      {onStop ? (
        <Button variant="default" onClick={onStop}>
          Stop
        </Button>
      ) : null}
    </div>
  )
}
