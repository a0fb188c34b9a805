import { IconDownload } from '@tabler/icons-react'
import { lazy } from 'react'
import type { Feature } from '@/lib/feature'

export const feature: Feature = {
  routes: [
    { path: '/system/fetching', component: lazy(() => import('./FetchingScreen')), title: 'Fetching', permission: 'queue.read' },
    { path: '/system/archives', component: lazy(() => import('./ArchivesScreen')), title: 'Other archives', permission: 'config.read' },
  ],
  nav: [{ label: 'Fetching', to: '/system/fetching', also: ['/system/archives'], icon: IconDownload, permission: 'queue.read', order: 17 }],
  actions: [{ id: 'other-archives', label: 'Other archives', to: '/system/archives', permission: 'config.write' }],
}
