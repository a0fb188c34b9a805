import { useRef, type PointerEvent } from 'react'
import type { ToPane } from '../view'
import type { Shift } from './types'
import classes from './subtract.module.css'

/** Lies over a picture: a drag, by mouse or one finger, moves the mask and nothing else. */
export function MaskDrag({ toPane, onMove }: { toPane: () => ToPane | null; onMove: (by: Shift) => void }) {
  const last = useRef<{ x: number; y: number } | null>(null)
  const moved = (event: PointerEvent) => {
    const [before, map] = [last.current, toPane()]
    if (!before || !map || !event.isPrimary) return
    const [a, b, c, d] = map
    const area = a * d - b * c
    if (!area) return
    const [x, y] = [event.clientX - before.x, event.clientY - before.y]
    const by = { right: (d * x - c * y) / area, down: (a * y - b * x) / area }
    // Less than can be told is kept for the next move.
    if (Math.hypot(by.right, by.down) < 0.02) return
    last.current = { x: event.clientX, y: event.clientY }
    onMove(by)
  }
  return (
    <div
      className={classes['drag']}
      data-testid="mask-drag"
      onPointerDown={(event) => {
        if (!event.isPrimary || event.button > 0) return
        event.currentTarget.setPointerCapture(event.pointerId)
        last.current = { x: event.clientX, y: event.clientY }
      }}
      onPointerMove={moved}
      onPointerUp={() => {
        last.current = null
      }}
      onPointerCancel={() => {
        last.current = null
      }}
    />
  )
}
