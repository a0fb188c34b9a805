import type { ErrorComponentProps } from '@tanstack/react-router'
import { ProblemNote } from '@/ui'

/** A screen that failed to draw does not take the frame with it. */
export function ScreenFault({ error, reset }: ErrorComponentProps) {
  return (
    <ProblemNote
      error={error}
      title="This screen stopped"
      safe="What was saved is safe. Try again; if it stops again, tell the administrator what is written here."
      onRetry={reset}
    />
  )
}
