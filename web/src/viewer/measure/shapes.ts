import type { HandName } from '../toolLabels'
import type { ToolName } from '../tools'

export type Point = readonly [number, number]

/** How many points a tool is made of by keys; null: as many as a person likes, until one is set twice. */
export const POINTS: Partial<Record<HandName, number | null>> = {
  locate: 1,
  length: 2,
  angle: 3,
  cobb: 4,
  bidirectional: 4,
  ellipse: 2,
  rectangle: 2,
  freehand: null,
  probe: 1,
  arrow: 2,
  text: 1,
  ratio: 4,
  spine: 1,
}

/** What the next point of a tool is, in words. */
export function nextPoint(tool: HandName, at: number): string {
  const names: Partial<Record<HandName, readonly string[]>> = {
    length: ['one end', 'the other end'],
    angle: ['the end of one leg', 'the corner', 'the end of the other leg'],
    cobb: ['one end of the upper line', 'its other end', 'one end of the lower line', 'its other end'],
    bidirectional: ['one end of the long axis', 'its other end', 'one end of the short axis', 'its other end'],
    ellipse: ['one corner', 'the opposite corner'],
    rectangle: ['one corner', 'the opposite corner'],
    probe: ['the point'],
    locate: ['the place'],
    arrow: ['the tip', 'the tail'],
    text: ['the point'],
    ratio: ['one edge of the heart', 'its other edge', 'one inner edge of the chest', 'its other edge'],
  }
  return names[tool]?.[at] ?? 'the next point; set one twice to close'
}

/** The handles that Cornerstone keeps, on the screen, of the points that a person set there. */
export function handlesOf(tool: ToolName, points: readonly Point[]): readonly Point[] {
  const [a, b, c, d] = points
  if (!a || !b) return points
  const [left, right] = [Math.min(a[0], b[0]), Math.max(a[0], b[0])]
  const [top, bottom] = [Math.min(a[1], b[1]), Math.max(a[1], b[1])]
  if (tool === 'rectangle')
    return [
      [left, top],
      [right, top],
      [left, bottom],
      [right, bottom],
    ]
  if (tool === 'ellipse') {
    const [x, y] = [(left + right) / 2, (top + bottom) / 2]
    return [
      [x, bottom],
      [x, top],
      [left, y],
      [right, y],
    ]
  }
  if (tool === 'bidirectional' && c && d) return acrossLongAxis(a, b, c, d)
  return points
}

/** The short axis stands on the long one: its first end as it was set, the other on the same perpendicular. */
function acrossLongAxis(a: Point, b: Point, c: Point, d: Point): readonly Point[] {
  const long: Point = [b[0] - a[0], b[1] - a[1]]
  const size = Math.hypot(long[0], long[1])
  if (size === 0) return [a, b, c, d]
  const across: Point = [-long[1] / size, long[0] / size]
  const reach = (d[0] - c[0]) * across[0] + (d[1] - c[1]) * across[1]
  return [a, b, c, [c[0] + across[0] * reach, c[1] + across[1] * reach]]
}
