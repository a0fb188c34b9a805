import type { Feature } from '@/lib/feature'
import { later } from '@/lib/later'
import { SignInScreen } from './SignInScreen'

export const feature: Feature = {
  routes: [
    { path: '/sign-in', component: SignInScreen, title: 'Sign in', frame: 'public', light: 'reading' },
    { path: '/welcome', component: later(() => import('./WelcomeScreen')), title: 'Welcome', frame: 'public', light: 'reading' },
    { path: '/account', component: later(() => import('./AccountScreen')), title: 'My account', permission: 'self' },
  ],
  nav: [],
}
