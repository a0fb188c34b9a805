import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import type { PaperViewProps } from './paper'
import { placesOfParts, tellMoved, type Place, type Places } from './places'
import { usePinch } from './usePinch'

const STEP_PX = 56
const LEAST = 0.7
const MOST = 2.5
/** What words stand in, on every screen the same in the same order. */
const PARTS = 'h1, h2, h3, h4, h5, h6, [role=heading], p, pre, li, tr, dt, dd, article div, img'

/** A sheet of words that is scrolled, and enlarged by its letters. `onHands` null: others have the keys. */
export function useSheet(onHands: PaperViewProps['onHands'] | null): { setSheet: (element: HTMLElement | null) => void; large: number } {
  const [sheet, setSheet] = useState<HTMLElement | null>(null)
  const [large, setLarge] = useState(1)
  const zoom = useCallback((factor: number) => setLarge((before) => Math.max(LEAST, Math.min(MOST, before * factor))), [])
  usePinch(sheet, zoom)
  const size = useRef(large)
  /** Where to be once the letters are as large as they will be. */
  const going = useRef<Place | null>(null)
  const parts = useMemo(() => sheet && placesOfParts(sheet, () => [...sheet.querySelectorAll<HTMLElement>(PARTS)], () => undefined), [sheet])
  useLayoutEffect(() => {
    size.current = large
    const [part, down] = going.current ?? []
    going.current = null
    if (part !== undefined && down !== undefined) parts?.bring(part, down)
    tellMoved(sheet)
  }, [sheet, parts, large])
  useEffect(() => {
    const moved = () => tellMoved(sheet)
    sheet?.addEventListener('scroll', moved, { passive: true })
    return () => sheet?.removeEventListener('scroll', moved)
  }, [sheet])
  const places = useMemo<Places | undefined>(
    () =>
      parts
        ? {
            ...parts,
            where: () => [...parts.middle(), size.current],
            goTo: ([part = 0, down = 0, letters = 1]) => {
              const next = Math.max(LEAST, Math.min(MOST, letters))
              going.current = next === size.current ? null : [part, down]
              if (next === size.current) parts.bring(part, down)
              else setLarge(next)
            },
          }
        : undefined,
    [parts],
  )
  useEffect(() => {
    if (!onHands || !sheet) return
    onHands({
      step: (by) => sheet.scrollBy({ top: Math.abs(by) >= 5 ? Math.sign(by) * sheet.clientHeight * 0.9 : by * STEP_PX }),
      end: (last) => sheet.scrollTo({ top: last ? sheet.scrollHeight : 0 }),
      zoom,
      fit: () => setLarge(1),
      places,
    })
    return () => onHands(null)
  }, [onHands, sheet, zoom, places])
  return { setSheet, large }
}
