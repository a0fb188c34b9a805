import { lazy } from 'react'
import type { Feature } from '@/lib/feature'
import { SignInScreen } from './SignInScreen'

export const feature: Feature = {
  routes: [
    { path: '/sign-in', component: SignInScreen, title: 'Sign in', frame: 'public', light: 'reading' },
    { path: '/welcome', component: lazy(() => import('./WelcomeScreen')), title: 'Welcome', frame: 'public', light: 'reading' },
    { path: '/account', component: lazy(() => import('./AccountScreen')), title: 'My account', permission: 'self' },
  ],
  nav: [],
}
