import { Button, Popover, UnstyledButton } from '@mantine/core'
import { IconBell } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useActor, useLive, type Answer } from '@/lib/api'
import { DateTime, toastProblem } from '@/ui'
import { placeOf } from './features'
import classes from './Notices.module.css'
import rail from './Rail.module.css'

type Told = Answer<'/api/notices', 'get'>
type Notice = Told['items'][number]

const KEY = ['notices']
const MOST = 99

/** What this person was told, newest first, with how much of it they have not read. */
export function Notices() {
  const [opened, setOpened] = useState(false)
  const client = useQueryClient()
  const actor = useActor()
  const navigate = useNavigate()
  const told = useQuery({ queryKey: KEY, queryFn: ({ signal }) => http.get<Told>('/api/notices', { signal }) })
  useLive(['notice.changed'], [KEY])
  const unread = told.data?.unread ?? 0
  const mark = (path: string) =>
    http
      .post(path)
      .then(() => client.invalidateQueries({ queryKey: KEY }))
      .catch((error: unknown) => toastProblem(error))
  const open = (one: Notice) => {
    if (!one.is_read) void mark(`/api/notices/${one.notice_pk}/read`)
    const place = one.link && placeOf(one.link, actor)
    if (!place) return
    setOpened(false)
    void navigate({ to: place })
  }
  return (
    <Popover opened={opened} onChange={setOpened} position="right-end" width={360} trapFocus returnFocus shadow="md">
      <Popover.Target>
        <UnstyledButton
          className={rail['place']}
          onClick={() => setOpened(!opened)}
          aria-label={unread ? `Notices, ${unread > MOST ? `more than ${MOST}` : unread} unread` : 'Notices'}
          aria-expanded={opened}
        >
          <span className={classes['bell']}>
            <IconBell size={20} stroke={1.6} aria-hidden />
            {unread ? <span className={classes['count']}>{unread > MOST ? `${MOST}+` : unread}</span> : null}
          </span>
          <span>Notices</span>
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown className={classes['sheet']} aria-label="Notices">
        <header className={classes['head']}>
          <h2>Notices</h2>
          {unread ? (
            <Button variant="subtle" size="compact-sm" onClick={() => void mark('/api/notices/read')}>
              Mark all as read
            </Button>
          ) : null}
        </header>
        {told.data?.items.length ? (
          <ul className={classes['list']}>
            {told.data.items.map((one) => (
              <li key={one.notice_pk}>
                <UnstyledButton className={classes['notice']} data-unread={!one.is_read || undefined} onClick={() => open(one)}>
                  <strong>{one.title}</strong>
                  <span>{one.body}</span>
                  <span>
                    <DateTime value={one.created_at} />
                    {one.is_read ? null : <em> unread</em>}
                  </span>
                </UnstyledButton>
              </li>
            ))}
          </ul>
        ) : (
          <p className={classes['none']}>
            {told.error ? 'They cannot be read just now.' : told.isPending ? 'Being fetched…' : 'Nobody has told you anything yet.'}
          </p>
        )}
      </Popover.Dropdown>
    </Popover>
  )
}
