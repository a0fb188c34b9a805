import { IconChecklist } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [{ path: '/workitems', component: later(() => import('./WorkitemsScreen')), title: 'Work items', permission: 'workitem.read' }],
  nav: [{ label: 'Work items', to: '/workitems', icon: IconChecklist, permission: 'workitem.read', order: 36 }],
}
