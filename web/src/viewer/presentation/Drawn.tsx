import type { Drawing, Graphics, Units, Words } from '../keep/graphics'
import type { Point } from '../keep/shapes'
import type { ToPane } from '../view'
import classes from './presentation.module.css'

type Place = (point: Point, units: Units) => Point

const ANCHOR = { left: 'start', center: 'middle', right: 'end' } as const

/** What an object of another program draws on a picture. */
export function Drawn({ graphics, toPane }: { graphics: Graphics; toPane: ToPane }) {
  const [a, b, c, d, e, f] = toPane
  const fromPicture = ([x, y]: Point): Point => [a * x + c * y + e, b * x + d * y + f]
  const displayed = boundsOf(graphics, fromPicture)
  const at: Place = (point, units) => (units === 'PIXEL' || !displayed ? fromPicture(point) : [displayed.left + point[0] * displayed.width, displayed.top + point[1] * displayed.height])
  const level = Math.round((graphics.shutterGrey ?? 0) * 255)
  return (
    <svg className={classes['drawn']} aria-hidden data-testid="drawn">
      {graphics.shutters.length ? (
        <g transform={`matrix(${toPane.join(' ')})`}>
          {graphics.shutters.map((path) => (
            <path key={path} data-shutter fillRule="evenodd" style={{ fill: `rgb(${level} ${level} ${level})`, stroke: 'none' }} d={`M-1e5 -1e5H1e5V1e5H-1e5Z${path}`} />
          ))}
        </g>
      ) : null}
      {graphics.shapes.map((shape, index) => (
        <Form key={index} shape={shape} at={at} />
      ))}
      {graphics.words.map((words, index) => (
        <Written key={index} words={words} at={at} />
      ))}
    </svg>
  )
}

/** The displayed area on the pane: what parts of the display are told in, after the picture was turned (PS3.3 C.10.5.1.2). */
function boundsOf({ area }: Graphics, fromPicture: (point: Point) => Point) {
  if (!area) return null
  const [one, other] = [fromPicture([area[0] - 1, area[1] - 1]), fromPicture([area[2], area[3]])]
  return { left: Math.min(one[0], other[0]), top: Math.min(one[1], other[1]), width: Math.abs(one[0] - other[0]), height: Math.abs(one[1] - other[1]) }
}

function Written({ words, at }: { words: Words; at: Place }) {
  const anchor = words.anchor ? at(words.anchor, words.anchorUnits) : null
  const corners = words.box?.map((corner) => at(corner, words.units))
  const [one, other] = corners ?? []
  const box = one && other ? { left: Math.min(one[0], other[0]), right: Math.max(one[0], other[0]), top: Math.min(one[1], other[1]), bottom: Math.max(one[1], other[1]) } : null
  const x = box ? { left: box.left, center: (box.left + box.right) / 2, right: box.right }[words.align] : (anchor?.[0] ?? 0) + 6
  const y = box ? box.top + 12 : (anchor?.[1] ?? 0) - 6
  const colour = words.colour ? { fill: words.colour } : undefined
  return (
    <>
      {box && anchor && words.tied ? (
        <line x1={anchor[0]} y1={anchor[1]} x2={Math.max(box.left, Math.min(box.right, anchor[0]))} y2={Math.max(box.top, Math.min(box.bottom, anchor[1]))} style={words.colour ? { stroke: words.colour } : undefined} />
      ) : null}
      <text x={x} y={y} style={colour} textAnchor={box ? ANCHOR[words.align] : 'start'}>
        {words.text.split(/\r?\n/).map((line, number) => (
          <tspan key={number} x={x} dy={number ? '1.2em' : 0}>
            {line}
          </tspan>
        ))}
      </text>
    </>
  )
}

function Form({ shape, at }: { shape: Drawing; at: Place }) {
  const points = shape.points.map((point) => at(point, shape.units))
  const style = { ...(shape.colour ? { stroke: shape.colour } : {}), ...(shape.filled ? { fill: shape.colour ?? 'rgb(255 221 87)' } : {}) }
  const [first, second, third, fourth] = points
  if (!first) return null
  if (shape.form === 'POINT') return <path style={style} d={points.map(([x, y]) => `M${x - 5} ${y}h10M${x} ${y - 5}v10`).join('')} />
  if (shape.form === 'POLYLINE') return <polyline style={style} points={points.map((point) => point.join(',')).join(' ')} />
  if (shape.form === 'INTERPOLATED') return <path style={style} d={curveThrough(points)} />
  if (!second || !third || !fourth) return null
  const degrees = (Math.atan2(second[1] - first[1], second[0] - first[0]) * 180) / Math.PI
  const [x, y] = [(first[0] + second[0]) / 2, (first[1] + second[1]) / 2]
  const radius = (p: Point, q: Point) => Math.hypot(p[0] - q[0], p[1] - q[1]) / 2
  return <ellipse style={style} cx={x} cy={y} rx={radius(first, second)} ry={radius(third, fourth)} transform={`rotate(${degrees} ${x} ${y})`} />
}

/** A smooth line through all points (Catmull and Rom); how it is to run between them is left to who draws (PS3.3 C.10.5.1.2). */
function curveThrough(points: readonly Point[]): string {
  return points
    .map((point, at) => {
      if (at === 0) return `M${point.join(' ')}`
      const [before, start, after] = [points[at - 2] ?? points[at - 1] ?? point, points[at - 1] ?? point, points[at + 1] ?? point]
      return `C${start[0] + (point[0] - before[0]) / 6} ${start[1] + (point[1] - before[1]) / 6} ${point[0] - (after[0] - start[0]) / 6} ${point[1] - (after[1] - start[1]) / 6} ${point.join(' ')}`
    })
    .join('')
}
