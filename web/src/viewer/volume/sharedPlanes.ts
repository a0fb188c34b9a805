import { vec3, type Vec3 } from '../geometry'
import { isPane, type PaneId } from '../layout'
import { COLOURS_NAMES, type Blend } from './fusion'
import { PLANES, type PlaneId } from './planeIds'
import { SLABS, THICKEST, THINNEST, type Slab } from './slab'

/** From where something is looked at, in the patient's millimetres. */
export interface SharedCamera {
  /** The middle of what is seen; of a plane a point in it. */
  focus: Vec3
  /** Towards who looks. */
  normal: Vec3
  up: Vec3
  /** Half of what is seen, mm: to the right, upwards. */
  half: readonly [number, number]
}

/** What planes show, so that every screen can show the same. */
export interface PlanesView {
  cameras: Readonly<Record<PlaneId, SharedCamera>>
  slab: Slab
  voi: readonly [lower: number, upper: number] | null
  invert: boolean
  /** The body, by which preset it is drawn, and from where; null: it is not shown. */
  body: { look: string; camera: SharedCamera | null } | null
  /** The stack that is chosen to be fused with the one that was opened. */
  fused: { stack: string; blend: Blend | null } | null
}

/** Planes laid through what hangs in a pane. `view` is null until they are drawn. */
export interface SharedPlanes {
  pane: PaneId
  view: PlanesView | null
}

/** A stack that plays, by itself on each screen. */
export interface SharedCine {
  pane: PaneId
  /** Pictures a second. */
  rate: number
}

export const SLOWEST = 1
export const FASTEST = 60

type Raw = Readonly<Record<string, unknown>>

function raw(value: unknown): Raw | null {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Raw) : null
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

function pair(value: unknown): readonly [number, number] | null {
  const [a, b] = Array.isArray(value) ? [numberOf(value[0]), numberOf(value[1])] : [null, null]
  return a === null || b === null ? null : [a, b]
}

function triple(value: unknown): Vec3 | null {
  const found = Array.isArray(value) && value.length === 3 ? vec3(value as number[]) : null
  return found?.every((one) => Number.isFinite(one)) ? found : null
}

/** A direction, of length 1 but for rounding. */
function direction(value: unknown): Vec3 | null {
  const found = triple(value)
  return found && Math.abs(Math.hypot(...found) - 1) < 0.01 ? found : null
}

function cameraFrom(value: unknown): SharedCamera | null {
  const given = raw(value)
  const [focus, normal, up, half] = [triple(given?.['focus']), direction(given?.['normal']), direction(given?.['up']), pair(given?.['half'])]
  return focus && normal && up && half && half[0] > 0 && half[1] > 0 ? { focus, normal, up, half } : null
}

function blendFrom(value: unknown): Blend | null {
  const given = raw(value)
  const [opacity, from, to] = [numberOf(given?.['opacity']), numberOf(given?.['from']), numberOf(given?.['to'])]
  const colours = COLOURS_NAMES.find((one) => one === given?.['colours'])
  return opacity !== null && from !== null && to !== null && colours && opacity >= 0 && opacity <= 1 && to > from ? { opacity, from, to, colours } : null
}

/** What another browser told of its planes; null where that cannot be shown. */
function viewFrom(value: unknown): PlanesView | null {
  const given = raw(value)
  const cameras = PLANES.map((plane) => cameraFrom(raw(given?.['cameras'])?.[plane]))
  const [axial, sagittal, coronal] = cameras
  const slab = raw(given?.['slab'])
  const mode = SLABS.find((one) => one === slab?.['mode'])
  const thickness = numberOf(slab?.['thickness'])
  if (!given || !axial || !sagittal || !coronal || !mode || thickness === null) return null
  const [body, fused] = [raw(given['body']), raw(given['fused'])]
  return {
    cameras: { axial, sagittal, coronal },
    slab: { mode, thickness: Math.max(THINNEST, Math.min(THICKEST, thickness)) },
    voi: pair(given['voi']),
    invert: given['invert'] === true,
    body: body && typeof body['look'] === 'string' ? { look: body['look'], camera: cameraFrom(body['camera']) } : null,
    fused: fused && typeof fused['stack'] === 'string' ? { stack: fused['stack'], blend: blendFrom(fused['blend']) } : null,
  }
}

export function planesFrom(value: unknown): SharedPlanes | null {
  const given = raw(value)
  const pane = given?.['pane']
  return typeof pane === 'string' && isPane(pane) ? { pane, view: viewFrom(given?.['view']) } : null
}

export function cineFrom(value: unknown): SharedCine | null {
  const given = raw(value)
  const [pane, rate] = [given?.['pane'], numberOf(given?.['rate'])]
  return typeof pane === 'string' && isPane(pane) && rate !== null ? { pane, rate: Math.max(SLOWEST, Math.min(FASTEST, rate)) } : null
}

/** Half of what is seen in a pane of another shape that shows all of `half`, upwards, mm. */
export function scaleFor(half: readonly [number, number], width: number, height: number): number {
  return Math.max(half[1], (half[0] * height) / Math.max(1, width))
}
