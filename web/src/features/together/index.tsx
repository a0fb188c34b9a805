import { lazy } from 'react'
import type { Feature } from '@/lib/feature'

export const feature: Feature = {
  routes: [
    { path: '/together/join', component: lazy(() => import('./JoinScreen')), title: 'Live session', frame: 'public', light: 'reading' },
    // Guests have no account: the server asks for the pass that their browser holds.
    { path: '/together/session/$sessionPk', component: lazy(() => import('./SessionScreen')), title: 'Live session', frame: 'public', light: 'reading' },
  ],
  nav: [],
}
