import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { SessionProvider } from '@/lib/api'
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
          <RouterProvider router={router} />
        </SessionProvider>
      </UiProvider>
    </QueryClientProvider>
  )
}
