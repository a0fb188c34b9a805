import { IconLayoutGrid } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [{ path: '/system/hanging', component: later(() => import('./HangingScreen')), title: 'Hanging protocols', permission: 'config.read' }],
  nav: [{ label: 'Hanging', to: '/system/hanging', icon: IconLayoutGrid, permission: 'config.read', order: 43 }],
  actions: [{ id: 'hanging-protocols', label: 'Hanging protocols of the sites', to: '/system/hanging', permission: 'config.write' }],
}
