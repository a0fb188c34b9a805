import { ActionIcon, Button, Checkbox, CopyButton, Menu, SegmentedControl, Textarea, TextInput } from '@mantine/core'
import { IconCopy, IconDots, IconLink, IconSend, IconUserPlus, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState, type FormEvent } from 'react'
import { http } from '@/lib/api'
import { ROLE_LABEL, type Role } from '@/lib/permissions'
import { DateTime, toast, toastProblem } from '@/ui'
import type { Person } from './line'
import classes from './together.module.css'
import type { Account, Invited } from './types'
import { colourOf, type Together } from './useTogether'
import { VoiceButton } from './VoiceButton'

const MINUTES = [
  { value: '15', label: '15 min' },
  { value: '60', label: '1 hour' },
  { value: '240', label: '4 hours' },
]

/** Who is in the session, who may come, and what is said. */
export function Panel({ together, onClose, onGone }: { together: Together; onClose: () => void; onGone: () => void }) {
  const { line, state, leads } = together
  const own = state.people.find((one) => one.participant_pk === state.me)
  const base = `/api/together/sessions/${line.sessionPk}`
  const isHost = own?.user_pk != null && (leads || own.user_pk === state.startedBy)
  const mayTake = state.lead === null || (own?.user_pk != null && own.user_pk === state.startedBy)
  const act = async (what: Promise<unknown>, failed: string) => {
    try {
      await what
    } catch (error) {
      toastProblem(error, failed)
    }
  }
  return (
    <aside className={classes['panel']} aria-label="Live session">
      <header>
        <h2>Live session</h2>
        <ActionIcon aria-label="Close the panel" onClick={onClose}>
          <IconX size={18} />
        </ActionIcon>
      </header>
      <ul className={classes['people']} aria-label="Participants">
        {state.people.map((one) => (
          <li key={one.participant_pk} data-here={one.is_here || undefined}>
            <span className={classes['dot']} data-colour={colourOf(state.people, one.participant_pk) % 6} aria-hidden />
            <span className={classes['who']}>
              <span>
                {one.display_name}
                {one.participant_pk === state.me ? ' (you)' : ''}
              </span>
              <small>{words(one, together)}</small>
            </span>
            <PersonMenu
              one={one}
              together={together}
              isHost={isHost}
              onRevoke={() => void act(http.post(`${base}/participants/${one.participant_pk}/revoke`), 'The invitation was not revoked')}
              onAllow={(may_change) => void act(http.post(`${base}/participants/${one.participant_pk}/allow`, { may_change }), 'This was not changed')}
            />
          </li>
        ))}
      </ul>
      {leads ? null : (
        <Button variant="default" onClick={() => (mayTake ? line.giveLead(state.me) : line.askLead())} disabled={!own?.may_change}>
          {mayTake ? 'Take the lead' : own?.may_change ? 'Ask for the lead' : 'You may look, not draw'}
        </Button>
      )}
      <VoiceButton together={together} />
      {isHost ? <Inviting base={base} /> : null}
      <Words together={together} />
      {isHost ? (
        <Button
          variant="default"
          color="danger"
          onClick={() => void act(http.post(`${base}/end`).then(onGone), 'The session was not ended')}
        >
          End the session for all
        </Button>
      ) : null}
    </aside>
  )
}

function words(one: Person, { state }: Together): string {
  const parts = [one.is_guest ? (one.may_change ? 'Guest, may draw' : 'Guest, looks only') : null]
  if (one.participant_pk === state.lead) parts.push('leads')
  else if (!one.is_here) parts.push(one.is_guest && one.display_name === 'Guest' ? 'link not used yet' : 'not here')
  else parts.push(state.following.has(one.participant_pk) ? 'follows' : 'looks apart')
  return parts.filter(Boolean).join(' · ')
}

function PersonMenu({
  one,
  together,
  isHost,
  onRevoke,
  onAllow,
}: {
  one: Person
  together: Together
  isHost: boolean
  onRevoke: () => void
  onAllow: (may: boolean) => void
}) {
  const { line, state, leads } = together
  const other = one.participant_pk !== state.me
  const canGive = leads && other && one.may_change && one.is_here
  if (!canGive && !(isHost && other)) return null
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon aria-label={`What ${one.display_name} may`}>
          <IconDots size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {canGive ? <Menu.Item onClick={() => line.giveLead(one.participant_pk)}>Give the lead</Menu.Item> : null}
        {isHost && one.is_guest ? <Menu.Item onClick={() => onAllow(!one.may_change)}>{one.may_change ? 'Let look only' : 'Let draw and lead'}</Menu.Item> : null}
        {isHost && other ? (
          <Menu.Item color="danger" onClick={onRevoke}>
            Revoke the invitation
          </Menu.Item>
        ) : null}
      </Menu.Dropdown>
    </Menu>
  )
}

function Inviting({ base }: { base: string }) {
  const [how, setHow] = useState<'none' | 'account' | 'link'>('none')
  return (
    <section className={classes['inviting']} aria-label="Invite">
      <div className={classes['two']}>
        <Button variant={how === 'account' ? 'light' : 'default'} leftSection={<IconUserPlus size={16} />} onClick={() => setHow(how === 'account' ? 'none' : 'account')}>
          Invite
        </Button>
        <Button variant={how === 'link' ? 'light' : 'default'} leftSection={<IconLink size={16} />} onClick={() => setHow(how === 'link' ? 'none' : 'link')}>
          Guest link
        </Button>
      </div>
      {how === 'account' ? <Directory base={base} /> : null}
      {how === 'link' ? <GuestLink base={base} /> : null}
    </section>
  )
}

function Directory({ base }: { base: string }) {
  const [text, setText] = useState('')
  const found = useQuery({
    queryKey: ['together', 'directory', text],
    queryFn: ({ signal }) => http.post<Account[]>('/api/together/directory/find', { text }, { signal }),
    placeholderData: (before) => before,
  })
  const invite = async (one: Account) => {
    try {
      await http.post(`${base}/invitations`, { user_pk: one.user_pk })
      toast('Invited. It shows on their screen now.')
    } catch (error) {
      toastProblem(error, 'Nobody was invited')
    }
  }
  return (
    <>
      <TextInput label="Colleague" placeholder="Part of the name" value={text} onChange={(event) => setText(event.currentTarget.value)} data-autofocus />
      <ul className={classes['found']}>
        {found.data?.slice(0, 6).map((one) => (
          <li key={one.user_pk}>
            <button type="button" onClick={() => void invite(one)}>
              <span>{one.display_name}</span>
              <small>{one.roles.map((role) => ROLE_LABEL[role as Role] ?? role).join(', ')}</small>
            </button>
          </li>
        ))}
        {found.data?.length === 0 ? <li className={classes['quiet']}>Nobody of that name can be invited. Make a guest link.</li> : null}
      </ul>
    </>
  )
}

function GuestLink({ base }: { base: string }) {
  const [minutes, setMinutes] = useState('60')
  const [mayChange, setMayChange] = useState(false)
  const [link, setLink] = useState<string | null>(null)
  const make = async () => {
    try {
      const made = await http.post<Invited>(`${base}/links`, { minutes: Number(minutes), may_change: mayChange })
      setLink(`${window.location.origin}/together/join#${made.secret ?? ''}`)
    } catch (error) {
      toastProblem(error, 'No link was made')
    }
  }
  if (link)
    return (
      <>
        <TextInput label="Link for one guest" description="Shown this once. It opens this study only, and works for the first who opens it." value={link} readOnly onFocus={(event) => event.currentTarget.select()} data-testid="guest-link" />
        <div className={classes['two']}>
          <CopyButton value={link}>
            {({ copied, copy }) => (
              <Button variant="filled" leftSection={<IconCopy size={16} />} onClick={copy}>
                {copied ? 'Copied' : 'Copy'}
              </Button>
            )}
          </CopyButton>
          <Button variant="default" onClick={() => setLink(null)}>
            Another
          </Button>
        </div>
      </>
    )
  return (
    <>
      <SegmentedControl aria-label="How long the link lasts" data={MINUTES} value={minutes} onChange={setMinutes} fullWidth />
      <Checkbox size="md" label="May draw and be given the lead" checked={mayChange} onChange={(event) => setMayChange(event.currentTarget.checked)} />
      <Button onClick={() => void make()}>Make the link</Button>
    </>
  )
}

function Words({ together }: { together: Together }) {
  const { line, state } = together
  const [text, setText] = useState('')
  const end = useRef<HTMLDivElement>(null)
  useEffect(() => {
    end.current?.scrollIntoView({ block: 'nearest' })
  }, [state.messages.length, state.unsaid.length])
  useEffect(() => {
    line.onUnsaid = (refused) => setText((before) => [refused, before].filter(Boolean).join('\n'))
    return () => {
      line.onUnsaid = () => undefined
    }
  }, [line])
  const send = (event: FormEvent) => {
    event.preventDefault()
    if (!text.trim()) return
    line.say(text)
    setText('')
  }
  return (
    <section className={classes['words']} aria-label="Words">
      <div className={classes['said']} role="log">
        {state.messages.length + state.unsaid.length === 0 ? <p className={classes['quiet']}>What is written here is kept with the session.</p> : null}
        {state.messages.map((one) => (
          <p key={one.message_pk} data-own={one.participant_pk === state.me || undefined}>
            <small>
              <strong>{one.participant_pk === state.me ? 'You' : (state.people.find((person) => person.participant_pk === one.participant_pk)?.display_name ?? 'Somebody who left')}</strong>{' '}
              <DateTime value={one.sent_at} />
            </small>
            <span dir="auto">{one.text}</span>
          </p>
        ))}
        {state.unsaid.map((one, at) => (
          <p key={at} data-own data-waits>
            <small>
              <strong>You</strong> {state.status === 'live' ? 'Sending' : 'Waits for the line'}
            </small>
            <span dir="auto">{one}</span>
          </p>
        ))}
        <div ref={end} />
      </div>
      <form onSubmit={send}>
        <Textarea
          aria-label="Write to all"
          placeholder="Write to all"
          autosize
          minRows={1}
          maxRows={4}
          maxLength={2000}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => (event.key === 'Enter' && !event.shiftKey ? send(event) : undefined)}
        />
        <ActionIcon type="submit" aria-label="Send" variant="filled" disabled={!text.trim()}>
          <IconSend size={18} />
        </ActionIcon>
      </form>
    </section>
  )
}
