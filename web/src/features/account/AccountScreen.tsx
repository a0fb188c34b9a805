import { Button, Group, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { asProblem, http, useActor, useSession, type Answer } from '@/lib/api'
import { ROLE_LABEL } from '@/lib/permissions'
import { Age, DateTime, Facts, Outline, ProblemNote, Screen, Section, toast, toastProblem } from '@/ui'
import classes from './AccountScreen.module.css'

type SessionRow = Answer<'/api/account/sessions', 'get'>[number]
type TotpStart = Answer<'/api/account/totp', 'post'>

/** One's own account: who one is here, the authenticator, and where one is signed in. */
export default function AccountScreen() {
  const actor = useActor()
  return (
    <Screen title="My account" body="page">
      <div className={classes['columns']}>
        <div>
          <Section title="Who you are here">
            <Facts
              facts={[
                ['Name', actor.display_name],
                ['User name', actor.username],
                ['Roles', actor.roles.map((role) => ROLE_LABEL[role]).join(', ')],
              ]}
            />
          </Section>
          <Section title="Authenticator">
            <Authenticator />
          </Section>
        </div>
        <Section title="Where you are signed in">
          <Sessions />
        </Section>
      </div>
    </Screen>
  )
}

function Authenticator() {
  const { must_enrol_totp } = useActor()
  const { refresh } = useSession()
  const navigate = useNavigate()
  const client = useQueryClient()
  const state = useQuery({ queryKey: ['account', 'totp'], queryFn: () => http.get<Answer<'/api/account/totp', 'get'>>('/api/account/totp') })
  const [code, setCode] = useState('')
  const begin = useMutation({ mutationFn: () => http.post<TotpStart>('/api/account/totp') })
  const confirm = useMutation({
    mutationFn: () => http.put('/api/account/totp', { secret: begin.data?.secret, totp: code.replaceAll(' ', '') }),
    onSuccess: async () => {
      toast('The authenticator is enrolled. It is asked for at each sign-in.')
      begin.reset()
      client.setQueryData(['account', 'totp'], { enrolled: true })
      // What the account may do opens within two seconds on the server.
      for (let wait_ms = 300; wait_ms <= 2400; wait_ms *= 2) {
        await new Promise((resolve) => setTimeout(resolve, wait_ms))
        await refresh()
      }
      if (must_enrol_totp) await navigate({ to: '/', replace: true })
    },
  })
  const problem = confirm.error ? asProblem(confirm.error) : undefined

  if (begin.data) {
    return (
      <form
        className={classes['enrol']}
        onSubmit={(event) => {
          event.preventDefault()
          confirm.mutate()
        }}
      >
        <div>
          <img alt="QR code for your authenticator" src={`data:image/svg+xml;utf8,${encodeURIComponent(begin.data.qr_svg)}`} />
        </div>
        <div className={classes['steps']}>
          <p>Point your authenticator at the code, or enter this key by hand:</p>
          <code>{begin.data.secret.replace(/(.{4})/g, '$1 ').trim()}</code>
          <TextInput
            label="The six digits it shows now"
            inputMode="numeric"
            autoComplete="one-time-code"
            maxLength={8}
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
            error={problem ? (problem.reason('totp') ?? problem.detail) : undefined}
            autoFocus
          />
          <Group gap={8}>
            <Button type="submit" loading={confirm.isPending} disabled={code.replaceAll(' ', '').length < 6}>
              Enrol
            </Button>
            <Button variant="default" onClick={() => begin.reset()}>
              Not now
            </Button>
          </Group>
        </div>
      </form>
    )
  }
  if (state.data?.enrolled) {
    return (
      <div className={classes['lead']}>
        <p>An authenticator is enrolled: its code is asked for when you sign in, and when you sign a report. If the phone is lost, an administrator resets it.</p>
      </div>
    )
  }
  return (
    <div className={classes['lead']}>
      <p>
        {must_enrol_totp
          ? 'This account needs an authenticator app before anything else opens.'
          : 'An authenticator app on your phone shows a new code every 30 seconds; with it, a stolen password is not enough.'}
      </p>
      {begin.error ? (
        <p className={classes['quiet']} role="status">
          {asProblem(begin.error).detail}
        </p>
      ) : (
        <Button variant={must_enrol_totp ? 'filled' : 'default'} loading={begin.isPending} onClick={() => begin.mutate()}>
          Enrol an authenticator
        </Button>
      )}
    </div>
  )
}

/** "Firefox on Linux" out of a User-Agent; enough to know one's own machine again. */
function browserOf(agent: string | null): string {
  const text = agent ?? ''
  const browser = /Edg\//.test(text) ? 'Edge' : /Firefox\//.test(text) ? 'Firefox' : /Chrom(e|ium)\//.test(text) ? 'Chrome' : /Safari\//.test(text) ? 'Safari' : 'A program'
  const system = /iPad|iPhone/.test(text) ? 'iOS' : /Android/.test(text) ? 'Android' : /Windows/.test(text) ? 'Windows' : /Mac OS/.test(text) ? 'macOS' : /Linux/.test(text) ? 'Linux' : ''
  return system ? `${browser} on ${system}` : browser
}

function Sessions() {
  const client = useQueryClient()
  const { signOut } = useSession()
  const sessions = useQuery({ queryKey: ['account', 'sessions'], queryFn: () => http.get<SessionRow[]>('/api/account/sessions') })
  const end = useMutation({
    mutationFn: (pk: number) => http.delete(`/api/account/sessions/${pk}`),
    onSuccess: () => client.invalidateQueries({ queryKey: ['account', 'sessions'] }),
    onError: (error) => toastProblem(error, 'It is still signed in'),
  })
  if (sessions.error) return <ProblemNote error={sessions.error} onRetry={() => void sessions.refetch()} />
  if (!sessions.data) return <Outline rows={4} />
  return (
    <ul className={classes['sessions']}>
      {sessions.data.map((session) => (
        <li key={session.user_session_pk}>
          <div>
            <strong>{browserOf(session.user_agent)}</strong> {session.current ? <span className={classes['here']}>this one</span> : null}
            <div className={classes['quiet']}>
              {session.network_address ?? 'address unknown'} · since <DateTime value={session.created_at} />
              {session.current ? null : (
                <>
                  {' '}
                  · last used <Age since={session.last_seen_at} /> ago
                </>
              )}
            </div>
          </div>
          <Button
            variant="default"
            loading={end.isPending && end.variables === session.user_session_pk}
            onClick={() => (session.current ? void signOut() : end.mutate(session.user_session_pk))}
          >
            Sign out
          </Button>
        </li>
      ))}
    </ul>
  )
}
