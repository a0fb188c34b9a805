import { IconArrowsExchange } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [
    { path: '/system/messages', component: later(() => import('./MessagesScreen')), title: 'Interfaces', permission: 'queue.read' },
    { path: '/system/receivers', component: later(() => import('./ReceiversScreen')), title: 'Receivers', permission: 'queue.read' },
  ],
  nav: [{ label: 'Interfaces', to: '/system/messages', also: ['/system/receivers'], icon: IconArrowsExchange, permission: 'queue.read', order: 15 }],
  actions: [{ id: 'receivers', label: 'Receivers of results', to: '/system/receivers', permission: 'config.write' }],
}
