import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'

export const feature: Feature = {
  routes: [
    { path: '/together/join', component: later(() => import('./JoinScreen')), title: 'Live session', frame: 'public', light: 'reading' },
    // Guests have no account: the server asks for the pass that their browser holds.
    { path: '/together/session/$sessionPk', component: later(() => import('./SessionScreen')), title: 'Live session', frame: 'public', light: 'reading' },
  ],
  nav: [],
}
