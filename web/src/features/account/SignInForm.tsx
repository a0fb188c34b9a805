import { Button, PasswordInput, TextInput } from '@mantine/core'
import { useState, type FormEvent } from 'react'
import { asProblem, useSession, type ApiProblem } from '@/lib/api'
import { ProblemText } from '@/ui'
import classes from './SignInForm.module.css'

/** Name and password, then the authenticator's code where the account has one. */
export function SignInForm({ username: given }: { username?: string }) {
  const { signIn } = useSession()
  const [username, setUsername] = useState(given ?? '')
  const [password, setPassword] = useState('')
  const [totp, setTotp] = useState('')
  const [needsCode, setNeedsCode] = useState(false)
  const [problem, setProblem] = useState<ApiProblem>()
  const [busy, setBusy] = useState(false)

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      await signIn({ username: username.trim(), password, totp: totp.replaceAll(' ', '') || undefined })
    } catch (error) {
      const refused = asProblem(error)
      if (refused.status === 401 && refused.reason('totp') && !needsCode) setNeedsCode(true)
      else setProblem(refused)
      setTotp('')
    } finally {
      setBusy(false)
    }
  }

  return (
    <form className={classes['form']} onSubmit={(event) => void submit(event)}>
      <TextInput
        label="User name"
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        value={username}
        onChange={(event) => setUsername(event.currentTarget.value)}
        readOnly={given !== undefined}
        autoFocus={given === undefined}
        required
        withAsterisk={false}
      />
      <PasswordInput
        label="Password"
        name="password"
        autoComplete="current-password"
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        autoFocus={given !== undefined}
        required
        withAsterisk={false}
      />
      {needsCode ? (
        <TextInput
          label="Code from your authenticator"
          name="totp"
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
      {problem && !(needsCode && problem.reason('totp')) ? (
        <div className={classes['problem']} role="alert">
          <ProblemText problem={problem} />
        </div>
      ) : null}
      <Button type="submit" loading={busy} fullWidth>
        Sign in
      </Button>
    </form>
  )
}
