import { Navigate } from '@tanstack/react-router'
import { useActor } from '@/lib/api'
import { Empty } from '@/ui'
import { navFor } from './features'

/** Sends each person to the first place their role has. */
export function Home() {
  const actor = useActor()
  if (actor.must_enrol_totp) return <Navigate to="/account" replace />
  const first = navFor(actor)[0]
  if (first) return <Navigate to={first.to} replace />
  return (
    <Empty
      title="Nothing is open to this account yet"
      hint="An administrator can give it a role."
    />
  )
}
