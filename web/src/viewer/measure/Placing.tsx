import { useState } from 'react'
import { useKeys } from '@/lib/keys'
import type { HandName } from '../toolLabels'
import { nextPoint, POINTS, type Point } from './shapes'
import classes from './measure.module.css'

export interface PlacingProps {
  tool: HandName
  /** The size of the pane, CSS pixels. */
  width: number
  height: number
  onDone: (points: readonly Point[]) => void
  onStop: () => void
}

const STEP_PX = 1
const STRIDE_PX = 12

/** A cross on the picture that arrow keys move; Enter sets a point. */
export function Placing({ tool, width, height, onDone, onStop }: PlacingProps) {
  const [at, setAt] = useState<Point>([width / 2, height / 2])
  const [points, setPoints] = useState<readonly Point[]>([])
  const move = (right: number, down: number) =>
    setAt(([x, y]) => [Math.max(0, Math.min(width - 1, x + right)), Math.max(0, Math.min(height - 1, y + down))])
  const set = () => {
    const last = points[points.length - 1]
    const wanted = POINTS[tool]
    if (last && last[0] === at[0] && last[1] === at[1]) {
      if (wanted === null && points.length >= 3) onDone(points)
      return
    }
    const next = [...points, at]
    if (wanted !== null && wanted !== undefined && next.length >= wanted) onDone(next)
    else setPoints(next)
  }
  useKeys('Set points', [
    { keys: 'ArrowRight', label: 'Cross to the right', run: () => move(STRIDE_PX, 0) },
    { keys: 'ArrowLeft', label: 'Cross to the left', run: () => move(-STRIDE_PX, 0) },
    { keys: 'ArrowDown', label: 'Cross down', run: () => move(0, STRIDE_PX) },
    { keys: 'ArrowUp', label: 'Cross up', run: () => move(0, -STRIDE_PX) },
    { keys: 'Shift+ArrowRight', label: 'One pixel to the right', run: () => move(STEP_PX, 0) },
    { keys: 'Shift+ArrowLeft', label: 'One pixel to the left', run: () => move(-STEP_PX, 0) },
    { keys: 'Shift+ArrowDown', label: 'One pixel down', run: () => move(0, STEP_PX) },
    { keys: 'Shift+ArrowUp', label: 'One pixel up', run: () => move(0, -STEP_PX) },
    { keys: 'Enter', label: 'Set the point', run: set },
    { keys: 'Backspace', label: 'Take the last point back', run: () => setPoints(points.slice(0, -1)) },
    { keys: 'Escape', label: 'Stop setting points', run: onStop },
  ])
  return (
    <>
      <svg className={classes['cross']} width={width} height={height} aria-hidden>
        {points.length ? <polyline points={[...points, at].map((point) => point.join(',')).join(' ')} /> : null}
        {points.map((point) => (
          <circle key={point.join()} cx={point[0]} cy={point[1]} r={3} />
        ))}
        <path d={`M${at[0] - 14} ${at[1]}h10m8 0h10M${at[0]} ${at[1] - 14}v10m0 8v10`} />
      </svg>
      <p className={classes['hint']} role="status">
        Arrows move the cross, Shift by one pixel. Enter sets {nextPoint(tool, points.length)}. Escape stops.
      </p>
    </>
  )
}
