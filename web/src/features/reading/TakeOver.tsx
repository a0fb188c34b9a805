import { Button, TextInput } from '@mantine/core'
import { useState } from 'react'
import classes from './report.module.css'

/** Asks why before taking something over from a colleague. */
export function TakeOver({
  label = 'Take it over',
  onTakeOver,
}: {
  label?: string
  onTakeOver: (reason: string) => Promise<void>
}) {
  const [reason, setReason] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()
  const submit = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      await onTakeOver(reason.trim())
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <form
      className={classes['takeOver']}
      onSubmit={(event) => {
        event.preventDefault()
        if (reason.trim()) void submit()
      }}
    >
      <TextInput
        aria-label="Why you take it over"
        placeholder="Why you take it over; it stays in the record"
        maxLength={200}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
        error={problem}
      />
      <Button type="submit" variant="default" loading={busy} disabled={!reason.trim()}>
        {label}
      </Button>
    </form>
  )
}
