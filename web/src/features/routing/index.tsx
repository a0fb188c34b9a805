import { IconRoute } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [
    { path: '/system/sending', component: later(() => import('./SendingScreen')), title: 'Sending', permission: 'queue.read' },
    { path: '/system/compression', component: later(() => import('./CompressionScreen')), title: 'Compression', permission: 'queue.read' },
    { path: '/system/rules', component: later(() => import('./RulesScreen')), title: 'Routing rules', permission: 'config.read' },
  ],
  nav: [{ label: 'Sending', to: '/system/sending', also: ['/system/rules', '/system/compression'], icon: IconRoute, permission: 'queue.read', order: 16 }],
  actions: [
    { id: 'routing-rules', label: 'Rules', to: '/system/rules', permission: 'config.write' },
    { id: 'compression', label: 'Compression in the archive', to: '/system/compression', permission: 'queue.read' },
  ],
}
