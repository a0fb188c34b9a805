import { IconArrowsJoin2 } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [
    { path: '/reconcile', component: later(() => import('./ReconcileScreen')), title: 'Reconciliation', permission: 'study.reconcile' },
  ],
  nav: [{ label: 'Reconcile', to: '/reconcile', icon: IconArrowsJoin2, permission: 'study.reconcile', order: 12 }],
  actions: [{ id: 'reconcile', label: 'Reconcile studies', to: '/reconcile', permission: 'study.reconcile' }],
}
