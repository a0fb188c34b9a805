import { IconAlertTriangle, IconArchive, IconPlugConnected, IconTrash } from '@tabler/icons-react'
import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [
    { path: '/quarantine', component: later(() => import('./QuarantineScreen')), title: 'Quarantine', permission: 'quarantine.read' },
    { path: '/system/store', component: later(() => import('./StoresScreen')), title: 'The store', permission: 'config.read' },
    { path: '/system/damage', component: later(() => import('./DamageScreen')), title: 'Damaged images', permission: 'config.read' },
    {
      path: '/application-entities',
      component: later(() => import('./EntitiesScreen')),
      title: 'Application entities',
      permission: 'config.read',
    },
    { path: '/studies', component: later(() => import('./StudiesScreen')), title: 'Studies', permission: 'study.reconcile' },
    { path: '/studies/$studyPk', component: later(() => import('./StudyScreen')), title: 'Study', permission: 'study.reconcile' },
    { path: '/corrections', component: later(() => import('./CorrectionsScreen')), title: 'Corrections', permission: 'study.reconcile' },
    { path: '/trash', component: later(() => import('./TrashScreen')), title: 'Trash', permission: 'study.remove' },
    { path: '/holds', component: later(() => import('./HoldsScreen')), title: 'Legal holds', permission: 'study.hold' },
    { path: '/system/retention', component: later(() => import('./RetentionScreen')), title: 'Retention', permission: 'config.read' },
  ],
  nav: [
    {
      label: 'Studies',
      to: '/studies',
      also: ['/corrections', '/trash', '/holds'],
      icon: IconArchive,
      permission: 'study.reconcile',
      order: 13,
    },
    { label: 'Quarantine', to: '/quarantine', icon: IconAlertTriangle, permission: 'quarantine.read', order: 20 },
    { label: 'AE titles', to: '/application-entities', also: ['/system/associations', '/system/commitments'], icon: IconPlugConnected, permission: 'config.read', order: 21 },
    { label: 'Trash', to: '/trash', also: ['/holds', '/system/retention'], icon: IconTrash, permission: 'study.remove', roles: ['admin'], order: 22 },
  ],
  actions: [
    { id: 'add-application-entity', label: 'Add an application entity', to: '/application-entities?add=1', permission: 'config.write' },
    { id: 'studies', label: 'Studies of the archive', to: '/studies', permission: 'study.reconcile' },
    { id: 'corrections', label: 'Corrections', to: '/corrections', permission: 'study.reconcile' },
    { id: 'trash', label: 'Trash', to: '/trash', permission: 'study.remove' },
    { id: 'holds', label: 'Legal holds', to: '/holds', permission: 'study.hold' },
    { id: 'retention', label: 'Retention rules', to: '/system/retention', permission: 'config.read' },
  ],
}
