import { Button, Modal } from '@mantine/core'
import { useLocation } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useSession } from '@/lib/api'
import { Redirect } from '@/lib/Redirect'
import { InvitationNotice } from '@/together/InvitationNotice'
import { Empty, Later } from '@/ui'
import { SignInForm } from '@/features/account/SignInForm'
import classes from './SignedIn.module.css'

/** Shows its children to somebody signed in. A session that ends covers the work and keeps it until the same person is back. */
export function SignedIn({ children }: { children: ReactNode }) {
  const { state, actor, endsIn_s, stay, refresh, signOut } = useSession()
  const { pathname } = useLocation()

  if (state === 'loading') return <Later after_ms={400}>{<p className={classes['wait']}>Opening Wetread</p>}</Later>
  if (state === 'unreachable') {
    return (
      <Empty title="The server does not answer" hint="Nothing is lost. This page keeps what you do once it is open again.">
        <Button onClick={() => void refresh()}>Try again</Button>
      </Empty>
    )
  }
  if (state === 'out' || !actor) return <Redirect to="/sign-in" from={pathname === '/' || pathname === '/sign-in' ? undefined : pathname} />
  return (
    <>
      <div className={classes['work']} data-covered={state === 'locked' || undefined} inert={state === 'locked'}>
        {children}
        <InvitationNotice />
      </div>
      {state === 'locked' ? (
        <div className={classes['cover']} role="dialog" aria-modal="true" aria-label="Sign in again">
          <div className={classes['sheet']}>
            <h1>Your session has ended</h1>
            <p>Your work is kept behind this sheet. Sign in again to go on.</p>
            <SignInForm username={actor.username} />
            <Button variant="subtle" color="gray" onClick={() => void signOut()}>
              Leave, as somebody else
            </Button>
          </div>
        </div>
      ) : null}
      <Modal opened={state === 'in' && endsIn_s !== undefined} onClose={stay} title="Still there?" withCloseButton={false}>
        <p>
          This window signs out in <strong>{endsIn_s ?? 0} s</strong>, as nothing has happened for a while. Your work stays.
        </p>
        <div className={classes['buttons']}>
          <Button variant="default" onClick={() => void signOut()}>
            Sign out
          </Button>
          <Button onClick={stay} data-autofocus>
            Stay signed in
          </Button>
        </div>
      </Modal>
    </>
  )
}
