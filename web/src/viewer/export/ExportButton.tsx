import { ActionIcon, Tooltip } from '@mantine/core'
import { IconShare2 } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { showKeys } from '@/lib/keys'
import { later } from '@/lib/later'
import { toast } from '@/ui'
import type { Purpose, Source } from './Panel'
import type { PlanesSource } from './planes'
import { useExportRights } from './rights'

const Panel = later(() => import('./Panel'))
const PlanesPanel = later(() => import('./PlanesPanel'))

/** The way out of the viewer, for who may take it. `source` tells what is shown; words where nothing of it can leave. `wished`: by a key. */
export function ExportButton({ source, wished, onTaken }: { source: () => Source | PlanesSource | string; wished: Purpose | null; onTaken: () => void }) {
  const [open, setOpen] = useState<{ source: Source | PlanesSource; purpose: Purpose } | null>(null)
  const { isKnown, may } = useExportRights(true)
  const begin = (purpose: Purpose) => {
    const found = source()
    if (typeof found === 'string') toast(found)
    else setOpen({ source: found, purpose })
  }
  useEffect(() => {
    if (!wished || !isKnown) return
    onTaken()
    if (may) begin(wished)
    else toast('Nothing may be taken out of the viewer here.')
    // Once for each wish.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [wished, isKnown])
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
