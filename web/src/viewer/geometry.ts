/** Points and directions in the patient's coordinates: x to the left, y to the back, z to the head (PS3.3 C.7.6.2.1.1). */
export type Vec3 = readonly [number, number, number]

export function cross(a: Vec3, b: Vec3): Vec3 {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

export function dot(a: Vec3, b: Vec3): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

export function subtract(a: Vec3, b: Vec3): Vec3 {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/** `a` and `times` of `b`. */
export function along(a: Vec3, b: Vec3, times: number): Vec3 {
  return [a[0] + times * b[0], a[1] + times * b[1], a[2] + times * b[2]]
}

export function distance(a: Vec3, b: Vec3): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])
}

export function vec3(values: ArrayLike<number> | null | undefined): Vec3 | null {
  if (!values || values.length < 3) return null
  const [x, y, z] = [values[0], values[1], values[2]]
  if (x === undefined || y === undefined || z === undefined) return null
  return [x, y, z]
}

/** The direction through the slices of a plane given by Image Orientation (Patient); null where it is no plane. */
export function normalOf(imageOrientation: readonly number[]): Vec3 | null {
  const row = vec3(imageOrientation.slice(0, 3))
  const column = vec3(imageOrientation.slice(3, 6))
  if (!row || !column) return null
  const normal = cross(row, column)
  const length = Math.sqrt(dot(normal, normal))
  return length < 0.5 ? null : [normal[0] / length, normal[1] / length, normal[2] / length]
}

const LETTERS = [
  ['L', 'R'],
  ['P', 'A'],
  ['H', 'F'],
] as const

/** A direction in letters, the strongest first, weaker ones where they matter: `L`, `AL`, `HA` (PS3.3 C.7.6.1.1.1). */
export function directionLetters(direction: Vec3): string {
  return LETTERS.map(([positive, negative], axis) => ({ size: direction[axis] ?? 0, positive, negative }))
    .filter(({ size }) => Math.abs(size) > 0.25)
    .sort((a, b) => Math.abs(b.size) - Math.abs(a.size))
    .slice(0, 2)
    .map(({ size, positive, negative }) => (size > 0 ? positive : negative))
    .join('')
}

const OPPOSITE: Record<string, string> = { L: 'R', R: 'L', A: 'P', P: 'A', H: 'F', F: 'H' }

/** The other end of an axis: `AL` becomes `PR`. */
export function oppositeLetters(letters: string): string {
  return [...letters].map((letter) => OPPOSITE[letter] ?? '').join('')
}

export interface EdgeLetters {
  left: string
  right: string
  top: string
  bottom: string
}

/** What stands at the edges of a drawn plane, from the direction to the right and the direction up on the screen. */
export function edgesOfPlane(right: Vec3, up: Vec3): EdgeLetters {
  const rightLetters = directionLetters(right)
  const topLetters = directionLetters(up)
  return {
    right: rightLetters,
    left: oppositeLetters(rightLetters),
    top: topLetters,
    bottom: oppositeLetters(topLetters),
  }
}

/**
 * Edges from Patient Orientation (0020,0020): the direction of the rows, then of the columns, for projections without a
 * plane. `right` and `up` are the screen's directions in the image's own axes: (1,0) is along a row, (0,-1) up a column.
 */
export function edgesOfProjection(patientOrientation: readonly string[], right: Vec3, up: Vec3): EdgeLetters | null {
  const [alongRow, alongColumn] = patientOrientation
  if (!alongRow || !alongColumn) return null
  const name = (x: number, y: number): string => {
    if (Math.abs(x) >= Math.abs(y)) return x > 0 ? alongRow : oppositeLetters(alongRow)
    return y > 0 ? alongColumn : oppositeLetters(alongColumn)
  }
  const rightLetters = name(right[0], right[1])
  const topLetters = name(up[0], up[1])
  return {
    right: rightLetters,
    left: oppositeLetters(rightLetters),
    top: topLetters,
    bottom: oppositeLetters(topLetters),
  }
}

/** What linked scrolling needs to know of a stack. */
export interface Scrollable {
  frameOfReferenceUid: string | null
  normal: Vec3 | null
  /** Each image's place along the normal, mm; null where the stack has no such order. */
  positions: readonly number[] | null
  length: number
}

/** Where a pane stood when the panes were linked: a place in mm along its normal, else an image's number from 0. */
export interface Anchor {
  position: number | null
  index: number
}

export function anchorAt(stack: Scrollable, index: number): Anchor {
  return { index, position: stack.positions?.[index] ?? null }
}

/** The middle of a stack: where two studies are linked at first, before a person says better. */
export function anchorInTheMiddle(stack: Scrollable): Anchor {
  if (!stack.positions) return anchorAt(stack, Math.floor((stack.length - 1) / 2))
  const low = Math.min(...stack.positions)
  const high = Math.max(...stack.positions)
  return { index: Math.floor((stack.length - 1) / 2), position: (low + high) / 2 }
}

export function nearestIndex(positions: readonly number[], position: number): number {
  let best = 0
  positions.forEach((candidate, index) => {
    if (Math.abs(candidate - position) < Math.abs((positions[best] ?? Infinity) - position)) best = index
  })
  return best
}

/**
 * The image of `follower` that belongs to image `index` of `driver`; null where the planes differ too much to compare.
 * In one frame of reference the place itself decides; else the distance scrolled, in mm, from the two anchors; and
 * where a stack has no places, the number of images scrolled.
 */
export function linkedIndex(
  driver: Scrollable,
  index: number,
  follower: Scrollable,
  driverAnchor: Anchor,
  followerAnchor: Anchor,
): number | null {
  const here = driver.positions?.[index]
  if (here !== undefined && driver.normal && follower.normal && follower.positions) {
    const along = dot(driver.normal, follower.normal)
    if (Math.abs(along) < 0.8) return null
    const sign = along < 0 ? -1 : 1
    if (driver.frameOfReferenceUid !== null && driver.frameOfReferenceUid === follower.frameOfReferenceUid)
      return nearestIndex(follower.positions, here * sign)
    if (driverAnchor.position === null || followerAnchor.position === null) return null
    return nearestIndex(follower.positions, followerAnchor.position + (here - driverAnchor.position) * sign)
  }
  const moved = index - driverAnchor.index
  return Math.max(0, Math.min(follower.length - 1, followerAnchor.index + moved))
}
