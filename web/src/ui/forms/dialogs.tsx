import { Button, Modal, PasswordInput, TextInput } from '@mantine/core'
import { useState, type FormEvent, type ReactNode } from 'react'
import { asProblem, type ApiProblem } from '@/lib/problem'
import { ProblemText } from '../feedback'
import classes from './forms.module.css'

/** Asked only for what cannot be undone. The button says what will happen; focus rests on the way back. */
export function ConfirmIrreversible({
  opened,
  title,
  children,
  confirm,
  typed,
  onConfirm,
  onClose,
}: {
  opened: boolean
  title: string
  /** What will be lost, and what stays. */
  children: ReactNode
  /** The button's words: a verb and its object, `Cancel the order`. */
  confirm: string
  /** A word that has to be typed, for what destroys data. */
  typed?: string
  onConfirm: () => Promise<void> | void
  onClose: () => void
}) {
  const [text, setText] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<ApiProblem>()
  const close = () => {
    setText('')
    setProblem(undefined)
    onClose()
  }
  const run = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      await onConfirm()
      close()
    } catch (error) {
      setProblem(asProblem(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Modal opened={opened} onClose={close} title={title} size={460}>
      <div className={classes['dialog']}>
        <div>{children}</div>
        {typed ? (
          <TextInput label={`Type ${typed} to go on`} value={text} onChange={(event) => setText(event.currentTarget.value)} />
        ) : null}
        {problem ? <Refusal problem={problem} /> : null}
        <div className={classes['buttons']}>
          <Button variant="default" onClick={close} data-autofocus={typed ? undefined : true}>
            Go back
          </Button>
          <Button data-tone="danger" loading={busy} disabled={typed !== undefined && text !== typed} onClick={() => void run()}>
            {confirm}
          </Button>
        </div>
      </div>
    </Modal>
  )
}

export interface Reauthentication {
  password: string
  totp: string | null
}

/** Proves who signs: password, and the authenticator's code where the account has one. */
export function ReauthDialog({
  opened,
  title = 'Sign',
  children,
  confirm = 'Sign',
  username,
  onConfirm,
  onClose,
}: {
  opened: boolean
  title?: string
  /** What is being signed, and what the signature means. */
  children?: ReactNode
  confirm?: string
  username: string
  /** Sends the proof with the act itself. A refusal with the field `totp` asks for the code. */
  onConfirm: (proof: Reauthentication) => Promise<void>
  onClose: () => void
}) {
  const [password, setPassword] = useState('')
  const [totp, setTotp] = useState('')
  const [needsCode, setNeedsCode] = useState(false)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<ApiProblem>()
  const close = () => {
    setPassword('')
    setTotp('')
    setProblem(undefined)
    onClose()
  }
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    event.stopPropagation()
    setBusy(true)
    setProblem(undefined)
    try {
      await onConfirm({ password, totp: totp.replaceAll(' ', '') || null })
      close()
    } catch (error) {
      const refused = asProblem(error)
      const codeMissing = refused.reason('totp') !== undefined && !needsCode
      if (codeMissing) setNeedsCode(true)
      else setProblem(refused)
      setTotp('')
    } finally {
      setBusy(false)
    }
  }
  return (
    <Modal opened={opened} onClose={close} title={title} size={420}>
      <form className={classes['dialog']} onSubmit={(event) => void submit(event)}>
        {children ? <div>{children}</div> : null}
        <TextInput label="Signing as" value={username} readOnly name="username" autoComplete="username" />
        <PasswordInput
          label="Password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          error={problem?.reason('password')}
          data-autofocus
          required
          withAsterisk={false}
        />
        {needsCode ? (
          <TextInput
            label="Code from your authenticator"
            inputMode="numeric"
            autoComplete="one-time-code"
            maxLength={8}
            value={totp}
            onChange={(event) => setTotp(event.currentTarget.value)}
            error={problem?.reason('totp') ? problem.detail : undefined}
            autoFocus
            required
            withAsterisk={false}
          />
        ) : null}
        {problem && !problem.reason('password') && !problem.reason('totp') ? <Refusal problem={problem} /> : null}
        <div className={classes['buttons']}>
          <Button variant="default" onClick={close}>
            Not now
          </Button>
          <Button type="submit" loading={busy} disabled={!password}>
            {confirm}
          </Button>
        </div>
      </form>
    </Modal>
  )
}

/** A refusal inside a form: what the fields do not already say. */
export function Refusal({ problem }: { problem: ApiProblem }) {
  return (
    <div className={classes['refusal']} role="alert">
      <ProblemText problem={problem} />
    </div>
  )
}
