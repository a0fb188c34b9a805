import { Button } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useSession } from '@/lib/api'
import type { Permission } from '@/lib/permissions'

const PLACES: readonly { to: string; label: string; permission: Permission }[] = [
  { to: '/studies', label: 'Studies', permission: 'study.reconcile' },
  { to: '/corrections', label: 'Corrections', permission: 'study.reconcile' },
  { to: '/trash', label: 'Trash', permission: 'study.remove' },
  { to: '/holds', label: 'Holds', permission: 'study.hold' },
  { to: '/system/retention', label: 'Retention', permission: 'config.read' },
]

/** The neighbours of a screen about the life of studies. */
export function Places({ here }: { here: string }) {
  const { may } = useSession()
  return PLACES.filter((place) => place.to !== here && may(place.permission)).map((place) => (
    <Button key={place.to} component={Link} to={place.to} variant="default">
      {place.label}
    </Button>
  ))
}
