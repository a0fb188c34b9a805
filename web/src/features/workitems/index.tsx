import { IconChecklist } from '@tabler/icons-react'
import { lazy } from 'react'
import type { Feature } from '@/lib/feature'

export const feature: Feature = {
  routes: [{ path: '/workitems', component: lazy(() => import('./WorkitemsScreen')), title: 'Work items', permission: 'workitem.read' }],
  nav: [{ label: 'Work items', to: '/workitems', icon: IconChecklist, permission: 'workitem.read', order: 36 }],
}
