import { useSearch } from '@tanstack/react-router'
import { useEffect } from 'react'
import { useSession } from '@/lib/api'
import { Redirect } from '@/lib/Redirect'
import { Door } from './Door'
import { SignInForm } from './SignInForm'
import classes from './Welcome.module.css'

/** The way in. Afterwards the person stands where they wanted to go, or at their home. */
export function SignInScreen() {
  const { state } = useSession()
  const search: { to?: unknown } = useSearch({ strict: false })
  // Only places of our own: never another site's address.
  const to = typeof search.to === 'string' && /^\/(?![/\\])/.test(search.to) ? search.to : '/'
  useEffect(() => {
    document.title = 'Sign in · Wetread'
  }, [])
  if (state === 'in') return <Redirect to={to} />
  return (
    <Door title="Sign in">
      <SignInForm />
      <p className={classes['hint']}>Forgot the password, or lost the authenticator? An administrator gives you a new one-time link.</p>
    </Door>
  )
}
