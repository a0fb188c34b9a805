import { along, dot, subtract, type Vec3 } from '../geometry'
import { chained, join } from './chains'
import type { Rgb } from './colours'
import { doseOf, heat, partOfLevel, WASH, type DoseGeometry, type DoseLook } from './dose'
import { TOLERANCE_MM } from './doseFrames'
import { EMPTY, type Form, type Wash } from './layers'
import { HALF, type Cut, type Section } from './solids'

/** A plane is looked up at so many places along a side at most. */
const SAMPLES = 260

/** The dose at the points of a grid, its planes in the order of their places. */
export interface DoseGrid extends Omit<DoseGeometry, 'offsets' | 'scaling' | 'allocated' | 'isSigned'> {
  /** Along the normal from the origin, upwards. */
  at: readonly number[]
  values: Float32Array
  most: number
  /** Where that is. */
  peak: Vec3
}

/** Puts the frames of a dose together. */
export function gridOf(geometry: DoseGeometry, frames: readonly Uint8Array[]): DoseGrid {
  const { offsets, scaling, allocated, isSigned, ...placed } = geometry
  const plane = geometry.rows * geometry.columns
  const order = offsets.map((_, at) => at).sort((a, b) => (offsets[a] ?? 0) - (offsets[b] ?? 0))
  const values = new Float32Array(plane * offsets.length)
  let [most, peak] = [-Infinity, 0]
  order.forEach((frame, at) => {
    const bytes = frames[frame]
    if (!bytes || bytes.byteLength < (plane * allocated) / 8) throw new Error('A frame has fewer values than it says.')
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const read =
      allocated === 32
        ? (n: number) => (isSigned ? view.getInt32(4 * n, true) : view.getUint32(4 * n, true))
        : allocated === 16
          ? (n: number) => (isSigned ? view.getInt16(2 * n, true) : view.getUint16(2 * n, true))
          : (n: number) => (isSigned ? view.getInt8(n) : view.getUint8(n))
    for (let n = 0; n < plane; n++) {
      const value = read(n) * scaling
      values[at * plane + n] = value
      if (value > most) [most, peak] = [value, at * plane + n]
    }
  })
  const at = order.map((frame) => offsets[frame] ?? 0)
  const [layer, within] = [Math.floor(peak / plane), peak % plane]
  const { origin, row, column, normal, spacing, columns } = geometry
  const middle = along(along(along(origin, row, (within % columns) * spacing[0]), column, Math.floor(within / columns) * spacing[1]), normal, at[layer] ?? 0)
  return { ...placed, at, values, most: values.length ? most : 0, peak: middle }
}

/** Which planes a place lies between, and how near to the second; null: beyond them. */
function between(at: readonly number[], away: number, half: number): readonly [number, number, number] | null {
  const last = at.length - 1
  const [first = 0, end = 0] = [at[0], at[last]]
  if (last === 0) return Math.abs(away - first) <= half + TOLERANCE_MM ? [0, 0, 0] : null
  if (away < first - TOLERANCE_MM || away > end + TOLERANCE_MM) return null
  let [low, high] = [0, last]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((at[middle] ?? 0) <= away) low = middle
    else high = middle
  }
  const [from = 0, to = 1] = [at[low], at[high]]
  return [low, high, Math.max(0, Math.min(1, (away - from) / (to - from)))]
}

/** The dose at a place by the eight points around it (NaN: it lies outside of the grid), of places along a line one after another. */
function valueIn(grid: DoseGrid, x: number, y: number, z: readonly [number, number, number] | null): number {
  const { columns, rows, values } = grid
  if (!z || x < -1e-3 || y < -1e-3 || x > columns - 1 + 1e-3 || y > rows - 1 + 1e-3) return NaN
  const [left, top] = [Math.max(0, Math.min(columns - 2, Math.floor(x))), Math.max(0, Math.min(rows - 2, Math.floor(y)))]
  const [u, v, w] = [Math.max(0, Math.min(1, x - left)), Math.max(0, Math.min(1, y - top)), z[2]]
  const [right, below] = [Math.min(columns - 1, left + 1), Math.min(rows - 1, top + 1)]
  const plane = (layer: number) => {
    const [a, b] = [(layer * rows + top) * columns, (layer * rows + below) * columns]
    return ((values[a + left] ?? 0) * (1 - u) + (values[a + right] ?? 0) * u) * (1 - v) + ((values[b + left] ?? 0) * (1 - u) + (values[b + right] ?? 0) * u) * v
  }
  return w === 0 ? plane(z[0]) : plane(z[0]) * (1 - w) + plane(z[1]) * w
}

function halfOf(grid: DoseGrid): number {
  return (grid.thickness || 1) / 2
}

/** The dose at a place of the patient; null: the grid does not reach there. */
export function doseAt(grid: DoseGrid, point: Vec3): number | null {
  const away = subtract(point, grid.origin)
  const value = valueIn(grid, dot(away, grid.row) / grid.spacing[0], dot(away, grid.column) / grid.spacing[1], between(grid.at, dot(away, grid.normal), halfOf(grid)))
  return Number.isNaN(value) ? null : value
}

/** The dose on a plane, at even steps; NaN where there is none. */
export interface Field {
  /** Where the first value lies, and the steps to the next in a row and in a column. */
  origin: Vec3
  right: Vec3
  down: Vec3
  width: number
  height: number
  values: Float32Array
}

const fields = new WeakMap<DoseGrid, { cut: Cut; field: Field | null }>()

/** The same for as long as the same plane is looked at. */
export function fieldOn(grid: DoseGrid, cut: Cut): Field | null {
  const known = fields.get(grid)
  if (known?.cut === cut) return known.field
  const field = sampled(grid, cut)
  fields.set(grid, { cut, field })
  return field
}

function sampled(grid: DoseGrid, cut: Cut): Field | null {
  const half = halfOf(grid)
  const [first = 0, last = 0] = [grid.at[0], grid.at[grid.at.length - 1]]
  const [near, far] = grid.at.length > 1 ? [first, last] : [first - half, last + half]
  let [left, top, right, bottom, before, behind] = [Infinity, Infinity, -Infinity, -Infinity, Infinity, -Infinity]
  for (const x of [0, (grid.columns - 1) * grid.spacing[0]])
    for (const y of [0, (grid.rows - 1) * grid.spacing[1]])
      for (const z of [near, far]) {
        const corner = subtract(along(along(along(grid.origin, grid.row, x), grid.column, y), grid.normal, z), cut.origin)
        const [across, down, away] = [dot(corner, cut.row), dot(corner, cut.column), dot(corner, cut.normal)]
        ;[left, right] = [Math.min(left, across), Math.max(right, across)]
        ;[top, bottom] = [Math.min(top, down), Math.max(bottom, down)]
        ;[before, behind] = [Math.min(before, away), Math.max(behind, away)]
      }
  if (before > TOLERANCE_MM || behind < -TOLERANCE_MM) return null
  const [seenLeft, seenTop, seenRight, seenBottom] = cut.seen
  ;[left, top, right, bottom] = [Math.max(left, seenLeft), Math.max(top, seenTop), Math.min(right, seenRight), Math.min(bottom, seenBottom)]
  if (left >= right || top >= bottom) return null
  const step = Math.max(cut.fine, Math.min(...grid.spacing) / 3, (right - left) / SAMPLES, (bottom - top) / SAMPLES)
  const [width, height] = [Math.max(2, Math.ceil((right - left) / step) + 1), Math.max(2, Math.ceil((bottom - top) / step) + 1)]
  const [stepRight, stepDown] = [(right - left) / (width - 1), (bottom - top) / (height - 1)]
  const origin = along(along(cut.origin, cut.row, left), cut.column, top)
  const values = new Float32Array(width * height)
  const start = subtract(origin, grid.origin)
  const parts = (vector: Vec3) => [dot(vector, grid.row) / grid.spacing[0], dot(vector, grid.column) / grid.spacing[1], dot(vector, grid.normal)] as const
  const [from, across, down] = [parts(start), parts(cut.row), parts(cut.column)]
  const isFlat = Math.abs(across[2]) * (right - left) < TOLERANCE_MM && Math.abs(down[2]) * (bottom - top) < TOLERANCE_MM
  const flat = isFlat ? between(grid.at, from[2], half) : null
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [a, b] = [x * stepRight, y * stepDown]
      const z = isFlat ? flat : between(grid.at, from[2] + a * across[2] + b * down[2], half)
      values[y * width + x] = valueIn(grid, from[0] + a * across[0] + b * down[0], from[1] + a * across[1] + b * down[1], z)
    }
  return { origin, right: along([0, 0, 0], cut.row, stepRight), down: along([0, 0, 0], cut.column, stepDown), width, height, values }
}

/** Where a field has a value: lines as an SVG path in steps of the field, open where the field ends. */
export function contourOf({ width, height, values }: Field, level: number): string {
  // Each side of a cell that the line crosses has a number: even from a place to the right, odd from it downwards.
  const next = new Map<number, number[]>()
  for (let y = 0; y + 1 < height; y++)
    for (let x = 0; x + 1 < width; x++) {
      const at = y * width + x
      const [a, b, c, d] = [values[at] ?? NaN, values[at + 1] ?? NaN, values[at + width + 1] ?? NaN, values[at + width] ?? NaN]
      const sum = a + b + c + d
      if (Number.isNaN(sum)) continue
      const kind = (a >= level ? 1 : 0) | (b >= level ? 2 : 0) | (c >= level ? 4 : 0) | (d >= level ? 8 : 0)
      if (kind === 0 || kind === 15) continue
      const [upper, right, lower, left] = [2 * at, 2 * (at + 1) + 1, 2 * (at + width), 2 * at + 1]
      if (kind === 5 || kind === 10) {
        // Which two corners belong together the middle of the cell tells.
        if ((kind === 5) === sum / 4 >= level) {
          join(next, upper, right)
          join(next, lower, left)
        } else {
          join(next, upper, left)
          join(next, lower, right)
        }
        continue
      }
      const crossed = [((kind & 1) > 0) !== ((kind & 2) > 0) ? upper : -1, ((kind & 2) > 0) !== ((kind & 4) > 0) ? right : -1, ((kind & 4) > 0) !== ((kind & 8) > 0) ? lower : -1, ((kind & 8) > 0) !== ((kind & 1) > 0) ? left : -1].filter((one) => one >= 0)
      if (crossed[0] !== undefined && crossed[1] !== undefined) join(next, crossed[0], crossed[1])
    }
  const place = (side: number) => {
    const at = side >> 1
    const [x, y] = [at % width, Math.floor(at / width)]
    const other = side & 1 ? at + width : at + 1
    const part = (level - (values[at] ?? 0)) / ((values[other] ?? 0) - (values[at] ?? 0))
    return side & 1 ? `${x} ${short(y + part)}` : `${short(x + part)} ${y}`
  }
  return chained(next, place).d
}

function short(value: number): string {
  return String(Math.round(value * 100) / 100)
}

/** A field in colours, four bytes a value: from `least` on, red at the reference. */
export function painted({ values }: Field, reference: number, least: number): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint8ClampedArray(4 * values.length)
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? NaN
    if (!(value >= least)) continue
    const colour = TABLE[Math.max(0, Math.min(STEPS, Math.round((value / reference / 1.2) * STEPS)))] ?? TABLE[0]
    if (colour) out.set(colour, 4 * at)
    out[4 * at + 3] = 255
  }
  return out
}

const STEPS = 240
const TABLE: readonly Rgb[] = Array.from({ length: STEPS + 1 }, (_, at) => heat((1.2 * at) / STEPS))

/** Of how much of the patient a dose is at least so great, mm³; null: its planes are but one of no thickness. */
export function volumesFrom(grid: DoseGrid, doses: readonly number[]): readonly (number | null)[] {
  const { at, columns, rows, spacing, values, thickness } = grid
  const plane = columns * rows
  const sums = doses.map(() => 0)
  const rising = doses.map((_, index) => index).sort((a, b) => (doses[a] ?? 0) - (doses[b] ?? 0))
  const levels = Float32Array.from(rising, (index) => doses[index] ?? 0)
  const [least = Infinity] = levels
  const reached = new Uint32Array(levels.length)
  for (let layer = 0; layer < at.length; layer++) {
    const here = at[layer] ?? 0
    const thick = at.length > 1 ? ((at[layer + 1] ?? here) - (at[layer - 1] ?? here)) * (layer === 0 || layer === at.length - 1 ? 1 : 0.5) : thickness
    // Once through all values, most of which are of no level.
    reached.fill(0)
    for (let n = layer * plane, end = n + plane; n < end; n++) {
      const value = values[n] ?? 0
      if (value < least) continue
      let level = levels.length - 1
      while (value < (levels[level] ?? 0)) level--
      reached[level] = (reached[level] ?? 0) + 1
    }
    let count = 0
    for (let level = levels.length - 1; level >= 0; level--) {
      count += reached[level] ?? 0
      const index = rising[level] ?? 0
      sums[index] = (sums[index] ?? 0) + count * thick * spacing[0] * spacing[1]
    }
  }
  return sums.map((sum) => (at.length > 1 || thickness > 0 ? sum : null))
}

/** What the parts of a dose are, as it is looked at. */
export function doseForms(grid: DoseGrid, look: DoseLook): Map<number, Form> {
  const levels = [...look.levels]
  const doses = levels.map((level) => doseOf(level, look))
  const volumes = volumesFrom(grid, doses)
  const least = Math.min(...doses.filter((one) => one > 0), look.reference)
  const form: Form = { ...EMPTY, valueAt: (point) => doseAt(grid, point) }
  const reached = (dose: number): Form => (dose <= grid.most ? { ...form, peak: grid.peak } : { ...form, missing: 'Not reached' })
  return new Map<number, Form>([
    [WASH, { ...form, peak: grid.peak, colours: (cut) => washOn(grid, cut, look.reference, least) }],
    ...levels.map((level, at) => [partOfLevel(level), { ...reached(doses[at] ?? 0), volume: volumes[at] ?? null, line: (cut) => lineOn(grid, cut, doses[at] ?? 0) }] satisfies [number, Form]),
  ])
}

function lineOn(grid: DoseGrid, cut: Cut, dose: number): Section | null {
  const field = fieldOn(grid, cut)
  const d = field ? contourOf(field, dose) : ''
  return field && d ? { origin: field.origin, right: field.right, down: field.down, paths: [{ d, level: HALF }] } : null
}

function washOn(grid: DoseGrid, cut: Cut, reference: number, least: number): Wash | null {
  const field = fieldOn(grid, cut)
  if (!field) return null
  const { origin, right, down, width, height } = field
  // Values stand in the middles of what is painted.
  return { origin: along(along(origin, right, -0.5), down, -0.5), right, down, width, height, rgba: painted(field, reference, least) }
}
