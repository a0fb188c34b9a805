import { describe, expect, it } from 'vitest'
import type { Vec3 } from '../geometry'
import { maskOfBits } from '../overlays/masks'
import type { Solid } from '../overlays/solids'
import { gridOf, surfaceOf, type Grid, type Surface } from './surfaces'

/** Twice three times what a closed surface holds, positive where its triangles face outwards. */
function volumeIn({ positions, triangles }: Surface): number {
  const at = (corner: number): Vec3 => [positions[3 * corner] ?? 0, positions[3 * corner + 1] ?? 0, positions[3 * corner + 2] ?? 0]
  let sum = 0
  for (let n = 0; n < triangles.length; n += 3) {
    const [a, b, c] = [at(triangles[n] ?? 0), at(triangles[n + 1] ?? 0), at(triangles[n + 2] ?? 0)]
    sum += a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])
  }
  return sum / 6
}

/** How often each side of a triangle is gone along one way and not the other. */
function open({ triangles }: Surface): number {
  const ways = new Map<string, number>()
  for (let n = 0; n < triangles.length; n += 3)
    for (const [one, other] of [[0, 1], [1, 2], [2, 0]] as const) {
      const [a, b] = [triangles[n + one] ?? 0, triangles[n + other] ?? 0]
      const key = a < b ? `${a}/${b}` : `${b}/${a}`
      ways.set(key, (ways.get(key) ?? 0) + (a < b ? 1 : -1))
    }
  return [...ways.values()].filter((count) => count !== 0).length
}

function ball(size: number, radius: number): Grid {
  const middle = (size - 1) / 2
  const values = new Uint8Array(size ** 3)
  for (let z = 0; z < size; z += 1)
    for (let y = 0; y < size; y += 1)
      for (let x = 0; x < size; x += 1) values[(z * size + y) * size + x] = Math.max(0, Math.min(255, 127.5 + 127.5 * (radius - Math.hypot(x - middle, y - middle, z - middle))))
  return { size: [size, size, size], values, origin: [-middle, -middle, -middle], steps: [[1, 0, 0], [0, 1, 0], [0, 0, 1]] }
}

describe('a surface', () => {
  it.each([6, 8.5])('of a ball of radius %d is closed, holds as much, and faces outwards', (radius) => {
    const surface = surfaceOf(ball(24, radius))
    expect(open(surface)).toBe(0)
    expect(volumeIn(surface)).toBeCloseTo((4 / 3) * Math.PI * radius ** 3, -2)
    for (let at = 0; at < surface.positions.length; at += 3) {
      const [place, normal] = [surface.positions.subarray(at, at + 3), surface.normals.subarray(at, at + 3)]
      const length = Math.hypot(...place)
      expect(Math.abs(length - radius)).toBeLessThan(0.6)
      expect(place.reduce((sum, value, axis) => sum + value * (normal[axis] ?? 0), 0) / length).toBeGreaterThan(0.85)
    }
  })

  it('reaches to the last cell before the margin on every side', () => {
    const values = new Uint8Array(27)
    values[13] = 255
    const surface = surfaceOf({ size: [3, 3, 3], values, origin: [0, 0, 0], steps: [[1, 0, 0], [0, 1, 0], [0, 0, 1]] })
    expect(open(surface)).toBe(0)
    expect(surface.triangles.length / 3).toBe(12)
    expect(volumeIn(surface)).toBeGreaterThan(0)
  })
})

describe('what a solid covers', () => {
  it('is seen where it is thinner than a cell', async () => {
    const thin = block(300, 300, 3)
    const line = maskOfBits(Uint8Array.from({ length: 38 }, () => 255), 300, 1)
    const grid = await gridOf({ ...thin, slices: thin.slices.map((slice, at) => ({ ...slice, mask: () => line && { ...line, top: 290 * (at % 2) } })) }, new AbortController().signal)
    expect(grid && surfaceOf(grid).triangles.length).toBeGreaterThan(0)
  })

  /** A block of so many pixels and slices, in slices that are stored from the last to the first on pictures of another place each. */
  function block(columns: number, rows: number, slices: number): Solid {
    const mask = maskOfBits(new Uint8Array(Math.ceil((columns * rows) / 8)).fill(255), columns, rows)
    return {
      row: [0, 1, 0],
      column: [0, 0, -1],
      normal: [-1, 0, 0],
      spacing: [0.5, 2],
      step: 3,
      inParts: false,
      isDrawn: false,
      slices: Array.from({ length: slices }, (_, at) => ({ at: 3 * at - 30, origin: [30 - 3 * at, 100, 50] as Vec3, mask: () => mask, outline: () => '', area: columns * rows })),
    }
  }
  const bounds = ({ positions }: Surface) => [0, 1, 2].map((axis) => [Math.min(...positions.filter((_, at) => at % 3 === axis)), Math.max(...positions.filter((_, at) => at % 3 === axis))])

  it.each([[12, 10, 7], [300, 20, 4], [30, 8, 300]])('lies where it lay: %d × %d pixels on %d slices', async (columns, rows, slices) => {
    const grid = await gridOf(block(columns, rows, slices), new AbortController().signal)
    expect(grid && Math.max(...grid.size)).toBeLessThanOrEqual(142)
    const found = grid ? bounds(surfaceOf(grid)) : []
    const reach = [
      [30 - 3 * (slices - 1) - 1.5, 31.5],
      [100 - 0.25, 100 + 0.5 * columns - 0.25],
      [50 - 2 * rows + 1, 51],
    ]
    const cell = [3, 0.5, 2].map((side, axis) => side * Math.ceil(([slices, columns, rows][axis] ?? 1) / 140))
    found.forEach((sides, axis) => sides.forEach((value, side) => expect(Math.abs(value - (reach[axis]?.[side] ?? NaN)), `${axis} ${side}`).toBeLessThan((cell[axis] ?? 0) * 0.76)))
  })
})
