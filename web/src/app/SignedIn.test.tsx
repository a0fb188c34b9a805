import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, createRootRoute, createRoute, createRouter, RouterProvider } from '@tanstack/react-router'
import { act, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { drawn } from '@/ui/testing'
import { http, SessionProvider } from '@/lib/api'
import { SignedIn } from './SignedIn'

const ACTOR = {
  user_pk: 1,
  username: 'ines',
  display_name: 'Dr. Ines Moreau',
  roles: ['radiologist'],
  permissions: ['self'],
  practitioner_pk: 1,
  must_enrol_totp: false,
  idle_s: 900,
}
type Reply = { status: number; body?: unknown }
let replies: (method: string, path: string) => Reply

beforeEach(() => {
  vi.stubGlobal('EventSource', class {
    close() {
      return undefined
    }
  })
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    const { status, body } = replies(init.method ?? 'GET', path)
    return Promise.resolve(
      new Response(status === 204 ? null : JSON.stringify(body ?? {}), { status, headers: { 'content-type': 'application/json' } }),
    )
  })
})

afterEach(() => vi.unstubAllGlobals())

function house() {
  const root = createRootRoute()
  const work = createRoute({
    getParentRoute: () => root,
    path: '/',
    component: () => (
      <SignedIn>
        <textarea aria-label="Report" defaultValue="No acute" />
      </SignedIn>
    ),
  })
  const door = createRoute({ getParentRoute: () => root, path: '/sign-in', component: () => <p>The door</p> })
  const router = createRouter({
    routeTree: root.addChildren([work, door]),
    history: createMemoryHistory({ initialEntries: ['/'] }),
  })
  return drawn(
    <QueryClientProvider client={new QueryClient()}>
      <SessionProvider>
        <RouterProvider router={router as never} />
      </SessionProvider>
    </QueryClientProvider>,
  )
}

describe('the session', () => {
  it('shows the door to nobody in particular', async () => {
    replies = () => ({ status: 401 })
    house()
    expect(await screen.findByText('The door')).toBeDefined()
  })

  it('covers the work when it ends, and gives it back to the same person with what they typed', async () => {
    const user = userEvent.setup()
    replies = () => ({ status: 200, body: ACTOR })
    house()
    const report = await screen.findByLabelText('Report')
    await user.type(report, ' haemorrhage.')

    replies = () => ({ status: 401, body: { detail: 'Your session has ended.' } })
    await act(() => http.get('/api/anything').catch(() => undefined))
    expect(await screen.findByText('Your session has ended')).toBeDefined()

    replies = (method) => (method === 'POST' ? { status: 401, body: { detail: 'c', errors: [{ field: 'totp', reason: 'required' }] } } : { status: 401 })
    await user.type(screen.getByLabelText('Password'), 'amber birch')
    await user.click(screen.getByRole('button', { name: 'Sign in' }))
    const code = await screen.findByLabelText('Code from your authenticator')

    replies = () => ({ status: 200, body: ACTOR })
    await user.type(code, '123456')
    await user.click(screen.getByRole('button', { name: 'Sign in' }))
    await waitFor(() => expect(screen.queryByText('Your session has ended')).toBeNull())
    expect((screen.getByLabelText('Report') as HTMLTextAreaElement).value).toBe('No acute haemorrhage.')
  })

  it('says so when the server does not answer, and asks again', async () => {
    const user = userEvent.setup()
    replies = () => ({ status: 503 })
    house()
    const again = await screen.findByRole('button', { name: 'Try again' })
    replies = () => ({ status: 200, body: ACTOR })
    await user.click(again)
    expect(await screen.findByLabelText('Report')).toBeDefined()
  })
})
