import { useEffect } from 'react'
import type { FeatureRoute } from '@/lib/feature'
import { useSession } from '@/lib/api'
import { Empty, Outline, useLight } from '@/ui'
import { SignedIn } from './SignedIn'

/** Opens a route: session where it needs one, permission, its light, and an outline while its code comes. */
export function Gate({ route }: { route: FeatureRoute }) {
  const { setScreenLight } = useLight()
  const { light } = route
  useEffect(() => {
    setScreenLight(light)
    return () => setScreenLight(undefined)
  }, [light, setScreenLight])

  const screen = <route.component meanwhile={<Outline rows={12} />} />
  if (route.frame === 'public') return screen
  if (route.frame === 'bare') {
    return (
      <SignedIn>
        <Allowed route={route}>{screen}</Allowed>
      </SignedIn>
    )
  }
  return <Allowed route={route}>{screen}</Allowed>
}

function Allowed({ route, children }: { route: FeatureRoute; children: React.ReactNode }) {
  const { may } = useSession()
  if (route.permission && !may(route.permission)) {
    return <Empty title="There is no such place" hint="Nothing here is open to this account." />
  }
  return children
}
