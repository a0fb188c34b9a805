import { IconAlertTriangle, IconPlugConnected } from '@tabler/icons-react'
import { lazy } from 'react'
import type { Feature } from '@/lib/feature'

export const feature: Feature = {
  routes: [
    { path: '/quarantine', component: lazy(() => import('./QuarantineScreen')), title: 'Quarantine', permission: 'quarantine.read' },
    { path: '/system/store', component: lazy(() => import('./DamageScreen')), title: 'The store', permission: 'config.read' },
    {
      path: '/application-entities',
      component: lazy(() => import('./EntitiesScreen')),
      title: 'Application entities',
      permission: 'config.read',
    },
  ],
  nav: [
    { label: 'Quarantine', to: '/quarantine', icon: IconAlertTriangle, permission: 'quarantine.read', order: 20 },
    { label: 'AE titles', to: '/application-entities', icon: IconPlugConnected, permission: 'config.read', order: 21 },
  ],
  actions: [{ id: 'add-application-entity', label: 'Add an application entity', to: '/application-entities?add=1', permission: 'config.write' }],
}
