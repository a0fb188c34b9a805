import { Button } from '@mantine/core'
import { IconUsers } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useLocation, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useLive, useSession } from '@/lib/api'
import classes from './together.module.css'
import type { SessionLine } from './types'

/** Says on any screen, at once, that somebody asks this person to look at images with them; never whose. */
export function InvitationNotice() {
  const { may, state } = useSession()
  const navigate = useNavigate()
  const { pathname } = useLocation()
  const [later, setLater] = useState<ReadonlySet<number>>(new Set())
  const enabled = state === 'in' && may('live_session.join')
  const mine = useQuery({ queryKey: ['together', 'mine'], queryFn: ({ signal }) => http.get<SessionLine[]>('/api/together/sessions', { signal }), enabled })
  useLive(['live_session.invited', 'live_session.changed'], [['together', 'mine']])
  const one = mine.data?.find((each) => !each.is_mine && !each.is_joined && !later.has(each.live_session_pk))
  if (!enabled || !one || pathname.startsWith('/together/')) return null
  return (
    <section className={classes['notice']} role="alert" aria-label="Invitation">
      <IconUsers size={20} aria-hidden />
      <p>
        <strong>{one.started_by_name}</strong> asks you to look at images together.
      </p>
      <Button onClick={() => void navigate({ to: `/together/session/${one.live_session_pk}` })}>Join</Button>
      <Button variant="default" onClick={() => setLater(new Set([...later, one.live_session_pk]))}>
        Later
      </Button>
    </section>
  )
}
