import { useEffect, useRef, useState, type PointerEvent as ReactPointerEvent } from 'react'
import { isPane, type PaneId } from './layout'

/** Moved less than this, a press is a tap. */
const TAP_PX = 8

export interface Dragged<T> {
  what: T
  x: number
  y: number
  over: PaneId | null
}

function paneAt(x: number, y: number): PaneId | null {
  const found = document.elementFromPoint(x, y)?.closest<HTMLElement>('[data-pane]')?.dataset['pane']
  return isPane(found) ? found : null
}

/**
 * Drags something onto a pane, by mouse or finger. `start` goes on `onPointerDown`; the click that ends a drag is not a
 * tap: ask `moved` before heeding it.
 */
export function useSeriesDrag<T>(onDrop: (pane: PaneId, what: T) => void): {
  dragged: Dragged<T> | null
  start: (event: ReactPointerEvent, what: T) => void
  moved: () => boolean
} {
  const [dragged, setDragged] = useState<Dragged<T> | null>(null)
  const drop = useRef(onDrop)
  const hasMoved = useRef(false)
  const stop = useRef<(() => void) | null>(null)
  useEffect(() => {
    drop.current = onDrop
  })
  useEffect(() => () => stop.current?.(), [])

  const start = (down: ReactPointerEvent, what: T) => {
    if (down.button !== 0) return
    hasMoved.current = false
    const { pointerId, clientX, clientY } = down
    const mine = (event: PointerEvent) => event.pointerId === pointerId
    const move = (event: PointerEvent) => {
      if (!mine(event)) return
      if (!hasMoved.current && Math.hypot(event.clientX - clientX, event.clientY - clientY) < TAP_PX) return
      hasMoved.current = true
      setDragged({ what, x: event.clientX, y: event.clientY, over: paneAt(event.clientX, event.clientY) })
    }
    const end = () => {
      window.removeEventListener('pointermove', move)
      window.removeEventListener('pointerup', up)
      window.removeEventListener('pointercancel', cancel)
      stop.current = null
      setDragged(null)
    }
    const up = (event: PointerEvent) => {
      if (!mine(event)) return
      const pane = hasMoved.current ? paneAt(event.clientX, event.clientY) : null
      end()
      if (pane) drop.current(pane, what)
    }
    // The list is being scrolled after all.
    const cancel = (event: PointerEvent) => {
      if (mine(event)) end()
    }
    window.addEventListener('pointermove', move)
    window.addEventListener('pointerup', up)
    window.addEventListener('pointercancel', cancel)
    stop.current = end
  }
  return { dragged, start, moved: () => hasMoved.current }
}
