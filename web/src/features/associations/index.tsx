import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [
    { path: '/system/associations', component: later(() => import('./AssociationsScreen')), title: 'Associations', permission: 'config.read' },
    { path: '/system/commitments', component: later(() => import('./CommitmentsScreen')), title: 'Storage commitments', permission: 'queue.read' },
    { path: '/system/announcements', component: later(() => import('./AnnouncementsScreen')), title: 'What others have', permission: 'queue.read' },
  ],
  nav: [],
  actions: [
    { id: 'associations', label: 'Associations open now', to: '/system/associations', permission: 'config.read' },
    { id: 'storage-commitments', label: 'Storage commitments', to: '/system/commitments', permission: 'queue.read' },
    { id: 'announcements', label: 'What others have', to: '/system/announcements', permission: 'queue.read' },
  ],
}
