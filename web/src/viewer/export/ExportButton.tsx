import { ActionIcon, Tooltip } from '@mantine/core'
import { IconShare2 } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { http, type Answer } from '@/lib/api'
import { showKeys, useKeys } from '@/lib/keys'
import { later } from '@/lib/later'
import { toast } from '@/ui'
import type { Purpose, Source } from './Panel'
import type { PlanesSource } from './planes'

const Panel = later(() => import('./Panel'))
const PlanesPanel = later(() => import('./PlanesPanel'))

/** The way out of the viewer, for who may take it. `source` tells what is shown; words where nothing of it can leave. */
export function ExportButton({ source }: { source: () => Source | PlanesSource | string }) {
  const [open, setOpen] = useState<{ source: Source | PlanesSource; purpose: Purpose } | null>(null)
  const rights = useQuery({
    queryKey: ['export-rights'],
    queryFn: ({ signal }) => http.get<Answer<'/api/exports/rights', 'get'>>('/api/exports/rights', { signal }),
    staleTime: 300_000,
    retry: false,
  })
  const may = rights.data?.may_export === true
  const begin = (purpose: Purpose) => {
    const found = source()
    if (typeof found === 'string') toast(found)
    else setOpen({ source: found, purpose })
  }
  useKeys('Images', [
    { keys: 'Mod+E', label: 'Export', run: () => begin('picture'), disabled: !may },
    { keys: 'Mod+P', label: 'Print', run: () => begin('print'), disabled: !may },
  ])
  if (!may) return null
  return (
    <>
      <Tooltip label={`Export and print (${showKeys('Mod+E')})`} openDelay={400}>
        <ActionIcon variant="subtle" aria-label="Export and print" onClick={() => begin('picture')}>
          <IconShare2 size={20} />
        </ActionIcon>
      </Tooltip>
      {!open ? null : 'choices' in open.source ? (
        <PlanesPanel source={open.source} purpose={open.purpose === 'print' ? 'print' : 'picture'} onClose={() => setOpen(null)} />
      ) : (
        <Panel source={open.source} purpose={open.purpose} onClose={() => setOpen(null)} />
      )}
    </>
  )
}
