import { bytesOf } from '../bulk'
import { item, number, text, type DicomElement, type DicomJson } from '../dicom'
import { dot, type Vec3 } from '../geometry'
import { chained, join } from './chains'
import { EMPTY, itemsIn, type Form, type Mesh } from './layers'
import { HALF, type Cut, type Section } from './solids'
import { surfacesOfSegment } from './surfaces'

/** Of all surfaces of a segment no more is held. */
const TRIANGLES_MOST = 4_000_000

interface Read extends Mesh {
  /** What of it is no triangle. */
  lines: number
  points: number
}

async function numbersIn(element: DicomElement | undefined, bytesEach: 2 | 4, real = false): Promise<Float32Array | Uint32Array> {
  if (!element) return new Uint32Array(0)
  if (element.Value) return real ? Float32Array.from(element.Value, Number) : Uint32Array.from(element.Value, Number)
  const bytes = await bytesOf(element)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const count = Math.floor(bytes.byteLength / bytesEach)
  if (real) return Float32Array.from({ length: count }, (_, at) => view.getFloat32(4 * at, true))
  return Uint32Array.from({ length: count }, (_, at) => (bytesEach === 4 ? view.getUint32(4 * at, true) : view.getUint16(2 * at, true)))
}

/** A list of points, from 1: the long one, else the one of 16 bits that it took the place of (PS3.3 C.27.4). */
async function listIn(holder: DicomJson | undefined, long: string, short: string): Promise<Uint32Array> {
  const found = holder?.[long] ? await numbersIn(holder[long], 4) : await numbersIn(holder?.[short], 2)
  return found as Uint32Array
}

const PRIMITIVE = ['00660040', '00660029'] as const

/** The triangles of a surface, from whatever primitives make it (PS3.3 C.27.4), as numbers of points from 1. */
async function trianglesOf(primitives: DicomJson | undefined): Promise<number[]> {
  const out: number[] = []
  for (const point of await listIn(primitives, '00660041', '00660023')) out.push(point)
  out.length -= out.length % 3
  for (const strip of itemsIn(primitives, '00660026')) {
    const list = await listIn(strip, ...PRIMITIVE)
    // Each second triangle goes round the other way.
    for (let at = 0; at + 2 < list.length; at++) out.push(list[at + (at % 2)] ?? 0, list[at + 1 - (at % 2)] ?? 0, list[at + 2] ?? 0)
  }
  for (const fan of [...itemsIn(primitives, '00660027'), ...itemsIn(primitives, '00660034')]) {
    const list = await listIn(fan, ...PRIMITIVE)
    for (let at = 1; at + 1 < list.length; at++) out.push(list[0] ?? 0, list[at] ?? 0, list[at + 1] ?? 0)
  }
  return out
}

const LOOKS: ReadonlySet<string> = new Set(['SURFACE', 'WIREFRAME', 'POINTS'])

async function readSurface(surface: DicomJson): Promise<Read> {
  const points = item(surface, '00660011')
  const told = (await numbersIn(points?.['00660016'], 4, true)) as Float32Array
  const primitives = item(surface, '00660013')
  const listed = await trianglesOf(primitives)
  if (listed.length / 3 > TRIANGLES_MOST) throw new Error('It is too large for this device.')
  const count = Math.floor(told.length / 3)
  if (listed.some((point) => point < 1 || point > count)) throw new Error('Its surface names points that it does not have.')
  // Corners at one place are one corner, so that what hangs together is followed as one line.
  const places = new Map<string, number>()
  const numbered = new Uint32Array(count)
  const positions: number[] = []
  for (let at = 0; at < count; at++) {
    const [x, y, z] = [told[3 * at] ?? 0, told[3 * at + 1] ?? 0, told[3 * at + 2] ?? 0]
    const key = `${x},${y},${z}`
    const known = places.get(key) ?? positions.length / 3
    if (known === positions.length / 3) {
      places.set(key, known)
      positions.push(x, y, z)
    }
    numbered[at] = known
  }
  const lines = itemsIn(primitives, '00660028').length + (await listIn(primitives, '00660042', '00660024')).length / 2
  const vertices = (await listIn(primitives, '00660043', '00660025')).length
  const look = text(surface, '0066000D') ?? ''
  return {
    positions: Float32Array.from(positions),
    triangles: Uint32Array.from(listed, (point) => numbered[point - 1] ?? 0),
    look: LOOKS.has(look) ? (look as Mesh['look']) : 'SURFACE',
    opacity: Math.max(0.05, Math.min(1, number(surface, '0066000C') ?? 1)),
    lines,
    points: vertices || (listed.length || lines ? 0 : count),
  }
}

/** Where a plane cuts surfaces, mm along its row and column from its origin. */
export function cutThrough(meshes: readonly Mesh[], cut: Cut): { section: Section; isClosed: boolean } | null {
  let [path, closed] = ['', true]
  for (const { positions, triangles } of meshes) {
    const corners = positions.length / 3
    const away = new Float32Array(corners)
    const start = dot(cut.normal, cut.origin)
    for (let at = 0; at < corners; at++)
      away[at] = (positions[3 * at] ?? 0) * cut.normal[0] + (positions[3 * at + 1] ?? 0) * cut.normal[1] + (positions[3 * at + 2] ?? 0) * cut.normal[2] - start
    const next = new Map<number, number[]>()
    for (let at = 0; at < triangles.length; at += 3) {
      const [a, b, c] = [triangles[at] ?? 0, triangles[at + 1] ?? 0, triangles[at + 2] ?? 0]
      const [overA, overB, overC] = [(away[a] ?? 0) >= 0, (away[b] ?? 0) >= 0, (away[c] ?? 0) >= 0]
      if (overA === overB && overB === overC) continue
      const side = (one: number, other: number) => Math.min(one, other) * corners + Math.max(one, other)
      const crossed = [overA !== overB ? side(a, b) : -1, overB !== overC ? side(b, c) : -1, overC !== overA ? side(c, a) : -1].filter((one) => one >= 0)
      if (crossed[0] !== undefined && crossed[1] !== undefined) join(next, crossed[0], crossed[1])
    }
    const place = (side: number) => {
      const [one, other] = [Math.floor(side / corners), side % corners]
      const [before, after] = [away[one] ?? 0, away[other] ?? 0]
      const part = before / (before - after)
      const point = [0, 1, 2].map((axis) => (positions[3 * one + axis] ?? 0) * (1 - part) + (positions[3 * other + axis] ?? 0) * part - (cut.origin[axis as 0 | 1 | 2])) as unknown as Vec3
      return `${short(dot(point, cut.row))} ${short(dot(point, cut.column))}`
    }
    const { d, isClosed } = chained(next, place)
    path += d
    closed &&= isClosed
  }
  return path ? { section: { origin: cut.origin, right: cut.row, down: cut.column, paths: [{ d: path, level: HALF }] }, isClosed: closed } : null
}

function short(value: number): string {
  return String(Math.round(value * 1000) / 1000)
}

/** What surfaces enclose, mm³; null: one is open. */
export function enclosedBy(meshes: readonly Mesh[]): number | null {
  let sum = 0
  for (const { positions, triangles } of meshes) {
    const corners = positions.length / 3
    const sides = new Map<number, number>()
    let own = 0
    for (let at = 0; at < triangles.length; at += 3) {
      const points = [0, 1, 2].map((corner) => triangles[at + corner] ?? 0) as [number, number, number]
      const [a, b, c] = points.map((one) => [positions[3 * one] ?? 0, positions[3 * one + 1] ?? 0, positions[3 * one + 2] ?? 0]) as [number[], number[], number[]]
      own += ((a[0] ?? 0) * ((b[1] ?? 0) * (c[2] ?? 0) - (b[2] ?? 0) * (c[1] ?? 0)) - (a[1] ?? 0) * ((b[0] ?? 0) * (c[2] ?? 0) - (b[2] ?? 0) * (c[0] ?? 0)) + (a[2] ?? 0) * ((b[0] ?? 0) * (c[1] ?? 0) - (b[1] ?? 0) * (c[0] ?? 0))) / 6
      for (const [one, other] of [[points[0], points[1]], [points[1], points[2]], [points[2], points[0]]] as const) {
        const side = Math.min(one, other) * corners + Math.max(one, other)
        // Each side stands between two triangles, which go along it in opposite directions.
        sides.set(side, (sides.get(side) ?? 0) + (one < other ? 1 : -1))
      }
    }
    for (const count of sides.values()) if (count !== 0) return null
    sum += Math.abs(own)
  }
  return meshes.length ? sum : null
}

/** What the surfaces of a segment are in space. */
export async function meshFormOf(instance: DicomJson, segment: number, signal: AbortSignal): Promise<Form> {
  const read: Read[] = []
  for (const surface of surfacesOfSegment(instance, segment)) {
    read.push(await readSurface(surface))
    signal.throwIfAborted()
  }
  const meshes = read.filter((one) => one.triangles.length > 0)
  const left = [
    [read.reduce((sum, one) => sum + one.lines, 0), 'line'],
    [read.reduce((sum, one) => sum + one.points, 0), 'point'],
  ].flatMap(([count, name]) => (count ? [`${count} ${name}${count === 1 ? '' : 's'}`] : []))
  let last: { cut: Cut; found: ReturnType<typeof cutThrough> } | null = null
  const cutBy = (cut: Cut) => {
    if (last?.cut !== cut) last = { cut, found: cutThrough(meshes, cut) }
    return last.found
  }
  const middle = middleOf(meshes)
  return {
    ...EMPTY,
    volume: enclosedBy(meshes),
    missing: left.length ? `Not drawn: ${left.join(', ')}` : meshes.length ? null : 'It has no surface.',
    meshes,
    ...(middle ? { peak: middle } : {}),
    area: (cut) => {
      const found = cutBy(cut)
      return found?.isClosed ? found.section : null
    },
    // What is open encloses nothing: it is a line.
    line: (cut) => {
      const found = cutBy(cut)
      return found && !found.isClosed ? found.section : null
    },
  }
}

function middleOf(meshes: readonly Mesh[]): Vec3 | null {
  const [least, most] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]]
  for (const { positions } of meshes)
    positions.forEach((value, at) => {
      const axis = at % 3
      least[axis] = Math.min(least[axis] ?? value, value)
      most[axis] = Math.max(most[axis] ?? value, value)
    })
  return meshes.length ? ([0, 1, 2].map((axis) => ((least[axis] ?? 0) + (most[axis] ?? 0)) / 2) as unknown as Vec3) : null
}
