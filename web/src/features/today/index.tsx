import { IconReportAnalytics } from '@tabler/icons-react'
import { lazy } from 'react'
import type { Feature } from '@/lib/feature'

export const feature: Feature = {
  routes: [
    { path: '/today', component: lazy(() => import('./TodayScreen')), title: 'Today', permission: 'analytics.read', light: 'desk' },
  ],
  nav: [{ label: 'Today', to: '/today', icon: IconReportAnalytics, permission: 'analytics.read', roles: ['manager'], order: 0 }],
}
