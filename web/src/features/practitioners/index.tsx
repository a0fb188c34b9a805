import { IconStethoscope } from '@tabler/icons-react'
import { lazy } from 'react'
import type { Feature } from '@/lib/feature'

export const feature: Feature = {
  routes: [{ path: '/practitioners', component: lazy(() => import('./PractitionersScreen')), title: 'Physicians' }],
  // Two roles with no permission in common keep them: who takes orders, and who gives accounts.
  nav: [
    { label: 'Physicians', to: '/practitioners', icon: IconStethoscope, permission: 'self', roles: ['front_desk', 'admin'], order: 43 },
  ],
  actions: [{ id: 'add-practitioner', label: 'Add a physician', to: '/practitioners?add=1', permission: 'order.write' }],
}
