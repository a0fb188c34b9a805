import { useActor } from '@/lib/api'
import { Redirect } from '@/lib/Redirect'
import { Empty } from '@/ui'
import { navFor } from './features'

/** Sends each person to the first place their role has. */
export function Home() {
  const actor = useActor()
  if (actor.must_enrol_totp) return <Redirect to="/account" />
  const first = navFor(actor)[0]
  if (first) return <Redirect to={first.to} />
  return (
    <Empty
      title="Nothing is open to this account yet"
      hint="An administrator can give it a role."
    />
  )
}
