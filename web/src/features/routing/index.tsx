import { IconRoute } from '@tabler/icons-react'
import { lazy } from 'react'
import type { Feature } from '@/lib/feature'

export const feature: Feature = {
  routes: [
    { path: '/system/sending', component: lazy(() => import('./SendingScreen')), title: 'Sending', permission: 'queue.read' },
    { path: '/system/rules', component: lazy(() => import('./RulesScreen')), title: 'Routing rules', permission: 'config.read' },
  ],
  nav: [{ label: 'Sending', to: '/system/sending', also: ['/system/rules'], icon: IconRoute, permission: 'queue.read', order: 16 }],
  actions: [{ id: 'routing-rules', label: 'Routing rules', to: '/system/rules', permission: 'config.write' }],
}
