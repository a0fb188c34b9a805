import { IconDownload } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [
    { path: '/system/fetching', component: later(() => import('./FetchingScreen')), title: 'Fetching', permission: 'queue.read' },
    { path: '/system/archives', component: later(() => import('./ArchivesScreen')), title: 'Other archives', permission: 'config.read' },
  ],
  nav: [{ label: 'Fetching', to: '/system/fetching', also: ['/system/archives'], icon: IconDownload, permission: 'queue.read', order: 17 }],
  actions: [{ id: 'other-archives', label: 'Other archives', to: '/system/archives', permission: 'config.write' }],
}
