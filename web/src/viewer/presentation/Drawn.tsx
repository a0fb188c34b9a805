import type { Graphics } from '../keep/presentation'
import type { Point, Shape } from '../keep/shapes'
import type { ToPane } from '../view'
import classes from './presentation.module.css'

/** What another presentation state draws on a picture. */
export function Drawn({ graphics, toPane }: { graphics: Graphics; toPane: ToPane }) {
  const [a, b, c, d, e, f] = toPane
  const at = ([x, y]: Point): Point => [a * x + c * y + e, b * x + d * y + f]
  return (
    <svg className={classes['drawn']} aria-hidden data-testid="drawn">
      {graphics.shapes.map((shape, index) => (
        <Form key={index} shape={shape} at={at} />
      ))}
      {graphics.words.map((words, index) => {
        const [x, y] = at(words.at)
        return (
          <text key={index} x={x + 6} y={y - 6}>
            {words.text.split(/\r?\n/).map((line, number) => (
              <tspan key={number} x={x + 6} dy={number ? '1.2em' : 0}>
                {line}
              </tspan>
            ))}
          </text>
        )
      })}
    </svg>
  )
}

function Form({ shape, at }: { shape: Shape; at: (point: Point) => Point }) {
  const points = shape.points.map(at)
  const [first, second, third, fourth] = points
  if (!first) return null
  if (shape.graphic_type === 'POINT') return <path d={`M${first[0] - 5} ${first[1]}h10M${first[0]} ${first[1] - 5}v10`} />
  if (shape.graphic_type === 'POLYLINE') return <polyline points={points.map((point) => point.join(',')).join(' ')} />
  if (!second || !third || !fourth) return null
  const degrees = (Math.atan2(second[1] - first[1], second[0] - first[0]) * 180) / Math.PI
  const [x, y] = [(first[0] + second[0]) / 2, (first[1] + second[1]) / 2]
  const radius = (p: Point, q: Point) => Math.hypot(p[0] - q[0], p[1] - q[1]) / 2
  return <ellipse cx={x} cy={y} rx={radius(first, second)} ry={radius(third, fourth)} transform={`rotate(${degrees} ${x} ${y})`} />
}
