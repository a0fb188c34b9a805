import { Button, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState, type FormEvent } from 'react'
import { asProblem, http, type Answer, type ApiProblem } from '@/lib/api'
import { DateTime, Mark, Outline, ProblemText } from '@/ui'
import classes from './together.module.css'

type Link = Answer<'/api/together/guest/link', 'post'>
type Guest = Answer<'/api/together/guest', 'post'>

/** Where a guest's link leads. The secret stands behind `#`, is taken out of the address, and never sent as one. */
export default function JoinScreen() {
  const navigate = useNavigate()
  const [secret] = useState(() => window.location.hash.slice(1))
  const [name, setName] = useState('')
  const [problem, setProblem] = useState<ApiProblem>()
  const [busy, setBusy] = useState(false)
  useEffect(() => {
    document.title = 'Live session · Wetread'
    window.history.replaceState(window.history.state, '', window.location.pathname)
  }, [])
  const link = useQuery({
    queryKey: ['together', 'link'],
    queryFn: () => http.post<Link>('/api/together/guest/link', { secret }),
    enabled: secret !== '',
    retry: false,
    gcTime: 0,
  })

  const join = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      const { live_session_pk: pk } = await http.post<Guest>('/api/together/guest', { secret, name })
      await navigate({ to: `/together/session/${pk}`, replace: true })
    } catch (error) {
      setProblem(asProblem(error))
      setBusy(false)
    }
  }

  return (
    <div className={classes['page']}>
      <main className={classes['sheet']}>
        <div className={classes['mark']}>
          <Mark size={36} />
          Wetread
        </div>
        {secret === '' || link.error ? (
          <>
            <h1>This link does not open</h1>
            <p>It has been used, has run out, or is not whole. Ask whoever sent it for a new one: each link works once.</p>
          </>
        ) : link.data ? (
          <>
            <h1>Look at images together</h1>
            <p>
              <strong>{link.data.invited_by_name}</strong> asks you to look at a study. You see what they show you, and they see where you point.
            </p>
            <form onSubmit={(event) => void join(event)}>
              <TextInput
                label="Your name"
                description="As the others shall see it."
                placeholder="Dr. Ann Far"
                autoComplete="name"
                maxLength={80}
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
                error={problem?.reason('name')}
                data-autofocus
                required
                withAsterisk={false}
              />
              {problem && !problem.reason('name') ? (
                <div role="alert">
                  <ProblemText problem={problem} />
                </div>
              ) : null}
              <Button type="submit" loading={busy} disabled={name.trim().length < 2}>
                Join
              </Button>
            </form>
            <p className={classes['hint']}>
              The link works once, in this browser, until <DateTime value={link.data.expires_at} />. That you were here is recorded. Images are for looking at; they cannot be saved.
            </p>
          </>
        ) : (
          <Outline rows={4} />
        )}
      </main>
    </div>
  )
}
