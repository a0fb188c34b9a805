import { useCallback, useEffect, useState } from 'react'
import type { PaperViewProps } from './paper'
import { usePinch } from './usePinch'

const STEP_PX = 56
const LEAST = 0.7
const MOST = 2.5

/** A sheet of words that is scrolled, and enlarged by its letters. `onHands` null: others have the keys. */
export function useSheet(onHands: PaperViewProps['onHands'] | null): { setSheet: (element: HTMLElement | null) => void; large: number } {
  const [sheet, setSheet] = useState<HTMLElement | null>(null)
  const [large, setLarge] = useState(1)
  const zoom = useCallback((factor: number) => setLarge((before) => Math.max(LEAST, Math.min(MOST, before * factor))), [])
  usePinch(sheet, zoom)
  useEffect(() => {
    if (!onHands || !sheet) return
    onHands({
      step: (by) => sheet.scrollBy({ top: Math.abs(by) >= 5 ? Math.sign(by) * sheet.clientHeight * 0.9 : by * STEP_PX }),
      end: (last) => sheet.scrollTo({ top: last ? sheet.scrollHeight : 0 }),
      zoom,
      fit: () => setLarge(1),
    })
    return () => onHands(null)
  }, [onHands, sheet, zoom])
  return { setSheet, large }
}
