import { IconDeviceHeartMonitor } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [
    { path: '/room', component: later(() => import('./RoomScreen')), title: 'My room', permission: 'step.perform' },
    {
      path: '/room/$studyPk/images',
      component: later(() => import('./ImagesScreen')),
      title: 'Images',
      permission: 'step.perform',
      frame: 'bare',
      light: 'reading',
    },
  ],
  nav: [{ label: 'Room', to: '/room', icon: IconDeviceHeartMonitor, permission: 'step.perform', roles: ['technologist'], order: 0 }],
  actions: [{ id: 'room', label: 'My room', to: '/room', permission: 'step.perform' }],
}
