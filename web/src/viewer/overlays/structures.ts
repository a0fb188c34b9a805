import { item, number, numbers, text, type DicomJson } from '../dicom'
import { along, cross, dot, subtract, vec3, type Vec3 } from '../geometry'
import { paletteColour, type Rgb } from './colours'
import { colourOf, itemsIn, labelOf, patientOf, worded, type Form, type Layer, type Line, type Part } from './layers'
import { maskOfBits, type Mask } from './masks'
import { stepOf, unit, volumeOf, type Slice, type Solid } from './solids'

/** Contours that lie as near to each other are of one plane, for coordinates are written with few decimals. */
const SAME_PLANE_MM = 0.05
/** Points may stand off their plane by this. */
const FLAT_MM = 0.25
/** The sides of the grid on which what contours enclose is looked up, where a picture cuts them. */
const GRID_MM = 0.5
const GRID_MOST = 512
/** A normal that leans less from one of the body's axes is that axis. */
const STRAIGHT = Math.cos((0.5 * Math.PI) / 180)

/** An RT Structure Set (PS3.3 A.19) as what is laid over pictures. */
export function structuresOf(instance: DicomJson): Layer | null {
  const [key, study, series] = [text(instance, '00080018'), text(instance, '0020000D'), text(instance, '0020000E')]
  if (!key || !study || !series) return null
  const contours = new Map(itemsIn(instance, '30060039').map((one) => [number(one, '30060084'), one] as const))
  const observed = new Map(itemsIn(instance, '30060080').map((one) => [number(one, '30060084'), one] as const))
  const frameOfReferenceUid = text(instance, '00200052') ?? text(item(instance, '30060010'), '00200052')
  const parts = itemsIn(instance, '30060020').flatMap((roi): Part[] => {
    const of = number(roi, '30060022')
    if (of === null) return []
    const observation = observed.get(of)
    return [
      {
        number: of,
        label: text(roi, '30060026') ?? `ROI ${of}`,
        colour: colourOf(displayColour(numbers(contours.get(of), '3006002A')) ?? paletteColour(of)),
        meaning: [worded(text(observation, '300600A4')), text(item(observation, '30060086'), '00080104'), text(roi, '30060028')].filter(Boolean).join(' · ') || null,
        made: worded(text(roi, '30060036')),
        frameOfReferenceUid: text(roi, '30060024') ?? frameOfReferenceUid,
      },
    ]
  })
  return {
    key,
    kind: 'structures',
    studyInstanceUid: study,
    seriesInstanceUid: series,
    label: labelOf(instance, ['30060002', '30060004'], 'Structures'),
    patient: patientOf(instance),
    parts,
    ...referencedBy(instance),
    instance,
    fault: !parts.length ? 'It names no regions.' : parts.every((part) => part.frameOfReferenceUid === null) ? 'It does not say in which frame of reference it lies.' : null,
  }
}

function displayColour(stored: readonly number[]): Rgb | null {
  const [red, green, blue] = stored
  const isByte = (value: number | undefined): value is number => value !== undefined && value >= 0 && value <= 255
  return isByte(red) && isByte(green) && isByte(blue) ? [red, green, blue] : null
}

function referencedBy(instance: DicomJson): { series: Set<string>; instances: Set<string> } {
  const [series, instances] = [new Set<string>(), new Set<string>()]
  for (const frame of itemsIn(instance, '30060010'))
    for (const study of itemsIn(frame, '30060012'))
      for (const one of itemsIn(study, '30060014')) {
        series.add(text(one, '0020000E') ?? '')
        for (const image of itemsIn(one, '30060016')) instances.add(text(image, '00081155') ?? '')
      }
  series.delete('')
  instances.delete('')
  return { series, instances }
}

/** Points of Contour Data, mm in the patient; what is no whole point is left out. */
export function pointsOf(data: readonly number[]): Vec3[] {
  const points: Vec3[] = []
  for (let at = 0; at + 2 < data.length; at += 3) points.push([data[at] ?? 0, data[at + 1] ?? 0, data[at + 2] ?? 0])
  return points
}

/** Twice the area that points go round, as a vector along its normal (Newell). */
function turn(points: readonly Vec3[]): Vec3 {
  const first = points[0] ?? [0, 0, 0]
  return points.reduce<Vec3>((sum, point, at) => along(sum, cross(subtract(point, first), subtract(points[(at + 1) % points.length] ?? point, first)), 1), [0, 0, 0])
}

const AXES: readonly Vec3[] = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
]

/** The normal of the plane that points lie in, the same for both ways round; null: they lie on a line, or in no plane. */
function normalOf(points: readonly Vec3[]): Vec3 | null {
  const found = unit(turn(points))
  if (!found) return null
  const largest = found.reduce((best, value, axis) => (Math.abs(value) > Math.abs(found[best] ?? 0) ? axis : best), 0)
  const straight = AXES[largest] ?? found
  const normal = Math.abs(dot(found, straight)) > STRAIGHT ? straight : (found[largest] ?? 0) < 0 ? along([0, 0, 0], found, -1) : found
  return isFlat(points, normal) ? normal : null
}

function isFlat(points: readonly Vec3[], normal: Vec3): boolean {
  const places = points.map((point) => dot(normal, point))
  return Math.max(...places) - Math.min(...places) <= FLAT_MM
}

interface Ring {
  points: readonly Vec3[]
  normal: Vec3
  at: number
}

/** What the contours of a region are in space. */
export function formOf(instance: DicomJson, roi: number): Form {
  const contour = itemsIn(instance, '30060039').find((one) => number(one, '30060084') === roi)
  const [rings, lines, points]: [Ring[], Line[], Vec3[]] = [[], [], []]
  const left = new Map<string, number>()
  let slab = 0
  const closed: Vec3[][] = []
  for (const one of itemsIn(contour, '30060040')) {
    const kind = text(one, '30060042') ?? ''
    const data = pointsOf(numbers(one, '30060050'))
    slab = Math.max(slab, number(one, '30060044') ?? 0)
    if (kind === 'POINT' && data[0]) points.push(data[0])
    else if ((kind === 'CLOSED_PLANAR' || kind === 'CLOSEDPLANAR_XOR') && data.length >= 3) closed.push(data)
    // A contour of one or two points encloses nothing, and says a place all the same.
    else if (kind.startsWith('CLOSED') && data.length === 1 && data[0]) points.push(data[0])
    else if (kind === 'OPEN_PLANAR' && data.length >= 2) {
      const normal = normalOf(data) ?? AXES.find((axis) => isFlat(data, axis) && axis[2] === 1) ?? AXES.find((axis) => isFlat(data, axis))
      if (normal) lines.push({ points: data, normal, at: dot(normal, data[0] ?? [0, 0, 0]) })
      else left.set(kind, (left.get(kind) ?? 0) + 1)
    } else left.set(kind || 'no kind', (left.get(kind || 'no kind') ?? 0) + 1)
  }
  // Small contours have no sure normal: that of the largest is theirs too where they lie in such a plane.
  const largest = closed.reduce<{ area: number; normal: Vec3 | null }>(
    (best, data) => {
      const area = Math.hypot(...turn(data))
      return area > best.area ? { area, normal: normalOf(data) } : best
    },
    { area: 0, normal: null },
  ).normal
  for (const data of closed) {
    const normal = largest && isFlat(data, largest) ? largest : normalOf(data)
    if (normal) rings.push({ points: data, normal, at: data.reduce((sum, point) => sum + dot(normal, point), 0) / data.length })
    else left.set('CLOSED_PLANAR in no plane', (left.get('CLOSED_PLANAR in no plane') ?? 0) + 1)
  }
  const solids = Array.from(groupedByNormal(rings), (group) => solidOf(group, slab))
  const volumes = solids.map(volumeOf)
  return {
    solids,
    lines,
    points,
    onPictures: new Map<string, Mask>(),
    size: [0, 0],
    volume: volumes.length && volumes.every((one) => one !== null) ? volumes.reduce<number>((sum, one) => sum + (one ?? 0), 0) : null,
    missing: left.size ? `Not drawn: ${Array.from(left, ([kind, count]) => `${count} × ${kind}`).join(', ')}` : null,
  }
}

function* groupedByNormal(rings: readonly Ring[]): Generator<Ring[]> {
  const left = [...rings]
  while (left.length) {
    const [first] = left
    if (!first) return
    const group = left.filter((one) => Math.abs(dot(one.normal, first.normal)) > STRAIGHT)
    for (const one of group) left.splice(left.indexOf(one), 1)
    yield group
  }
}

/** Contours of one direction as planes, each with what its rings enclose an odd number of times. */
function solidOf(rings: readonly Ring[], slab: number): Solid {
  const normal = rings[0]?.normal ?? [0, 0, 1]
  const aside = AXES.find((axis) => Math.abs(dot(axis, normal)) < 0.8) ?? [1, 0, 0]
  const row = unit(along(aside, normal, -dot(aside, normal))) ?? [1, 0, 0]
  const column = cross(normal, row)
  const planes: Ring[][] = []
  for (const ring of [...rings].sort((a, b) => a.at - b.at)) {
    const last = planes[planes.length - 1]
    if (last?.[0] && ring.at - last[0].at <= SAME_PLANE_MM) last.push(ring)
    else planes.push([ring])
  }
  const flat = planes.map((plane) => plane.map(({ points }) => points.map((point): Flat => [dot(point, row), dot(point, column)])))
  const all = flat.flat(2)
  const [left, top, right, bottom] = all.reduce(
    (box, [x, y]) => [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x), Math.max(box[3], y)] as const,
    [Infinity, Infinity, -Infinity, -Infinity] as readonly [number, number, number, number],
  )
  const side = Math.max(GRID_MM, (right - left) / GRID_MOST, (bottom - top) / GRID_MOST)
  const [columns, rows] = [Math.ceil((right - left) / side) + 1, Math.ceil((bottom - top) / side) + 1]
  const slices = planes.map((plane, index): Slice => {
    const at = plane[0]?.at ?? 0
    const origin = along(along(along([0, 0, 0], row, left), column, top), normal, at)
    // In pixels of the grid, the first of which reaches from 0 to 1.
    const shapes = (flat[index] ?? []).map((shape) => shape.map(([x, y]): Flat => [(x - left) / side + 0.5, (y - top) / side + 0.5]))
    let mask: Mask | null | undefined
    let path: string | undefined
    return {
      at,
      origin,
      mask: () => (mask = mask === undefined ? enclosed(shapes, columns, rows) : mask),
      outline: () => (path ??= shapes.map((shape) => `M${shape.map(([x, y]) => `${short(x)} ${short(y)}`).join('L')}Z`).join('')),
      area: areaOf(shapes) * side * side,
    }
  })
  return { row, column, normal, spacing: [side, side], step: stepOf(slices.map((one) => one.at)) || slab, slices, inParts: false, isDrawn: true }
}

type Flat = readonly [number, number]

function short(value: number): string {
  return String(Math.round(value * 1000) / 1000)
}

/** What rings enclose an odd number of times (PS3.3 C.8.8.6): a ring within a ring is a hole. */
export function areaOf(rings: readonly (readonly Flat[])[]): number {
  const sizes = rings.map((ring) => Math.abs(ring.reduce((sum, [x, y], at) => {
    const [nextX, nextY] = ring[(at + 1) % ring.length] ?? [x, y]
    return sum + x * nextY - nextX * y
  }, 0)) / 2)
  return rings.reduce((sum, ring, at) => {
    const depth = rings.filter((other, index) => index !== at && (sizes[index] ?? 0) > (sizes[at] ?? 0) && isWithin(other, ring)).length
    return sum + (depth % 2 ? -1 : 1) * (sizes[at] ?? 0)
  }, 0)
}

/** Whether most of a ring's points lie in another. */
function isWithin(outer: readonly Flat[], inner: readonly Flat[]): boolean {
  return inner.filter(([x, y]) => crossings(outer, x, y) % 2 === 1).length * 2 > inner.length
}

function crossings(ring: readonly Flat[], x: number, y: number): number {
  let count = 0
  ring.forEach(([x1, y1], at) => {
    const [x2, y2] = ring[(at + 1) % ring.length] ?? [x1, y1]
    if (y1 > y !== y2 > y && x < x1 + ((y - y1) * (x2 - x1)) / (y2 - y1)) count++
  })
  return count
}

/** The pixels of a grid whose middles are enclosed an odd number of times. */
export function enclosed(rings: readonly (readonly Flat[])[], columns: number, rows: number): Mask | null {
  const bits = new Uint8Array((columns * rows + 7) >> 3)
  for (let row = 0; row < rows; row++) {
    const y = row + 0.5
    const places: number[] = []
    for (const ring of rings)
      ring.forEach(([x1, y1], at) => {
        const [x2, y2] = ring[(at + 1) % ring.length] ?? [x1, y1]
        if (y1 > y !== y2 > y) places.push(x1 + ((y - y1) * (x2 - x1)) / (y2 - y1))
      })
    places.sort((a, b) => a - b)
    for (let pair = 0; pair + 1 < places.length; pair += 2) {
      const [from, to] = [Math.max(0, Math.ceil((places[pair] ?? 0) - 0.5)), Math.min(columns - 1, Math.ceil((places[pair + 1] ?? 0) - 0.5) - 1)]
      for (let at = row * columns + from; at <= row * columns + to; at++) bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7))
    }
  }
  return maskOfBits(bits, columns, rows)
}

export function firstPoint(form: Form): Vec3 | null {
  return form.points[0] ?? vec3(form.lines[0]?.points[0])
}
