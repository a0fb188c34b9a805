import { IconDeviceHeartMonitor } from '@tabler/icons-react'
import { lazy } from 'react'
import type { Feature } from '@/lib/feature'

export const feature: Feature = {
  routes: [
    { path: '/room', component: lazy(() => import('./RoomScreen')), title: 'My room', permission: 'step.perform' },
    {
      path: '/room/$studyPk/images',
      component: lazy(() => import('./ImagesScreen')),
      title: 'Images',
      permission: 'step.perform',
      frame: 'bare',
      light: 'reading',
    },
  ],
  nav: [{ label: 'Room', to: '/room', icon: IconDeviceHeartMonitor, permission: 'step.perform', roles: ['technologist'], order: 0 }],
  actions: [{ id: 'room', label: 'My room', to: '/room', permission: 'step.perform' }],
}
