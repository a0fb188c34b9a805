import { along, cross, dot, subtract, type Vec3 } from './geometry'

/** A picture's rectangle in the patient, mm (PS3.3 C.7.6.2.1.1). */
export interface Plane {
  /** The middle of the first pixel: Image Position (Patient). */
  origin: Vec3
  row: Vec3
  column: Vec3
  /** Along a row and down a column. */
  width: number
  height: number
  betweenRows: number
  betweenColumns: number
}

export interface Segment {
  from: Vec3
  to: Vec3
}

export function planeNormal(plane: Plane): Vec3 {
  return cross(plane.row, plane.column)
}

/** How far a point lies from a plane, along its normal, mm. */
export function awayFrom(plane: Plane, point: Vec3): number {
  return dot(subtract(point, plane.origin), planeNormal(plane))
}

/** Whether the point, straight onto the plane, falls on its picture. */
export function isOver(plane: Plane, point: Vec3): boolean {
  const from = subtract(point, plane.origin)
  const x = dot(from, plane.row) + plane.betweenColumns / 2
  const y = dot(from, plane.column) + plane.betweenRows / 2
  return x >= 0 && x <= plane.width && y >= 0 && y <= plane.height
}

/**
 * The line in which the picture `cutting` meets the plane of `drawnOn`: the part that the cutting picture covers; null
 * where the two are nearly parallel (less than 5°) or the picture does not reach the plane.
 */
export function cut(cutting: Plane, drawnOn: Plane): Segment | null {
  const normal = planeNormal(drawnOn)
  if (Math.hypot(...cross(planeNormal(cutting), normal)) < Math.sin((5 * Math.PI) / 180)) return null
  const corner = along(along(cutting.origin, cutting.row, -cutting.betweenColumns / 2), cutting.column, -cutting.betweenRows / 2)
  const corners = [
    corner,
    along(corner, cutting.row, cutting.width),
    along(along(corner, cutting.row, cutting.width), cutting.column, cutting.height),
    along(corner, cutting.column, cutting.height),
  ] as const
  const found: Vec3[] = []
  corners.forEach((from, at) => {
    const to = corners[(at + 1) % 4] ?? from
    const [a, b] = [dot(subtract(from, drawnOn.origin), normal), dot(subtract(to, drawnOn.origin), normal)]
    if (a === b || a * b > 0) return
    found.push(along(from, subtract(to, from), a / (a - b)))
  })
  const [first] = found
  if (!first) return null
  // A line through a corner is found twice.
  const last = found.find((point) => Math.hypot(...subtract(point, first)) > 1e-6)
  return last ? { from: first, to: last } : null
}

/** The picture of a stack that lies nearest to a point; null where the point is farther than a slice from all of them. */
export function nearestPlane(planes: readonly (Plane | null)[], point: Vec3): number | null {
  let best: number | null = null
  let least = Infinity
  planes.forEach((plane, at) => {
    if (!plane || !isOver(plane, point)) return
    const away = Math.abs(awayFrom(plane, point))
    if (away < least) [best, least] = [at, away]
  })
  return best !== null && least <= Math.max(5, sliceStep(planes)) ? best : null
}

/** The distance between the first two pictures, mm; 0 where there is but one. */
function sliceStep(planes: readonly (Plane | null)[]): number {
  const [first, second] = planes
  return first && second ? Math.abs(awayFrom(first, second.origin)) : 0
}
