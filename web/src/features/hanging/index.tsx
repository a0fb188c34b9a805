import { IconLayoutGrid } from '@tabler/icons-react'
import { lazy } from 'react'
import type { Feature } from '@/lib/feature'

export const feature: Feature = {
  routes: [{ path: '/system/hanging', component: lazy(() => import('./HangingScreen')), title: 'Hanging protocols', permission: 'config.read' }],
  nav: [{ label: 'Hanging', to: '/system/hanging', icon: IconLayoutGrid, permission: 'config.read', order: 43 }],
  actions: [{ id: 'hanging-protocols', label: 'Hanging protocols of the sites', to: '/system/hanging', permission: 'config.write' }],
}
