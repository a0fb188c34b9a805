import { Button } from '@mantine/core'
import { IconDoorExit, IconEye, IconMessageCircle, IconUsers } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { http } from '@/lib/api'
import { showKeys } from '@/lib/keys'
import { toastProblem } from '@/ui'
import type { Share } from '@/viewer'
import { setCurrent, useCurrent } from './current'
import { Panel } from './Panel'
import classes from './together.module.css'
import { colourOf, useTogether, type Together } from './useTogether'

/** A study's images with the live session on it, where there is one: who leads stands above them, people and words beside. */
export function TogetherStage({ studyPk, children }: { studyPk: number; children: (share: Share | undefined) => ReactNode }) {
  const current = useCurrent(studyPk)
  const together = useTogether(current?.sessionPk ?? null)
  const client = useQueryClient()
  const forget = () => {
    setCurrent(studyPk, null)
    void client.invalidateQueries({ queryKey: ['together'] })
  }
  return (
    <RunningStage
      together={together}
      shown={current?.shown ?? false}
      onShown={(shown) => (current ? setCurrent(studyPk, { ...current, shown }) : undefined)}
      onGone={forget}
    >
      {children(together && together.state.status !== 'over' ? together.share : undefined)}
    </RunningStage>
  )
}

/** The same around a session that is known. */
export function RunningStage({
  together,
  shown,
  onShown,
  onGone,
  children,
}: {
  together: Together | null
  shown: boolean
  onShown: (shown: boolean) => void
  /** It was left, or is over and that was read. */
  onGone: (over: boolean) => void
  children: ReactNode
}) {
  return (
    <div className={classes['stage']}>
      {together ? <Banner together={together} shown={shown} onShown={onShown} onGone={onGone} /> : null}
      <div className={classes['floor']}>
        {/* Always the same place in the tree: the viewer lives on when a session begins or ends. */}
        <div className={classes['images']}>{children}</div>
        {together && shown && together.state.status !== 'over' ? <Panel together={together} onClose={() => onShown(false)} onGone={() => onGone(true)} /> : null}
      </div>
    </div>
  )
}

function Banner({ together, shown, onShown, onGone }: { together: Together; shown: boolean; onShown: (shown: boolean) => void; onGone: (over: boolean) => void }) {
  const { line, state, leads, leadName, following, setFollowing } = together
  const [read, setRead] = useState(0)
  const others = state.people.filter((one) => one.participant_pk !== state.me && one.is_here)
  const unread = shown ? 0 : Math.max(0, state.messages.length - Math.max(read, 0))
  const follow = others.filter((one) => state.following.has(one.participant_pk)).length
  const leave = async () => {
    try {
      await http.post(`/api/together/sessions/${line.sessionPk}/leave`)
    } catch (error) {
      toastProblem(error, 'Leaving was not told')
    }
    onGone(false)
  }
  if (state.status === 'over') {
    return (
      <div className={classes['banner']} data-over role="alert">
        <strong>{state.why}</strong>
        <span className={classes['right']}>
          <Button size="xs" variant="default" onClick={() => onGone(true)}>
            Close
          </Button>
        </span>
      </div>
    )
  }
  const apart = !leads && !following
  return (
    <div className={classes['banner']} data-apart={apart || undefined} data-offline={state.status === 'offline' || undefined} role="status" data-testid="together-banner">
      <span className={classes['says']}>
        {state.status === 'offline' ? (
          <strong>The line is down. Reconnecting; what you see is yours alone meanwhile.</strong>
        ) : state.status === 'connecting' ? (
          <span>Joining the session</span>
        ) : leads ? (
          <>
            <strong>You lead</strong>
            <span>{others.length === 0 ? 'Nobody else is here yet' : follow === others.length ? `${follow} follow${follow === 1 ? 's' : ''} you` : `${follow} of ${others.length} follow you`}</span>
          </>
        ) : (
          <>
            <strong>{leadName ? `${leadName} leads` : 'Nobody leads'}</strong>
            <span>{apart ? 'You look by yourself' : 'You see what they show'}</span>
          </>
        )}
      </span>
      <span className={classes['here']} aria-hidden>
        {others.slice(0, 4).map((one) => (
          <span key={one.participant_pk} className={classes['face']} data-colour={colourOf(state.people, one.participant_pk) % 6} title={one.display_name}>
            {initials(one.display_name)}
          </span>
        ))}
        {others.length > 4 ? <span>+{others.length - 4}</span> : null}
      </span>
      <span className={classes['right']}>
        {leads ? null : (
          <Button size="xs" variant={apart ? 'filled' : 'default'} leftSection={<IconEye size={15} />} onClick={() => setFollowing(!following)} title={showKeys('Shift+Y')}>
            {apart ? `Follow ${leadName ?? 'the lead'}` : 'Look by yourself'}
          </Button>
        )}
        <Button
          size="xs"
          variant="default"
          aria-pressed={shown}
          aria-label={unread ? `${unread} new, people and words` : `${others.length + 1} here, people and words`}
          leftSection={unread ? <IconMessageCircle size={15} /> : <IconUsers size={15} />}
          onClick={() => {
            setRead(state.messages.length)
            onShown(!shown)
          }}
        >
          {unread ? `${unread} new` : others.length + 1}
        </Button>
        <Button size="xs" variant="default" leftSection={<IconDoorExit size={15} />} onClick={() => void leave()}>
          Leave
        </Button>
      </span>
    </div>
  )
}

export function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => !/^(dr|prof|med)\.?$/i.test(word))
  return (words.length > 1 ? `${words[0]?.charAt(0) ?? ''}${words[words.length - 1]?.charAt(0) ?? ''}` : (words[0] ?? name).slice(0, 2)).toUpperCase()
}
