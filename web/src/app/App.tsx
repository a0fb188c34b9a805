import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { useEffect } from 'react'
import { http, SessionProvider, useSession, type Answer } from '@/lib/api'
import { takeMouse } from '@/lib/hands'
import { takeKeys } from '@/lib/keys'
import { ApiProblem } from '@/lib/problem'
import { toastProblem, UiProvider } from '@/ui'
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

type Hands = Answer<'/api/account/hands', 'get'>

/** On every screen, and at every workstation, keys and mouse buttons are those of who is signed in. */
function OwnHands() {
  const { actor } = useSession()
  const userPk = actor?.user_pk ?? null
  const { data } = useQuery({
    queryKey: ['hands', userPk],
    enabled: userPk !== null,
    staleTime: Infinity,
    queryFn: ({ signal }) => http.get<Hands>('/api/account/hands', { signal }),
  })
  useEffect(() => {
    let hands: Hands = { keys: {}, mouse: {}, ...(userPk === null ? null : data) }
    const keep = (change: Partial<Hands>) => {
      hands = { ...hands, ...change }
      if (userPk !== null) http.put('/api/account/hands', hands).catch((error: unknown) => toastProblem(error, 'Your choice holds in this window, and was not kept'))
    }
    takeKeys(hands.keys ?? {}, (keys) => keep({ keys }))
    takeMouse(hands.mouse ?? {}, (mouse) => keep({ mouse: { ...mouse } }))
  }, [userPk, data])
  return null
}
