import { along, dot, subtract, type Vec3 } from '../geometry'
import type { Mesh } from '../overlays/layers'
import type { Mask } from '../overlays/masks'
import type { Solid } from '../overlays/solids'

/** How much of each cell something covers, of 255, with a margin of nothing around it. */
export interface Grid {
  size: readonly [x: number, y: number, z: number]
  values: Uint8Array<ArrayBuffer>
  /** The middle of the first cell, and the step from cell to cell, mm in the patient. */
  origin: Vec3
  steps: readonly [Vec3, Vec3, Vec3]
}

/** A closed surface: corners in the patient, which way each faces, and three corners a triangle. */
export interface Surface {
  positions: Float32Array<ArrayBuffer>
  normals: Float32Array<ArrayBuffer>
  triangles: Uint32Array<ArrayBuffer>
  /** How its maker would have it drawn, where it was made as a surface. */
  look?: Mesh['look']
  opacity?: number
}

/** Cells along a side: finer is not seen on a screen, and takes long to draw. */
const SIDE = 140
/** So long is counted without a look at what the reader does. */
const STINT_MS = 10

function breath(): Promise<void> {
  return new Promise((done) => setTimeout(done, 0))
}

function eachOf(mask: Mask, take: (x: number, y: number, part: number) => void): void {
  let at = 0
  for (let y = 0; y < mask.height; y += 1)
    for (let x = 0; x < mask.width; x += 1, at += 1) {
      const part = mask.values ? (mask.values[at] ?? 0) : ((mask.bits?.[at >> 3] ?? 0) >> (at & 7)) & 1 ? 255 : 0
      if (part) take(x, y, part)
    }
}

/** What a solid covers, as coarse as is drawn, counted in short stints; null: nothing. */
export async function gridOf(solid: Solid, signal: AbortSignal): Promise<Grid | null> {
  const [first] = solid.slices
  if (!first) return null
  const step = solid.step || 1
  let stint = performance.now()
  const rest = async () => {
    if (performance.now() - stint < STINT_MS) return
    await breath()
    signal.throwIfAborted()
    stint = performance.now()
  }
  const placed: { mask: Mask; x: number; y: number; z: number }[] = []
  for (const slice of solid.slices) {
    const mask = slice.mask()
    if (mask) {
      const away = subtract(slice.origin, first.origin)
      placed.push({ mask, x: Math.round(dot(away, solid.row) / solid.spacing[0]) + mask.left, y: Math.round(dot(away, solid.column) / solid.spacing[1]) + mask.top, z: Math.round((slice.at - first.at) / step) })
    }
    await rest()
  }
  if (!placed.length) return null
  const from = [Math.min(...placed.map((one) => one.x)), Math.min(...placed.map((one) => one.y)), Math.min(...placed.map((one) => one.z))] as const
  const to = [Math.max(...placed.map((one) => one.x + one.mask.width)), Math.max(...placed.map((one) => one.y + one.mask.height)), Math.max(...placed.map((one) => one.z)) + 1] as const
  const coarse = [0, 1, 2].map((axis) => Math.max(1, Math.ceil(((to[axis] ?? 0) - (from[axis] ?? 0)) / SIDE))) as [number, number, number]
  const size = [0, 1, 2].map((axis) => Math.ceil(((to[axis] ?? 0) - (from[axis] ?? 0)) / (coarse[axis] ?? 1)) + 2) as [number, number, number]
  const sums = new Uint32Array(size[0] * size[1] * size[2])
  for (const { mask, x, y, z } of placed) {
    const layer = (Math.floor((z - from[2]) / coarse[2]) + 1) * size[0] * size[1]
    eachOf(mask, (column, row, part) => {
      const cell = layer + (Math.floor((y + row - from[1]) / coarse[1]) + 1) * size[0] + Math.floor((x + column - from[0]) / coarse[0]) + 1
      sums[cell] = (sums[cell] ?? 0) + part
    })
    await rest()
  }
  // What is thinner than a cell everywhere is seen all the same.
  const full = Math.min(coarse[0] * coarse[1] * coarse[2], sums.reduce((most, sum) => Math.max(most, sum), 0) / 255)
  const sides = [solid.spacing[0], solid.spacing[1], step] as const
  const axes = [solid.row, solid.column, solid.normal] as const
  // The middle of the first cell that holds anything, and from there one cell back.
  const back = (axis: 0 | 1 | 2) => ((from[axis] ?? 0) + (coarse[axis] - 1) / 2 - coarse[axis]) * sides[axis]
  return {
    size,
    values: Uint8Array.from(sums, (sum) => Math.min(255, Math.round(sum / full))),
    origin: along(along(along(first.origin, axes[0], back(0)), axes[1], back(1)), axes[2], back(2)),
    steps: [0, 1, 2].map((axis) => along([0, 0, 0], axes[axis as 0 | 1 | 2], coarse[axis as 0 | 1 | 2] * sides[axis as 0 | 1 | 2])) as unknown as [Vec3, Vec3, Vec3],
  }
}

const HALF = 127.5
const CORNERS = Array.from({ length: 8 }, (_, at) => [at & 1, (at >> 1) & 1, at >> 2] as const)
const EDGES = CORNERS.flatMap((_, a) => [1, 2, 4].flatMap((bit) => (a & bit ? [] : [[a, a | bit] as const])))

/** The surface at which cells are half covered: a corner in each cube of eight cells that it goes through (surface nets). */
export function surfaceOf({ size, values, origin, steps }: Grid): Surface {
  const [nx, ny, nz] = size
  const at = (x: number, y: number, z: number) => (z * ny + y) * nx + x
  const corners: number[] = []
  const numbers = new Int32Array(nx * ny * nz).fill(-1)
  for (let z = 0; z + 1 < nz; z += 1)
    for (let y = 0; y + 1 < ny; y += 1)
      for (let x = 0; x + 1 < nx; x += 1) {
        let inside = 0
        for (let n = 0; n < 8; n += 1) if ((values[at(x + (n & 1), y + ((n >> 1) & 1), z + (n >> 2))] ?? 0) > HALF) inside |= 1 << n
        if (inside === 0 || inside === 255) continue
        const sum = [0, 0, 0]
        let crossed = 0
        for (const [a, b] of EDGES) {
          if (((inside >> a) & 1) === ((inside >> b) & 1)) continue
          const [one, other] = [CORNERS[a] ?? [0, 0, 0], CORNERS[b] ?? [0, 0, 0]]
          const [low, high] = [values[at(x + one[0], y + one[1], z + one[2])] ?? 0, values[at(x + other[0], y + other[1], z + other[2])] ?? 0]
          const part = (HALF - low) / (high - low)
          for (let axis = 0; axis < 3; axis += 1) sum[axis] = (sum[axis] ?? 0) + (one[axis] ?? 0) + part * ((other[axis] ?? 0) - (one[axis] ?? 0))
          crossed += 1
        }
        numbers[at(x, y, z)] = corners.length / 3
        const place = along(along(along(origin, steps[0], x + (sum[0] ?? 0) / crossed), steps[1], y + (sum[1] ?? 0) / crossed), steps[2], z + (sum[2] ?? 0) / crossed)
        corners.push(...place)
      }
  const triangles: number[] = []
  // Between two cells of which one is covered stand the four cubes around their edge.
  const side = (x: number, y: number, z: number, u: number, v: number, turned: boolean) => {
    const here = at(x, y, z)
    const [a, b, c, d] = [numbers[here - u - v] ?? -1, numbers[here - v] ?? -1, numbers[here] ?? -1, numbers[here - u] ?? -1]
    if (a < 0 || b < 0 || c < 0 || d < 0) return
    if (turned) triangles.push(a, c, b, a, d, c)
    else triangles.push(a, b, c, a, c, d)
  }
  const [right, down, on] = [1, nx, nx * ny]
  for (let z = 1; z + 1 < nz; z += 1)
    for (let y = 1; y + 1 < ny; y += 1)
      for (let x = 1; x + 1 < nx; x += 1) {
        const here = (values[at(x, y, z)] ?? 0) > HALF
        for (const [ahead, u, v] of [[right, down, on], [down, on, right], [on, right, down]] as const) {
          const next = (values[at(x, y, z) + ahead] ?? 0) > HALF
          if (here !== next) side(x, y, z, u, v, next)
        }
        // The cells of the margin are nothing: what begins behind it is seen from it.
        if (x === 1 && here) side(0, y, z, down, on, true)
        if (y === 1 && here) side(x, 0, z, on, right, true)
        if (z === 1 && here) side(x, y, 0, right, down, true)
      }
  const positions = Float32Array.from(corners)
  const joined = Uint32Array.from(triangles)
  return { positions, normals: facing(positions, joined), triangles: joined }
}

/** Which way each corner faces: as the triangles at it, larger ones more. */
export function facing(positions: Float32Array, triangles: Uint32Array): Float32Array<ArrayBuffer> {
  const normals = new Float32Array(positions.length)
  for (let at = 0; at < triangles.length; at += 3) {
    const [a, b, c] = [3 * (triangles[at] ?? 0), 3 * (triangles[at + 1] ?? 0), 3 * (triangles[at + 2] ?? 0)]
    const p = (n: number) => positions[n] ?? 0
    const [ux, uy, uz] = [p(b) - p(a), p(b + 1) - p(a + 1), p(b + 2) - p(a + 2)]
    const [vx, vy, vz] = [p(c) - p(a), p(c + 1) - p(a + 1), p(c + 2) - p(a + 2)]
    const normal = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx]
    for (const corner of [a, b, c]) for (let axis = 0; axis < 3; axis += 1) normals[corner + axis] = (normals[corner + axis] ?? 0) + (normal[axis] ?? 0)
  }
  for (let at = 0; at < normals.length; at += 3) {
    const length = Math.hypot(normals[at] ?? 0, normals[at + 1] ?? 0, normals[at + 2] ?? 0) || 1
    for (let axis = 0; axis < 3; axis += 1) normals[at + axis] = (normals[at + axis] ?? 0) / length
  }
  return normals
}
