import { IconListDetails } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [{ path: '/board', component: later(() => import('./BoardScreen')), title: 'Tracking board', permission: 'schedule.read' }],
  nav: [
    {
      label: 'Tracking',
      to: '/board',
      icon: IconListDetails,
      permission: 'schedule.read',
      roles: ['technologist', 'front_desk', 'manager', 'radiologist'],
      order: 11,
    },
  ],
  actions: [{ id: 'tracking', label: 'Tracking board', to: '/board', permission: 'schedule.read' }],
}
