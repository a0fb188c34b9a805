import { along, cross, dot, subtract, type Vec3 } from '../geometry'
import { covers, outlineOf, outlineOfMask, type Mask } from './masks'

/** One plane of a solid: where it lies, and what it covers there. */
export interface Slice {
  /** Along the solid's normal, mm. */
  at: number
  /** The middle of the grid's first pixel. */
  origin: Vec3
  /** On the grid; made when it is first asked for. */
  mask: () => Mask | null
  /** The edge, an SVG path in pixels of the grid whose first reaches from 0 to 1; `level` of 255 where it is covered in part. */
  outline: (level: number) => string
  /** How much of the plane is covered, mm². */
  area: number
}

/** What planes, parallel and at equal steps, cover of space; steps without a plane are empty. */
export interface Solid {
  row: Vec3
  column: Vec3
  normal: Vec3
  /** Along a row and down a column, mm. */
  spacing: readonly [number, number]
  /** From plane to plane, mm; 0: there is but one and nothing says how thick it is. */
  step: number
  slices: readonly Slice[]
  /** Covered in part: several levels are drawn. */
  inParts: boolean
  /** Drawn by hand on pictures: on such it is seen where it was drawn, and not half a step of its own beside. */
  isDrawn: boolean
}

/** The plane that is looked at, and how much of it is seen. */
export interface Cut {
  /** Any place in it. */
  origin: Vec3
  row: Vec3
  column: Vec3
  normal: Vec3
  /** How thick the picture is, mm; 0: that is not told. */
  thickness: number
  /** What is seen of it, mm along row and column from the origin: left, top, right, bottom. */
  seen: readonly [number, number, number, number]
  /** How large a pixel of the screen is, mm. */
  fine: number
}

/** The edge of a solid on a plane: paths, from what is least covered to what is most, in a frame of their own. */
export interface Section {
  origin: Vec3
  /** One step of the paths to the right, and down. */
  right: Vec3
  down: Vec3
  paths: readonly { d: string; level: number }[]
}

/** Parts of 255 from which on something that is covered in part is drawn, once more each; the edge is at the half. */
export const LEVELS = [1, 64, 128, 192] as const
export const HALF = 128

const PARALLEL = Math.cos((0.5 * Math.PI) / 180)
/** A plane that is looked at askew is looked up at so many places along a side at most. */
const SAMPLES = 420
/** Parts of a step to which the nearest slice is told. */
const FINER = 8
/** Planes are written with few decimals. */
const TOLERANCE_MM = 0.01

/** The smallest step between planes, those that differ by rounding alone being one; 0: there is but one. */
export function stepOf(places: readonly number[]): number {
  const sorted = [...places].sort((a, b) => a - b)
  let least = Infinity
  sorted.forEach((place, at) => {
    const before = sorted[at - 1]
    if (before !== undefined && place - before > 2 * TOLERANCE_MM) least = Math.min(least, place - before)
  })
  return least === Infinity ? 0 : least
}

/** The slice that lies nearest to a place along the normal, no farther than half a step (of the picture, where there is but one). */
export function sliceAt<T extends { at: number }>(slices: readonly T[], at: number, step: number): T | null {
  let [low, high] = [0, slices.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((slices[middle]?.at ?? 0) < at) low = middle + 1
    else high = middle
  }
  const near = [slices[low - 1], slices[low]].filter((one): one is T => one !== undefined)
  const best = near.reduce<T | null>((before, one) => (before === null || Math.abs(one.at - at) < Math.abs(before.at - at) ? one : before), null)
  return best && Math.abs(best.at - at) <= step / 2 + TOLERANCE_MM ? best : null
}

export function isParallel(a: Vec3, b: Vec3): boolean {
  return Math.abs(dot(a, b)) > PARALLEL
}

/** How thick a plane of a solid is, to whoever looks at it on a picture. */
function stepOn(solid: Pick<Solid, 'step'>, cut: Cut): number {
  return solid.step || cut.thickness || 1
}

/** The slice of a solid that lies in a plane; null: none does, or they are not parallel. */
export function sliceIn(solid: Solid, cut: Cut): Slice | null {
  if (!isParallel(solid.normal, cut.normal)) return null
  return sliceAt(solid.slices, dot(solid.normal, cut.origin), (solid.isDrawn && cut.thickness) || stepOn(solid, cut))
}

/** What of a solid is seen on a plane: as its own pixels where it is parallel, else looked up at places of the plane. */
export function sectionOf(solid: Solid, cut: Cut): Section | null {
  const levels = solid.inParts ? LEVELS : [HALF]
  if (isParallel(solid.normal, cut.normal)) {
    const slice = sliceIn(solid, cut)
    if (!slice) return null
    const [right, down] = [scaled(solid.row, solid.spacing[0]), scaled(solid.column, solid.spacing[1])]
    const paths = levels.map((level) => ({ level, d: slice.outline(level) })).filter(({ d }) => d)
    return paths.length ? { origin: along(along(slice.origin, right, -0.5), down, -0.5), right, down, paths } : null
  }
  return askew(solid, cut, levels)
}

function scaled(vector: Vec3, by: number): Vec3 {
  return along([0, 0, 0], vector, by)
}

/** The box around what is covered, in the solid's own axes, mm: along the row and the column from the first slice's origin, and its normal. */
function reachOf({ slices, row, column, spacing }: Solid, half: number): { from: Vec3; to: Vec3 } | null {
  const first = slices[0]
  if (!first) return null
  const [from, to] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]]
  for (const slice of slices) {
    const mask = slice.mask()
    if (!mask) continue
    const shift = subtract(slice.origin, first.origin)
    const [x, y] = [dot(shift, row), dot(shift, column)]
    const sides = [
      [x + (mask.left - 0.5) * spacing[0], x + (mask.left + mask.width - 0.5) * spacing[0]],
      [y + (mask.top - 0.5) * spacing[1], y + (mask.top + mask.height - 0.5) * spacing[1]],
      [slice.at - half, slice.at + half],
    ] as const
    sides.forEach(([least, most], axis) => {
      from[axis] = Math.min(from[axis] ?? least, least)
      to[axis] = Math.max(to[axis] ?? most, most)
    })
  }
  return (from[0] ?? Infinity) < Infinity ? { from: from as unknown as Vec3, to: to as unknown as Vec3 } : null
}

const reaches = new WeakMap<Solid, { half: number; reach: ReturnType<typeof reachOf> }>()

function reachKept(solid: Solid, half: number): ReturnType<typeof reachOf> {
  const known = reaches.get(solid)
  if (known?.half === half) return known.reach
  const reach = reachOf(solid, half)
  reaches.set(solid, { half, reach })
  return reach
}

function askew(solid: Solid, cut: Cut, levels: readonly number[]): Section | null {
  const [first] = solid.slices
  const step = stepOn(solid, cut)
  const reach = reachKept(solid, step / 2)
  if (!first || !reach) return null
  // The eight corners, as they are seen on the plane.
  const base = along(first.origin, solid.normal, -first.at)
  let [left, top, right, bottom, before, behind] = [Infinity, Infinity, -Infinity, -Infinity, Infinity, -Infinity]
  for (const x of [reach.from[0], reach.to[0]])
    for (const y of [reach.from[1], reach.to[1]])
      for (const z of [reach.from[2], reach.to[2]]) {
        const corner = subtract(along(along(along(base, solid.row, x), solid.column, y), solid.normal, z), cut.origin)
        const [u, v, away] = [dot(corner, cut.row), dot(corner, cut.column), dot(corner, cut.normal)]
        left = Math.min(left, u)
        right = Math.max(right, u)
        top = Math.min(top, v)
        bottom = Math.max(bottom, v)
        before = Math.min(before, away)
        behind = Math.max(behind, away)
      }
  if (before > 0 || behind < 0) return null
  left = Math.max(left, cut.seen[0])
  top = Math.max(top, cut.seen[1])
  right = Math.min(right, cut.seen[2])
  bottom = Math.min(bottom, cut.seen[3])
  if (right <= left || bottom <= top) return null
  const side = Math.max(cut.fine, Math.min(...solid.spacing, step) / 2, Math.max(right - left, bottom - top) / SAMPLES)
  const [columns, rows] = [Math.ceil((right - left) / side), Math.ceil((bottom - top) / side)]
  const seenAt = lookUp(solid, cut, step, { left, top, side })
  const found = new Uint8Array(columns * rows)
  const level = Math.min(...levels)
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) found[y * columns + x] = seenAt(x, y, level)
  const paths = levels.map((one) => ({ level: one, d: outlineOf(columns, rows, (x, y) => (found[y * columns + x] ?? 0) >= one) })).filter(({ d }) => d)
  if (!paths.length) return null
  return { origin: along(along(cut.origin, cut.row, left), cut.column, top), right: scaled(cut.row, side), down: scaled(cut.column, side), paths }
}

/** How much is covered at the middle of a square of the plane, of 255. All is linear, so that it is only added up. */
function lookUp(solid: Solid, cut: Cut, step: number, from: { left: number; top: number; side: number }): (x: number, y: number, level: number) => number {
  const { slices, row, column, normal, spacing } = solid
  const start = along(along(cut.origin, cut.row, from.left + from.side / 2), cut.column, from.top + from.side / 2)
  const on = (axis: Vec3) => [dot(start, axis), dot(cut.row, axis) * from.side, dot(cut.column, axis) * from.side] as const
  const [a, b, c] = [on(row), on(column), on(normal)]
  const known = new Map(slices.map((slice) => [slice, { x: dot(slice.origin, row), y: dot(slice.origin, column), mask: slice.mask() }] as const))
  // The slice of each eighth of a step is found once, not for each place.
  const [lowest, part] = [(slices[0]?.at ?? 0) - step / 2, step / FINER]
  const count = Math.ceil(((slices[slices.length - 1]?.at ?? 0) + step / 2 - lowest) / part)
  const nearest = Array.from({ length: count }, (_, at) => {
    const slice = sliceAt(slices, lowest + (at + 0.5) * part, step)
    return slice && known.get(slice)
  })
  return (x, y, level) => {
    const found = nearest[Math.floor((c[0] + x * c[1] + y * c[2] - lowest) / part)]
    if (!found?.mask) return 0
    const { mask } = found
    const column = Math.round((a[0] + x * a[1] + y * a[2] - found.x) / spacing[0])
    const line = Math.round((b[0] + x * b[1] + y * b[2] - found.y) / spacing[1])
    if (!covers(mask, column, line, level)) return 0
    return mask.values ? (mask.values[(line - mask.top) * mask.width + column - mask.left] ?? 0) : 255
  }
}

/** All that is covered, mm³; null: nothing says how thick its one plane is. */
export function volumeOf({ slices, step }: Pick<Solid, 'slices' | 'step'>): number | null {
  return step > 0 ? slices.reduce((sum, one) => sum + one.area, 0) * step : null
}

/** The slice that covers most; null: none covers anything. */
export function largestOf(slices: readonly Slice[]): Slice | null {
  return slices.reduce<Slice | null>((best, one) => (one.area > (best?.area ?? 0) ? one : best), null)
}

/** The middle of the box around what a slice covers. */
export function middleOf({ row, column, spacing }: Solid, slice: Slice): Vec3 {
  const mask = slice.mask()
  if (!mask) return slice.origin
  return along(along(slice.origin, row, (mask.left + (mask.width - 1) / 2) * spacing[0]), column, (mask.top + (mask.height - 1) / 2) * spacing[1])
}

/** As many outlines as are kept; a picture with all organs of a body has some forty. */
const OUTLINES = 600
const outlines = new Map<string, string>()
const names = new WeakMap<Mask, number>()
let named = 0

/** The outline of a mask, kept while it is used. */
export function keptOutline(mask: Mask, level: number): string {
  const name = names.get(mask) ?? ++named
  names.set(mask, name)
  const key = `${name}/${level}`
  const known = outlines.get(key)
  const d = known ?? outlineOfMask(mask, level)
  outlines.delete(key)
  outlines.set(key, d)
  for (const [oldest] of outlines) {
    if (outlines.size <= OUTLINES) break
    outlines.delete(oldest)
  }
  return d
}

/** The row, column and normal of a grid, as unit vectors; null: they are no two directions square to each other. */
export function axesOf(orientation: readonly number[]): { row: Vec3; column: Vec3; normal: Vec3 } | null {
  const [a, b, c, d, e, f] = orientation
  if (a === undefined || b === undefined || c === undefined || d === undefined || e === undefined || f === undefined) return null
  const [row, column] = [unit([a, b, c]), unit([d, e, f])]
  if (!row || !column || Math.abs(dot(row, column)) > 0.01) return null
  const normal = unit(cross(row, column))
  return normal && { row, column, normal }
}

export function unit(vector: Vec3): Vec3 | null {
  const length = Math.hypot(...vector)
  return length > 1e-6 ? scaled(vector, 1 / length) : null
}
