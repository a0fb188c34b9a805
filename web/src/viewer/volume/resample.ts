import { along, dot, subtract, type Vec3 } from '../geometry'
import { planeNormal, type Plane } from '../planes'
import type { Missing } from './volumes'

/** A slice with its place: `at` mm along the normal, and moved by `right` and `down` pixels against the grid. */
interface Slice {
  index: number
  at: number
  right: number
  down: number
}

/** One layer of the grid: between which slices it lies, and how near to the second; null: where slices are missing. */
type Layer = { below: Slice; above: Slice; part: number } | null

/** An even and straight grid over parallel slices, which may lie aside of each other and at any steps. */
export interface Grid {
  origin: Vec3
  row: Vec3
  column: Vec3
  normal: Vec3
  columns: number
  rows: number
  /** Along a row, down a column, and from layer to layer, mm. */
  spacing: readonly [number, number, number]
  layers: readonly Layer[]
}

/** More voxels than this (1 GB of 16 bits) no browser holds with all else. */
const MOST_VOXELS = 500_000_000

/**
 * The grid for slices that `judge` found to be parallel and of one size. It stands square on the slices, so that nothing
 * within one is interpolated but by the fraction of a pixel that a tilted gantry moved it aside (PS3.3 C.7.6.2.1.1; Gantry
 * Detector Tilt (0018,1120) itself is of no use, for scanners disagree about its sign). Its step is the least between two
 * slices, so that none is left out.
 */
export function gridOver(planes: readonly Plane[], missing: readonly Missing[]): Grid {
  const [first] = planes
  if (!first) throw new Error('There are no slices.')
  const normal = planeNormal(first)
  const placed = planes.map((plane, index): Slice => {
    const from = subtract(plane.origin, first.origin)
    return { index, at: dot(from, normal), right: dot(from, first.row) / first.betweenColumns, down: dot(from, first.column) / first.betweenRows }
  })
  const gaps = new Set(missing.map(({ after }) => after))
  const sorted = [...placed].sort((a, b) => a.at - b.at)
  const isGap = (a: Slice, b: Slice) => gaps.has(Math.min(a.index, b.index))
  const pairs = sorted.slice(1).map((above, at) => ({ below: sorted[at] ?? above, above }))
  const steps = pairs.filter(({ below, above }) => !isGap(below, above)).map(({ below, above }) => above.at - below.at)
  const [lowest, highest] = [sorted[0] ?? { at: 0 }, sorted[sorted.length - 1] ?? { at: 0 }]
  const left = Math.floor(Math.min(...placed.map((one) => one.right)) + 1e-6)
  const top = Math.floor(Math.min(...placed.map((one) => one.down)) + 1e-6)
  const columns = Math.round(first.width / first.betweenColumns) + Math.ceil(Math.max(...placed.map((one) => one.right)) - 1e-6) - left
  const rows = Math.round(first.height / first.betweenRows) + Math.ceil(Math.max(...placed.map((one) => one.down)) - 1e-6) - top
  const length = highest.at - lowest.at
  const step = Math.max(Math.min(...steps), (length * columns * rows) / MOST_VOXELS)
  const count = Math.round(length / step) + 1
  // The last layer is the last slice: a remainder is shared out.
  const even = count > 1 ? length / (count - 1) : step
  let pair = 0
  const layers = Array.from({ length: count }, (_, layer): Layer => {
    const at = lowest.at + layer * even
    while (pair < pairs.length - 1 && (pairs[pair]?.above.at ?? Infinity) <= at + 1e-6 * even) pair++
    const here = pairs[pair]
    if (!here) return null
    const { below, above } = here
    if (isGap(below, above)) {
      // A slice stands for half a step to each side, and for no more.
      if (at - below.at <= even / 2 + 1e-6) return { below, above: below, part: 0 }
      return above.at - at <= even / 2 + 1e-6 ? { below: above, above, part: 0 } : null
    }
    return { below, above, part: Math.min(1, Math.max(0, (at - below.at) / (above.at - below.at))) }
  })
  const move = (slice: Slice): Slice => ({ ...slice, right: slice.right - left, down: slice.down - top })
  return {
    origin: along(along(along(first.origin, first.row, left * first.betweenColumns), first.column, top * first.betweenRows), normal, lowest.at),
    row: first.row,
    column: first.column,
    normal,
    columns,
    rows,
    spacing: [first.betweenColumns, first.betweenRows, even],
    layers: layers.map((layer) => layer && { below: move(layer.below), above: move(layer.above), part: layer.part }),
  }
}

/** Whether slices of so many pixels reach a voxel of the grid. */
export function scannedOn(grid: Grid, columns: number, rows: number): (column: number, row: number, layer: number) => boolean {
  const reaches = (slice: Slice, column: number, row: number) => {
    const [x, y] = [column - slice.right, row - slice.down]
    return x > -0.01 && y > -0.01 && x < columns - 0.99 && y < rows - 0.99
  }
  return (column, row, layer) => {
    const one = grid.layers[layer]
    return one != null && reaches(one.below, column, row) && reaches(one.above, column, row)
  }
}

/** A slice's own values, row by row. */
export interface Values {
  columns: number
  rows: number
  data: ArrayLike<number>
}

/** A slice on the grid; NaN where it does not reach. */
function onGrid({ columns, rows, data }: Values, slice: Slice, grid: Grid): Float32Array {
  const out = new Float32Array(grid.columns * grid.rows).fill(NaN)
  const [right, down] = [Math.floor(slice.right + 1e-6), Math.floor(slice.down + 1e-6)]
  // By less than a hundredth of a pixel nothing is moved: it would blur and tell nothing.
  const small = (part: number) => (part < 0.01 || part > 0.99 ? Math.round(part) : part)
  const [x, y] = [small(slice.right - right), small(slice.down - down)]
  for (let row = 0; row < grid.rows; row++) {
    const lower = row - down
    const upper = y === 0 ? lower : lower - 1
    const [a, b] = y === 1 ? [upper, upper] : [upper, lower]
    if (a < 0 || b < 0 || a >= rows || b >= rows) continue
    for (let column = 0; column < grid.columns; column++) {
      const second = column - right
      const first = x === 0 ? second : second - 1
      const [c, d] = x === 1 ? [first, first] : [first, second]
      if (c < 0 || d < 0 || c >= columns || d >= columns) continue
      const above = (data[a * columns + c] ?? 0) * x + (data[a * columns + d] ?? 0) * (1 - x)
      const below = (data[b * columns + c] ?? 0) * x + (data[b * columns + d] ?? 0) * (1 - x)
      out[row * grid.columns + column] = above * y + below * (1 - y)
    }
  }
  return out
}

/**
 * The values of the grid's layers, one after the other: between two slices by distance, `outside` where there is none.
 * `valuesOf` gives a slice's by its index in the stack. The array given out is used again for the next layer.
 */
export function* layersOf(grid: Grid, valuesOf: (index: number) => Values, outside: number): Generator<Float32Array> {
  const kept = new Map<number, Float32Array>()
  const out = new Float32Array(grid.columns * grid.rows)
  const slice = (one: Slice): Float32Array => {
    const found = kept.get(one.index) ?? onGrid(valuesOf(one.index), one, grid)
    kept.set(one.index, found)
    return found
  }
  for (const layer of grid.layers) {
    if (!layer) {
      yield out.fill(outside)
      continue
    }
    const { below, above, part } = layer
    for (const index of kept.keys()) if (index !== below.index && index !== above.index) kept.delete(index)
    const [lower, upper] = [slice(below), slice(above)]
    for (let at = 0; at < out.length; at++) {
      const [a, b] = [lower[at] ?? NaN, upper[at] ?? NaN]
      // Where but one of them reaches, the nearer decides.
      if (part === 0 || (b !== b && part < 0.5)) out[at] = a === a ? a : outside
      else if (part === 1 || (a !== a && part >= 0.5)) out[at] = b === b ? b : outside
      else out[at] = a !== a || b !== b ? outside : a * (1 - part) + b * part
    }
    yield out
  }
}
