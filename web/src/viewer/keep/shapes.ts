import { MEASURING, TOOL_LABEL } from '../toolLabels'
import type { ToolName } from '../tools'

export type Point = readonly [number, number]

export interface Shape {
  graphic_type: 'POINT' | 'POLYLINE' | 'ELLIPSE'
  points: Point[]
}

/** What a tool's handles are as shapes of DICOM; null: nothing that can be kept. */
export function shapesOf(tool: ToolName, handles: readonly Point[], outline: readonly Point[]): Shape[] | null {
  const [a, b, c, d] = handles
  const line = (...points: (Point | undefined)[]): Shape => ({ graphic_type: 'POLYLINE', points: points.filter((one): one is Point => one !== undefined) })
  if (tool === 'freehand') {
    const [first] = outline
    return first && outline.length >= 3 ? [line(...outline, first)] : null
  }
  if (!a) return null
  if (tool === 'probe' || tool === 'text' || tool === 'spine') return [{ graphic_type: 'POINT', points: [a] }]
  if (!b) return null
  if (tool === 'length' || tool === 'arrow') return [line(a, b)]
  if (!c) return null
  if (tool === 'angle') return [line(a, b, c)]
  if (!d) return null
  if (tool === 'bidirectional' || tool === 'cobb' || tool === 'ratio') return [line(a, b), line(c, d)]
  // Cornerstone's corners are upper left, upper right, lower left, lower right.
  if (tool === 'rectangle') return [line(a, b, d, c, a)]
  if (tool !== 'ellipse') return null
  // Ends of the long axis, then of the short one (PS3.3 C.18.6.1.2); Cornerstone's are below, above, left, right.
  const far = (p: Point, q: Point) => Math.hypot(p[0] - q[0], p[1] - q[1])
  return [{ graphic_type: 'ELLIPSE', points: far(a, b) >= far(c, d) ? [a, b, c, d] : [c, d, a, b] }]
}

const KEPT: ReadonlySet<ToolName> = new Set(MEASURING)
const TOOL_NAMES = Object.keys(TOOL_LABEL) as ToolName[]
const CLOSE = 0.01
const isAt = (p: Point | undefined, q: Point | undefined) => p !== undefined && q !== undefined && Math.hypot(p[0] - q[0], p[1] - q[1]) < CLOSE

/**
 * The tool whose drawing shapes are: by its name, where that is what stands in Tracking Identifier, else by them and by the
 * concepts that were measured; null: of no tool of ours.
 */
export function toolOf(shapes: readonly Shape[], concepts: ReadonlySet<string>, commented: boolean, identifier: string | null = null): ToolName | null {
  const [first, second] = shapes
  if (!first) return null
  const named = TOOL_NAMES.find((name) => TOOL_LABEL[name] === identifier)
  // A region of four level corners may have been drawn by a free hand.
  if (named && KEPT.has(named)) return named
  if (first.graphic_type === 'ELLIPSE') return 'ellipse'
  if (first.graphic_type === 'POINT') return concepts.size === 0 && commented ? 'text' : 'probe'
  if (second) return concepts.has('ratio') ? 'ratio' : concepts.has('angle') ? 'cobb' : 'bidirectional'
  const { points } = first
  if (points.length === 2) return concepts.size === 0 && commented ? 'arrow' : 'length'
  if (points.length === 3 && !isAt(points[0], points[2])) return 'angle'
  if (points.length === 4 && concepts.has('angle')) return 'cobb'
  return isLevel(points) ? 'rectangle' : points.length >= 4 ? 'freehand' : null
}

function isLevel(points: readonly Point[]): boolean {
  const [a, b, c, d, e] = points
  if (points.length !== 5 || !a || !b || !c || !d || !isAt(a, e)) return false
  return Math.abs(a[1] - b[1]) < CLOSE && Math.abs(b[0] - c[0]) < CLOSE && Math.abs(c[1] - d[1]) < CLOSE && Math.abs(d[0] - a[0]) < CLOSE
}

/** The inverse of `shapesOf`: a tool's handles, and the outline of a freehand region. */
export function handlesOfShapes(tool: ToolName, shapes: readonly Shape[]): { handles: Point[]; outline: Point[] } {
  const all = shapes.flatMap((shape) => shape.points)
  if (tool === 'freehand') return { handles: [], outline: isAt(all[0], all[all.length - 1]) ? all.slice(0, -1) : all }
  const [a, b, c, d] = all
  if (tool === 'rectangle' && a && b && c && d) return { handles: [a, b, d, c], outline: [] }
  if (tool === 'ellipse' && a && b && c && d) {
    const upright = Math.abs(a[1] - b[1]) >= Math.abs(a[0] - b[0])
    const [top, bottom, left, right] = upright ? [a, b, c, d] : [c, d, a, b]
    const lower = top[1] >= bottom[1] ? [top, bottom] : [bottom, top]
    const sides = left[0] <= right[0] ? [left, right] : [right, left]
    return { handles: [...lower, ...sides] as Point[], outline: [] }
  }
  return { handles: all, outline: [] }
}

/** The ends of two diameters of a circle that is told by its middle and a point of its edge. */
export function ringOf([x, y]: Point, edge: Point): Point[] {
  const radius = Math.hypot(edge[0] - x, edge[1] - y)
  return [
    [x - radius, y],
    [x + radius, y],
    [x, y - radius],
    [x, y + radius],
  ]
}
