import { IconReportAnalytics } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [
    { path: '/today', component: later(() => import('./TodayScreen')), title: 'Today', permission: 'analytics.read', light: 'desk' },
  ],
  nav: [{ label: 'Today', to: '/today', icon: IconReportAnalytics, permission: 'analytics.read', roles: ['manager'], order: 0 }],
}
