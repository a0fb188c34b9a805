import { along, distance, dot, subtract, type Vec3 } from '../geometry'
import { planeNormal, type Plane } from '../planes'
import type { Stack } from '../stacks'
import { isLocaliser } from '../view'

/** Whether slices are a volume; if not, why, in words for a reader. */
export type Judgement = { isVolume: true; step: number } | { isVolume: false; reason: string }

/** Fewer slices than this make no plane worth looking at. */
const LEAST = 5
/** Slices may stand off their place by this part of the step, for positions are written with few decimals. */
const TOLERANCE = 0.05
const TOLERANCE_MM = 0.02
/** A gantry tilted by less than this moves nothing by a pixel. */
const TILT_DEGREES = 0.5

const no = (reason: string): Judgement => ({ isVolume: false, reason })

/**
 * Judges by geometry alone (PS3.3 C.7.6.2.1.1): parallel slices of one size, at equal steps, straight above each other.
 * What was left out would be drawn as if it were there, and what is tilted would be drawn askew.
 */
export function judge(planes: readonly Plane[]): Judgement {
  const [first, second] = planes
  if (!first || !second || planes.length < LEAST) return no(`Planes need at least ${LEAST} slices.`)
  if (planes.some((plane) => !isAlike(plane, first))) return no('The slices differ in size, spacing or direction.')
  const normal = planeNormal(first)
  const places = planes.map((plane) => dot(normal, plane.origin))
  const steps = places.slice(1).map((place, at) => place - (places[at] ?? 0))
  const sorted = [...steps].map(Math.abs).sort((a, b) => a - b)
  const step = sorted[Math.floor(sorted.length / 2)] ?? 0
  if (step < TOLERANCE_MM || steps.some((one) => Math.abs(one) < TOLERANCE_MM)) return no('Several images lie at the same place.')
  const allowed = Math.max(TOLERANCE_MM, TOLERANCE * step)
  const gap = steps.findIndex((one) => Math.abs(Math.abs(one) - step) > allowed)
  if (gap >= 0) {
    const missing = Math.round(Math.abs(steps[gap] ?? 0) / step) - 1
    const where = `between images ${gap + 1} and ${gap + 2}`
    return no(missing >= 1 ? `${missing} slice${missing === 1 ? ' is' : 's are'} missing ${where}.` : `The slices are unevenly spaced ${where}.`)
  }
  const tilt = tiltOf(planes, normal)
  if (tilt > TILT_DEGREES) return no(`The gantry was tilted by ${tilt.toFixed(0)}°; planes through these slices would be askew.`)
  return { isVolume: true, step }
}

function isAlike(a: Plane, b: Plane): boolean {
  const near = (x: number, y: number) => Math.abs(x - y) < 1e-3
  return (
    dot(a.row, b.row) > 0.99999 &&
    dot(a.column, b.column) > 0.99999 &&
    near(a.width, b.width) &&
    near(a.height, b.height) &&
    near(a.betweenRows, b.betweenRows) &&
    near(a.betweenColumns, b.betweenColumns)
  )
}

/** How far the line through the slices' first pixels leans from straight through, degrees. */
function tiltOf(planes: readonly Plane[], normal: Vec3): number {
  const [first, last] = [planes[0], planes[planes.length - 1]]
  if (!first || !last) return 0
  const way = subtract(last.origin, first.origin)
  const straight = dot(way, normal)
  const aside = distance(way, along([0, 0, 0], normal, straight))
  return (Math.atan2(aside, Math.abs(straight)) * 180) / Math.PI
}

/** Whether planes can be laid through a stack. */
export function judgeStack(stack: Stack): Judgement {
  if (isLocaliser(stack)) return no('A localiser is no volume.')
  if (stack.frames.some((frame) => !frame.grey)) return no('Planes need grey images.')
  const planes = stack.frames.map((frame) => frame.plane).filter((plane): plane is Plane => plane !== null)
  if (planes.length < stack.length) return no('These images do not say where they lie in the patient.')
  return judge(planes)
}
