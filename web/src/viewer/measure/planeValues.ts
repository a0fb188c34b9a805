import type { Types as ToolTypes } from '@cornerstonejs/tools'
import { dot, vec3, type Vec3 } from '../geometry'
import { AT_FIRST, slabWords, type Slab } from '../volume/slab'
import { planeOf } from './onPlane'
import type { Stats } from './words'

/** The values of a volume through which planes are laid. */
export interface PlaneValues {
  frameOfReferenceUid: string
  /** Between voxels what lies between their values, as is drawn; null: there is none, or it is not the patient's. */
  at: (point: Vec3) => number | null
  /** Whether a place lies within what was scanned: where it does and has no value, that is padding. */
  reaches: (point: Vec3) => boolean
  /** The middle of a voxel, the directions of their edges, and how long these are, mm. */
  origin: Vec3
  axes: readonly [Vec3, Vec3, Vec3]
  spacing: readonly [number, number, number]
  slab: () => Slab
  /** Whether all of it has come. */
  isWhole: () => boolean
  unit: string
}

/** More places than this are not asked for one region: they are taken further apart. */
const PLACES_MOST = 60_000
/** A plane that leans by less than this lies in the voxels' own layers. */
const LEANS = 1e-5

type Flat = readonly [number, number]
export type RegionTool = 'ellipse' | 'rectangle' | 'freehand' | 'probe'

interface Data {
  handles?: { points?: number[][] }
  contour?: { polyline?: number[][] }
  counted?: Counted
}

/** The slab that values are of, and the shape that they were counted in. */
export interface Counted {
  slab: Slab
  shape: string
}

/** Whose values were counted last, by Frame of Reference UID. */
const open = new Map<string, PlaneValues>()

/** Says what planes are laid through now; answers how to say that they are gone. */
export function openValues(values: PlaneValues): () => void {
  open.set(values.frameOfReferenceUid, values)
  return () => {
    if (open.get(values.frameOfReferenceUid) === values) open.delete(values.frameOfReferenceUid)
  }
}

export function valuesIn(frameOfReferenceUid: string | undefined): PlaneValues | null {
  return open.get(frameOfReferenceUid ?? '') ?? null
}

/** An area in the plane: whether a place of it lies within, its bounds and its size, mm². */
interface Region {
  has: (at: Flat) => boolean
  bounds: readonly [left: number, top: number, right: number, bottom: number]
  area: number
}

function polygon(corners: readonly Flat[]): Region {
  let twice = 0
  corners.forEach(([x, y], at) => {
    const [nextX, nextY] = corners[(at + 1) % corners.length] ?? [x, y]
    twice += x * nextY - nextX * y
  })
  const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)]
  return {
    area: Math.abs(twice) / 2,
    bounds: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)],
    has: ([x, y]) => {
      let inside = false
      corners.forEach(([fromX, fromY], at) => {
        const [toX, toY] = corners[(at + 1) % corners.length] ?? [fromX, fromY]
        if (fromY > y !== toY > y && x < ((toX - fromX) * (y - fromY)) / (toY - fromY) + fromX) inside = !inside
      })
      return inside
    },
  }
}

/** From the ends of two diameters that stand square on each other. */
function ellipse([a, b, c, d]: readonly [Flat, Flat, Flat, Flat]): Region {
  const centre: Flat = [(c[0] + d[0]) / 2, (c[1] + d[1]) / 2]
  const one: Flat = [(a[0] - b[0]) / 2, (a[1] - b[1]) / 2]
  const other: Flat = [(c[0] - d[0]) / 2, (c[1] - d[1]) / 2]
  const [first, second] = [Math.hypot(...one), Math.hypot(...other)]
  const [right, down] = [Math.hypot(one[0], other[0]), Math.hypot(one[1], other[1])]
  return {
    area: Math.PI * first * second,
    bounds: [centre[0] - right, centre[1] - down, centre[0] + right, centre[1] + down],
    has: ([x, y]) => {
      const from: Flat = [x - centre[0], y - centre[1]]
      const along = (axis: Flat, size: number) => (from[0] * axis[0] + from[1] * axis[1]) / (size * size || 1)
      return along(one, first) ** 2 + along(other, second) ** 2 <= 1
    },
  }
}

function regionOf(tool: RegionTool, points: readonly Flat[]): Region | null {
  const [a, b, c, d] = points
  if (tool === 'freehand') return points.length >= 3 ? polygon(points) : null
  if (!a || !b || !c || !d) return null
  // Cornerstone's corners are upper left, upper right, lower left, lower right.
  return tool === 'rectangle' ? polygon([a, b, d, c]) : ellipse([a, b, c, d])
}

/** Places in a plane, in rows: the voxels' own where the plane lies in one of their layers, else as close as their least edge. */
interface Lattice {
  first: Flat
  second: Flat
  steps: Flat
  start: Flat
}

function latticeOn(plane: { normal: Vec3; flat: (point: Vec3) => Flat }, { axes, spacing, origin }: PlaneValues): Lattice {
  const flatDirection = (axis: Vec3): Flat => {
    const [from, to] = [plane.flat([0, 0, 0]), plane.flat(axis)]
    return [to[0] - from[0], to[1] - from[1]]
  }
  const across = axes.findIndex((axis) => Math.abs(dot(axis, plane.normal)) > 1 - LEANS)
  const least = Math.min(...spacing)
  if (across < 0) return { first: [1, 0], second: [0, 1], steps: [least, least], start: plane.flat(origin) }
  const [one, other] = [0, 1, 2].filter((at) => at !== across) as [0 | 1 | 2, 0 | 1 | 2]
  return { first: flatDirection(axes[one]), second: flatDirection(axes[other]), steps: [spacing[one], spacing[other]], start: plane.flat(origin) }
}

/** The places of a region; at least its middle. */
function* placesIn(region: Region, { first, second, steps, start }: Lattice): Generator<Flat> {
  const [left, top, right, bottom] = region.bounds
  const rough = Math.max(1, Math.sqrt(((right - left) * (bottom - top)) / (steps[0] * steps[1]) / PLACES_MOST))
  const stride = Math.ceil(rough)
  const corners: Flat[] = [[left, top], [right, top], [left, bottom], [right, bottom]]
  const range = (axis: Flat, step: number) => {
    const at = corners.map(([x, y]) => ((x - start[0]) * axis[0] + (y - start[1]) * axis[1]) / step)
    return [Math.ceil(Math.min(...at) - 1e-6), Math.floor(Math.max(...at) + 1e-6)] as const
  }
  const [rows, columns] = [range(first, steps[0]), range(second, steps[1])]
  let found = false
  for (let m = rows[0]; m <= rows[1]; m += stride)
    for (let n = columns[0]; n <= columns[1]; n += stride) {
      const at: Flat = [start[0] + first[0] * m * steps[0] + second[0] * n * steps[1], start[1] + first[1] * m * steps[0] + second[1] * n * steps[1]]
      if (!region.has(at)) continue
      found = true
      yield at
    }
  if (!found) yield [(left + right) / 2, (top + bottom) / 2]
}

/** What is seen at a place: its value, null: none within counts; and which part of it was not scanned, 0 to 1. */
interface Seen {
  value: number | null
  beyond: number
}

/** The value of a slab at a place of its middle plane, by the same rule by which it is drawn. */
export function seenThrough(values: PlaneValues, slab: Slab, point: Vec3, normal: Vec3): Seen {
  if (slab.mode === 'thin') {
    const value = values.at(point)
    return { value, beyond: value === null && !values.reaches(point) ? 1 : 0 }
  }
  const steps = Math.max(2, Math.min(400, Math.ceil((2 * slab.thickness) / Math.min(...values.spacing))))
  let [sum, count, least, most, beyond] = [0, 0, Infinity, -Infinity, 0]
  for (let step = 0; step <= steps; step++) {
    const away = (step / steps - 0.5) * slab.thickness
    const place: Vec3 = [point[0] + normal[0] * away, point[1] + normal[1] * away, point[2] + normal[2] * away]
    const value = values.at(place)
    if (value === null) {
      if (!values.reaches(place)) beyond += 1
      continue
    }
    sum += value
    count += 1
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  const part = beyond / (steps + 1)
  if (!count) return { value: null, beyond: part }
  return { value: slab.mode === 'mip' ? most : slab.mode === 'minip' ? least : sum / count, beyond: part }
}

const shapeIn = ({ handles, contour }: Data) => JSON.stringify([handles?.points, contour?.polyline].map((points) => points?.map((point) => Array.from(point, (one) => one.toFixed(2)))))

/** Of one that was kept: its values are of this slab, or of the thin plane, until a hand changes it. */
export function countedAs(one: ToolTypes.Annotation, slab: Slab | null): Counted {
  return { slab: slab ?? { ...AT_FIRST, mode: 'thin' }, shape: shapeIn(one.data as Data) }
}

/**
 * What a region, or a point, on a plane holds: the values that are drawn there, also where the plane is oblique or is the
 * middle of a slab. It stays of the slab that it was counted in until its shape is another. Null: of no plane that is open.
 */
export function countOnPlane(one: ToolTypes.Annotation, tool: RegionTool): Stats | null {
  const values = valuesIn(one.metadata?.FrameOfReferenceUID)
  const plane = planeOf(one)
  if (!values || !plane) return null
  if (!values.isWhole()) return { waiting: true }
  const data = one.data as Data
  const shape = shapeIn(data)
  const slab = data.counted?.shape === shape ? data.counted.slab : values.slab()
  data.counted = { slab, shape }
  const words = slabWords(slab) ?? 'Thin plane'
  const points = ((tool === 'freehand' ? data.contour?.polyline : data.handles?.points) ?? []).map((point) => vec3(point)).filter((point) => point !== null)
  if (tool === 'probe') {
    const [point] = points
    return { ...(point ? seenThrough(values, slab, point, plane.normal) : { value: null }), modalityUnit: values.unit, plane: words }
  }
  const region = regionOf(tool, points.map(plane.flat))
  if (!region) return null
  let [places, beyond, count, mean, squares, least, most] = [0, 0, 0, 0, 0, Infinity, -Infinity]
  for (const at of placesIn(region, latticeOn(plane, values))) {
    const { value, ...seen } = seenThrough(values, slab, plane.inSpace(at), plane.normal)
    places += 1
    beyond += seen.beyond
    if (value === null) continue
    count += 1
    const away = value - mean
    mean += away / count
    squares += away * (value - mean)
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  const counted = count ? { mean, stdDev: Math.sqrt(squares / count), min: least, max: most } : { mean: null }
  return { ...counted, beyond: beyond / places, area: region.area, areaUnit: 'mm²', unit: 'mm', modalityUnit: values.unit, plane: words }
}
