import { IconStethoscope } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [{ path: '/practitioners', component: later(() => import('./PractitionersScreen')), title: 'Physicians' }],
  // Two roles with no permission in common keep them: who takes orders, and who gives accounts.
  nav: [
    { label: 'Physicians', to: '/practitioners', icon: IconStethoscope, permission: 'order.write', roles: ['front_desk'], order: 43 },
    { label: 'Physicians', to: '/practitioners', icon: IconStethoscope, permission: 'user.admin', roles: ['admin'], order: 43 },
  ],
  actions: [{ id: 'add-practitioner', label: 'Add a physician', to: '/practitioners?add=1', permission: 'order.write' }],
}
