import type { Types as ToolTypes } from '@cornerstonejs/tools'
import { along, cross, dot, subtract, vec3, type Vec3 } from '../geometry'
import { awayFrom, isOver } from '../planes'
import type { Frame, Stack } from '../stacks'
import { isDifference } from '../subtract/pictures'

type Annotation = ToolTypes.Annotation

/** What is drawn on a plane that is no picture's: it lies in the patient, by a Frame of Reference, and not in pixels. */
export function isOnPlane(one: Annotation): boolean {
  // Slices that were made here for a volume are no pictures of the archive's; differences lie on theirs.
  const imageId = one.metadata?.referencedImageId
  return !imageId?.startsWith('wadors:') && !isDifference(imageId)
}

/** By Frame of Reference UID: through which stack planes were laid last. */
const opened = new Map<string, Stack>()

/** Remembers through which pictures planes are laid, for what is drawn on them is measured of those. */
export function rememberPlanes(stack: Stack): void {
  if (stack.frameOfReferenceUid) opened.set(stack.frameOfReferenceUid, stack)
}

export function forgetPlanes(): void {
  opened.clear()
}

interface Data {
  handles?: { points?: number[][] }
  contour?: { polyline?: number[][] }
  /** Of one that was kept: the picture that it was nearest to. */
  near?: string
}

/** The picture that it is drawn on, or, on a plane, that lies nearest to its first point; null: none that is known. */
export function pictureOf(one: Annotation): string | null {
  if (!isOnPlane(one)) return one.metadata?.referencedImageId ?? null
  const data = one.data as Data
  const point = firstOf(data)
  const stack = opened.get(one.metadata?.FrameOfReferenceUID ?? '')
  if (data.near) return data.near
  return (stack && point && nearest(stack.frames, point)?.imageId) ?? null
}

/** A point of it: of a region by a free hand one of its outline. */
function firstOf({ handles, contour }: Data): Vec3 | null {
  return vec3(contour?.polyline?.[0] ?? handles?.points?.[0])
}

function nearest(frames: readonly Frame[], point: Vec3): Frame | null {
  let best: Frame | null = null
  let least = Infinity
  for (const frame of frames) {
    if (!frame.plane) continue
    const away = Math.abs(awayFrom(frame.plane, point)) + (isOver(frame.plane, point) ? 0 : 1e6)
    if (away < least) [best, least] = [frame, away]
  }
  return best
}

/** The plane on which something is drawn, with axes of its own in which it is flat. */
export interface DrawnPlane {
  frameOfReferenceUid: string
  normal: Vec3
  up: Vec3
  flat: (point: Vec3) => readonly [number, number]
  inSpace: (point: readonly [number, number]) => Vec3
}

/** Null where no frame of reference, or no plane, is told. `origin`: any point of it. */
export function planeThrough(frameOfReferenceUid: string | null | undefined, normal: Vec3 | null, up: Vec3 | null, origin: Vec3 | null): DrawnPlane | null {
  if (!frameOfReferenceUid || !normal || !up || !origin) return null
  const right = cross(up, normal)
  return {
    frameOfReferenceUid,
    normal,
    up,
    // Down the screen, as pictures count.
    flat: (point) => [dot(subtract(point, origin), right), -dot(subtract(point, origin), up)],
    inSpace: ([x, y]) => along(along(origin, right, x), up, -y),
  }
}

export function planeOf(one: Annotation): DrawnPlane | null {
  return planeThrough(one.metadata?.FrameOfReferenceUID, vec3(one.metadata?.viewPlaneNormal), vec3(one.metadata?.viewUp), firstOf(one.data as Data))
}
