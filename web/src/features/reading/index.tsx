import { IconReportMedical } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [
    {
      path: '/reading',
      component: later(() => import('./ReadingListScreen')),
      title: 'Reading list',
      permission: 'reading_list.read',
      light: 'reading',
    },
    {
      path: '/read/$studyPk',
      component: later(() => import('./ReadScreen')),
      title: 'Reading',
      permission: 'reading_list.read',
      light: 'reading',
    },
    {
      path: '/read/window/$id/$number',
      component: later(() => import('./WindowScreen')),
      title: 'Images',
      permission: 'reading_list.read',
      light: 'reading',
      frame: 'bare',
    },
  ],
  nav: [
    {
      label: 'Reading',
      to: '/reading',
      icon: IconReportMedical,
      permission: 'reading_list.read',
      roles: ['radiologist'],
      order: 0,
    },
  ],
  actions: [{ id: 'reading-list', label: 'Reading list', to: '/reading', permission: 'reading_list.read' }],
}
