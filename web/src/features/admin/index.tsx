import { IconBuildingHospital, IconHistory, IconServer, IconUsers } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [
    { path: '/system', component: later(() => import('./SystemScreen')), title: 'System', permission: 'config.read' },
    { path: '/users', component: later(() => import('./UsersScreen')), title: 'Users', permission: 'user.admin' },
    { path: '/sites', component: later(() => import('./SitesScreen')), title: 'Sites', permission: 'config.read' },
    { path: '/audit', component: later(() => import('./AuditScreen')), title: 'Audit trail', permission: 'audit.read' },
  ],
  nav: [
    { label: 'System', to: '/system', icon: IconServer, permission: 'config.read', order: 5 },
    { label: 'Users', to: '/users', icon: IconUsers, permission: 'user.admin', order: 40 },
    { label: 'Sites', to: '/sites', icon: IconBuildingHospital, permission: 'config.read', order: 41 },
    { label: 'Audit', to: '/audit', icon: IconHistory, permission: 'audit.read', order: 42 },
  ],
  actions: [{ id: 'add-user', label: 'Add a user', to: '/users?add=1', permission: 'user.admin' }],
}
