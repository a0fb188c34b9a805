import { Outlet } from '@tanstack/react-router'
import { useLiveStatus } from '@/lib/api'
import { Finder } from './Finder'
import classes from './Frame.module.css'
import { KeySheet } from './KeySheet'
import { Rail } from './Rail'
import { SignedIn } from './SignedIn'
import { useState } from 'react'

/** The one frame: rail, work, and what says that the line to the server is down. */
export function Frame() {
  const [finding, setFinding] = useState(false)
  const [keysShown, setKeysShown] = useState(false)
  return (
    <SignedIn>
      <div className={classes['frame']}>
        <Rail onFind={() => setFinding(true)} onKeys={() => setKeysShown(true)} />
        <div className={classes['stage']}>
          <LineBar />
          <div className={classes['screen']}>
            <Outlet />
          </div>
        </div>
      </div>
      <Finder opened={finding} onToggle={setFinding} />
      <KeySheet opened={keysShown} onToggle={setKeysShown} />
    </SignedIn>
  )
}

function LineBar() {
  const status = useLiveStatus()
  if (status !== 'offline') return null
  return (
    <div className={classes['line']} role="status">
      Reconnecting to the server. What you see may be old; your work is kept.
    </div>
  )
}
