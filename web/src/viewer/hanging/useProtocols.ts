import { useQuery, useQueryClient } from '@tanstack/react-query'
import { http, useSession } from '@/lib/api'
import type { Protocol, ProtocolIn } from './types'

const KEY = ['hanging-protocols']

/** The protocols that apply to this reader; undefined until they have come. A guest, who has none, hangs as is built in. */
export function useProtocols(wanted: boolean): readonly Protocol[] | undefined {
  const { may } = useSession()
  const enabled = wanted && may('study.read')
  const found = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => http.get<Protocol[]>('/api/hanging-protocols', { signal }),
    enabled,
    staleTime: 30_000,
  })
  // Studies hang, if by none of them, where the protocols cannot be had.
  return enabled && !found.isError ? found.data : NONE
}

const NONE: readonly Protocol[] = []

/** Keeps a protocol, new where it has no key; answers what was kept. Throws the server's problem. */
export function useKeepProtocol() {
  const client = useQueryClient()
  const renew = () => client.invalidateQueries({ queryKey: KEY })
  return {
    keep: async (body: ProtocolIn, known: { hanging_protocol_pk: number; version: number } | null): Promise<Protocol> => {
      const kept = known
        ? await http.put<Protocol>(`/api/hanging-protocols/${known.hanging_protocol_pk}`, { ...body, version: known.version })
        : await http.post<Protocol>('/api/hanging-protocols', body)
      client.setQueryData<readonly Protocol[]>(KEY, (before) => [...(before ?? []).filter((one) => one.hanging_protocol_pk !== kept.hanging_protocol_pk), kept])
      await renew()
      return kept
    },
    remove: async (hanging_protocol_pk: number): Promise<void> => {
      await http.delete(`/api/hanging-protocols/${hanging_protocol_pk}`)
      client.setQueryData<readonly Protocol[]>(KEY, (before) => (before ?? []).filter((one) => one.hanging_protocol_pk !== hanging_protocol_pk))
      await renew()
    },
  }
}
