import { Button, PasswordInput } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState, type FormEvent } from 'react'
import { asProblem, http, useSession, type ApiProblem } from '@/lib/api'
import { ProblemText } from '@/ui'
import { Door } from './Door'
import form from './SignInForm.module.css'
import classes from './Welcome.module.css'

/** Where a one-time link leads: the person sets their own password. The secret stands behind `#` and is never sent as an address. */
export default function WelcomeScreen() {
  const { signIn } = useSession()
  const navigate = useNavigate()
  const [secret] = useState(() => window.location.hash.slice(1))
  const [password, setPassword] = useState('')
  const [again, setAgain] = useState('')
  const [problem, setProblem] = useState<ApiProblem>()
  const [busy, setBusy] = useState(false)
  useEffect(() => {
    document.title = 'Welcome · Wetread'
    window.history.replaceState(window.history.state, '', window.location.pathname)
  }, [])

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      const { username } = await http.post<{ username: string }>('/api/invitation', { secret, password })
      await signIn({ username, password })
      await navigate({ to: '/', replace: true })
    } catch (error) {
      setProblem(asProblem(error))
    } finally {
      setBusy(false)
    }
  }

  if (!secret) {
    return (
      <Door title="This link is not whole">
        <p>Open the link once more exactly as it was sent, or ask the administrator for a new one.</p>
      </Door>
    )
  }
  const differs = again !== '' && again !== password
  return (
    <Door title="Choose your password">
      <p>At least 15 characters. A few words that only you would put together make a good one.</p>
      <form className={form['form']} onSubmit={(event) => void submit(event)}>
        <PasswordInput
          label="Password"
          autoComplete="new-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          error={problem?.reason('password')}
          autoFocus
          required
          withAsterisk={false}
        />
        <PasswordInput
          label="The same again"
          autoComplete="new-password"
          value={again}
          onChange={(event) => setAgain(event.currentTarget.value)}
          error={differs ? 'The two differ' : undefined}
          required
          withAsterisk={false}
        />
        {problem && !problem.reason('password') ? (
          <div className={form['problem']} role="alert">
            <ProblemText problem={problem} />
          </div>
        ) : null}
        <Button type="submit" loading={busy} disabled={!password || again !== password}>
          Set the password
        </Button>
      </form>
      <p className={classes['hint']}>The link works once.</p>
    </Door>
  )
}
