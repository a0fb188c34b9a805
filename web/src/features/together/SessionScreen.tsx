import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { useEffect, useMemo, useState } from 'react'
import { asProblem, http, useSession } from '@/lib/api'
import { later } from '@/lib/later'
import { barOf } from '@/lib/patient'
import { RunningStage, useTogether, type SessionDetail } from '@/together'
import { Empty, Outline, PatientBar, ProblemNote } from '@/ui'
import classes from './together.module.css'

const Viewer = later(() => import('@/viewer'))

/** A live session as somebody who was invited sees it: the patient, the images, and nothing else. */
export default function SessionScreen() {
  const { sessionPk } = useParams({ strict: false }) as { sessionPk: string }
  const known = /^\d{1,15}$/.test(sessionPk)
  const detail = useQuery({
    queryKey: ['together', 'session', Number(sessionPk)],
    queryFn: () => http.post<SessionDetail>(`/api/together/sessions/${sessionPk}/join`),
    enabled: known,
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
  })
  const [left, setLeft] = useState(false)
  useEffect(() => {
    document.title = 'Live session · Wetread'
  }, [])
  if (!known || (detail.error && [401, 403, 404].includes(asProblem(detail.error).status)))
    return <Gone title="This session is not open to you" hint="It has ended, or you are no longer invited. Ask for a new invitation." />
  if (left) return <Gone title="You have left the session" hint="As long as it runs, you can join again." again={() => void detail.refetch().then(() => setLeft(false))} />
  if (detail.error) return <ProblemNote error={detail.error} title="The session could not be joined" onRetry={() => void detail.refetch()} />
  if (!detail.data) return <Outline rows={10} />
  return (
    <Session
      detail={detail.data}
      onGone={(over) => (over ? void detail.refetch() : setLeft(true))}
    />
  )
}

function Session({ detail, onGone }: { detail: SessionDetail; onGone: (over: boolean) => void }) {
  const together = useTogether(detail.live_session_pk)
  const [shown, setShown] = useState(false)
  const [study, ...priors] = useMemo(() => detail.studies, [detail.studies])
  const over = together?.state.status === 'over'
  if (!study || !together) return <Gone title="The images are gone" hint="They were taken out of the archive." />
  return (
    <div className={classes['screen']}>
      <h1 className="sr-only">Live session</h1>
      {/* Whoever is out is shown nothing of the patient any more. */}
      {over ? null : detail.patient ? (
        <PatientBar patient={barOf(detail.patient)} />
      ) : (
        <p className={classes['unnamed']} role="note">
          This hospital does not tell guests who the patient is. Make sure by voice that you speak of the same one.
        </p>
      )}
      <main>
        <RunningStage together={together} shown={shown} onShown={setShown} onGone={onGone}>
          {over ? null : <Viewer study={study} priors={priors} canMark={false} share={together.share} meanwhile={<Outline rows={8} />} />}
        </RunningStage>
      </main>
    </div>
  )
}

function Gone({ title, hint, again }: { title: string; hint: string; again?: () => void }) {
  const { state } = useSession()
  const navigate = useNavigate()
  return (
    <Empty title={title} hint={hint}>
      {again ? <Button onClick={again}>Join again</Button> : null}
      {state === 'in' ? (
        <Button variant="default" onClick={() => void navigate({ to: '/' })}>
          To my home
        </Button>
      ) : null}
    </Empty>
  )
}
