import type { Vec3 } from './geometry'
import type { Segment } from './planes'
import classes from './viewer.module.css'

export interface LinesProps {
  toCanvas: (point: Vec3) => readonly [number, number]
  lines: { main: Segment | null; ends: readonly Segment[] } | null
  spot: Vec3 | null
}

/** Where another picture cuts this one, and a place that was pointed out. */
export function Lines({ toCanvas, lines, spot }: LinesProps) {
  const cross = spot ? toCanvas(spot) : null
  return (
    <svg className={classes['lines']} aria-hidden data-testid="reference-lines">
      {lines?.ends.map((segment, at) => <Line key={at} segment={segment} toCanvas={toCanvas} end />)}
      {lines?.main ? <Line segment={lines.main} toCanvas={toCanvas} /> : null}
      {cross ? (
        <path className={classes['spot']} data-spot d={`M${cross[0] - 18} ${cross[1]}h13m10 0h13M${cross[0]} ${cross[1] - 18}v13m0 10v13`} />
      ) : null}
    </svg>
  )
}

function Line({ segment, toCanvas, end }: { segment: Segment; toCanvas: LinesProps['toCanvas']; end?: boolean }) {
  const from = toCanvas(segment.from)
  const to = toCanvas(segment.to)
  return <line data-end={end} data-main={!end || undefined} x1={from[0]} y1={from[1]} x2={to[0]} y2={to[1]} />
}
