import { along, distance, dot, subtract, type Vec3 } from '../geometry'
import { planeNormal, type Plane } from '../planes'
import { isLocaliser, type Stack } from '../stacks'

/** Whether slices are a volume; if not, why, in words for a reader. */
export type Judgement = { isVolume: true; step: number; uneven: Uneven | null } | { isVolume: false; reason: string }

/** What keeps parallel slices from being a volume as they are; they are laid anew on an even, straight grid (`resample`). */
export interface Uneven {
  /** How far the gantry was tilted, degrees; 0: it was not. */
  tilt: number
  /** The least and the greatest step, mm, where they differ by more than missing slices make them. */
  steps: readonly [number, number] | null
  missing: readonly Missing[]
}

/** Slices that are not there: `count` of them between image `after` and the next, from 0 in the stack's order. */
export interface Missing {
  after: number
  count: number
}

/** Fewer slices than this make no plane worth looking at. */
const LEAST = 5
/** Slices may stand off their place by this part of the step, for positions are written with few decimals. */
const TOLERANCE = 0.05
const TOLERANCE_MM = 0.02
/** A gantry tilted by less than this moves nothing by a pixel. */
const TILT_DEGREES = 0.5
/** A step this many times the usual one, and no more such in a row than this, means missing slices, else another spacing. */
const GAP = 1.75
const GAPS_IN_A_ROW = 2

const no = (reason: string): Judgement => ({ isVolume: false, reason })

/**
 * Judges by geometry alone (PS3.3 C.7.6.2.1.1): parallel slices of one size are a volume. Where they are not at equal steps,
 * straight above each other, it says so: what was left out must not be drawn as if it were there, nor what is tilted askew.
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
  const sizes = steps.map(Math.abs)
  if (steps.some((one) => one > 0 !== (steps[0] ?? 0) > 0)) return no('The slices are not in one order.')
  const missing = gapsIn(sizes, step)
  const gaps = new Set(missing.map(({ after }) => after))
  const usual = sizes.filter((_, at) => !gaps.has(at))
  const allowed = Math.max(TOLERANCE_MM, TOLERANCE * step)
  const [least, most] = [Math.min(...usual), Math.max(...usual)]
  const tilt = tiltOf(planes, normal)
  const uneven: Uneven = { tilt: tilt > TILT_DEGREES ? tilt : 0, steps: most - least > 2 * allowed ? [least, most] : null, missing }
  return { isVolume: true, step, uneven: uneven.tilt || uneven.steps || missing.length ? uneven : null }
}

/** Where slices are missing: steps far longer than the usual one, alone or two in a row. */
function gapsIn(sizes: readonly number[], step: number): Missing[] {
  const isWide = (at: number) => (sizes[at] ?? 0) >= GAP * step
  const found: Missing[] = []
  for (let at = 0; at < sizes.length; at++) {
    if (!isWide(at)) continue
    let end = at
    while (isWide(end + 1)) end++
    if (end - at < GAPS_IN_A_ROW) for (let one = at; one <= end; one++) found.push({ after: one, count: Math.round((sizes[one] ?? 0) / step) - 1 })
    at = end
  }
  return found
}

/** What a reader is told of planes that are laid through uneven slices, a sentence each. */
export function unevenWords({ tilt, steps, missing }: Uneven): string[] {
  const spoken = (value: number) => String(Number(value.toFixed(2)))
  return [
    ...missing.map(({ after, count }) => `${count} slice${count === 1 ? ' is' : 's are'} missing between images ${after + 1} and ${after + 2}: left black`),
    ...(tilt ? [`Gantry tilt of ${tilt.toFixed(0)}° set straight`] : []),
    ...(steps ? [`Slices ${spoken(steps[0])} to ${spoken(steps[1])} mm apart, filled in between`] : []),
  ]
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

/** Asked at each drawing of the screen, and the answer takes as long as the stack is. */
const judged = new WeakMap<Stack, Judgement>()

/** Whether planes can be laid through a stack. */
export function judgeStack(stack: Stack): Judgement {
  const known = judged.get(stack)
  if (known) return known
  const found = judgedAnew(stack)
  judged.set(stack, found)
  return found
}

function judgedAnew(stack: Stack): Judgement {
  if (stack.subtraction) return no('Planes are laid through the original: turn subtraction off.')
  if (isLocaliser(stack)) return no('A localiser is no volume.')
  if (stack.frames.some((frame) => !frame.grey)) return no('Planes need grey images.')
  const planes = stack.frames.map((frame) => frame.plane).filter((plane): plane is Plane => plane !== null)
  if (planes.length < stack.length) return no('These images do not say where they lie in the patient.')
  return judge(planes)
}
