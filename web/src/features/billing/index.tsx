import { IconCoins, IconFileDollar, IconFileInvoice } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [
    { path: '/billing', component: later(() => import('./ClaimsScreen')), title: 'Claims', permission: 'billing.read' },
    { path: '/billing/files', component: later(() => import('./FilesScreen')), title: 'Claim files', permission: 'billing.read' },
    { path: '/billing/setup', component: later(() => import('./SetupScreen')), title: 'Fees and billers', permission: 'billing.read' },
  ],
  nav: [
    { label: 'Claims', to: '/billing', icon: IconFileInvoice, permission: 'billing.write', order: 4 },
    { label: 'Files', to: '/billing/files', icon: IconFileDollar, permission: 'billing.write', order: 12 },
    { label: 'Fees', to: '/billing/setup', icon: IconCoins, permission: 'billing.write', order: 13 },
    { label: 'Claims', to: '/billing', icon: IconFileInvoice, permission: 'billing.read', roles: ['manager'], order: 20 },
  ],
  actions: [{ id: 'claim-files', label: 'Claim files', to: '/billing/files', permission: 'billing.read' }],
}
