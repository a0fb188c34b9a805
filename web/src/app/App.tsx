import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { useEffect } from 'react'
import { SessionProvider, useSession } from '@/lib/api'
import { takeMouseOf } from '@/lib/hands'
import { takeKeysOf } from '@/lib/keys'
import { ApiProblem } from '@/lib/problem'
import { UiProvider } from '@/ui'
import { router } from './router'

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      gcTime: 5 * 60_000,
      refetchOnWindowFocus: true,
      // What the server refused stays refused; only a lost connection is worth another try.
      retry: (count, error) => error instanceof ApiProblem && (error.status === 0 || error.status === 503) && count < 2,
    },
    mutations: { retry: false },
  },
})

export function App() {
  return (
    <QueryClientProvider client={client}>
      <UiProvider>
        <SessionProvider>
          <OwnHands />
          <RouterProvider router={router} />
        </SessionProvider>
      </UiProvider>
    </QueryClientProvider>
  )
}

/** On every screen keys and mouse buttons are those of who is signed in. */
function OwnHands() {
  const { actor } = useSession()
  const userPk = actor?.user_pk ?? null
  useEffect(() => {
    takeKeysOf(userPk)
    takeMouseOf(userPk)
  }, [userPk])
  return null
}
