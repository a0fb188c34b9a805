import { useQuery } from '@tanstack/react-query'
import { useCallback, useState } from 'react'
import { http, type Answer } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import type { Purpose } from './Panel'

/** Whether this person may take pictures out of the viewer: asked by what offers it, `enabled`; others hear of it. */
export function useExportRights(enabled: boolean): { isKnown: boolean; may: boolean } {
  const rights = useQuery({
    queryKey: ['export-rights'],
    queryFn: ({ signal }) => http.get<Answer<'/api/exports/rights', 'get'>>('/api/exports/rights', { signal }),
    staleTime: 300_000,
    retry: false,
    enabled,
  })
  return { isKnown: rights.data !== undefined || rights.isError, may: rights.data?.may_export === true }
}

/**
 * The keys to export and print. They are there before it is known who may, and before the button is: a key that is pressed
 * upon the first picture is no key of the browser's, which would print the page.
 */
export function useExportKeys(): { wished: Purpose | null; onTaken: () => void } {
  const { isKnown, may } = useExportRights(false)
  const [wished, setWished] = useState<Purpose | null>(null)
  const disabled = isKnown && !may
  useKeys('Images', [
    { keys: 'Mod+E', label: 'Export', run: () => setWished('picture'), disabled },
    { keys: 'Mod+P', label: 'Print', run: () => setWished('print'), disabled },
  ])
  return { wished, onTaken: useCallback(() => setWished(null), []) }
}
