import { fittingScaleOf, type Turnable } from './camera'
import type { Stack } from './stacks'

/** A stack with the study that it is of. */
export interface Shown {
  studyPk: number
  stack: Stack
}

/** Whether a window means the same on both: the units are, or the same study was exposed alike. */
export function sharesWindow(a: Shown, b: Shown): boolean {
  const { modality } = a.stack
  if (modality === null || modality !== b.stack.modality) return false
  // A difference has other values than what it was made of.
  if (a.stack.subtraction !== undefined || b.stack.subtraction !== undefined) return false
  return modality === 'CT' || (modality === 'PT' && a.stack.seriesInstanceUid === b.stack.seriesInstanceUid) || (a.studyPk === b.studyPk && !['MR', 'PT', 'NM'].includes(modality))
}

interface Viewport extends Turnable {
  getPan(): readonly [number, number]
  setPan(pan: [number, number]): void
}

function isInPatient(stack: Stack): boolean {
  return stack.frames[0]?.calibration.kind === 'patient'
}

/** Shows as much of `follower` as is seen of `driver`: at the same millimetres where both have them, else at the same enlargement. */
export function followView(driver: Viewport, driven: Stack, follower: Viewport, following: Stack): void {
  const scale = driver.getCamera().parallelScale
  const now = follower.getCamera().parallelScale
  if (!scale || !now) return
  const [from, to] = [driver.element.clientHeight, follower.element.clientHeight]
  let next: number
  if (isInPatient(driven) && isInPatient(following)) next = (scale * to) / Math.max(1, from)
  else {
    const fitted = fittingScaleOf(driver, driver.element.clientWidth, from)
    const other = fittingScaleOf(follower, follower.element.clientWidth, to)
    if (!fitted || !other) return
    next = (scale / fitted) * other
  }
  const [x, y] = driver.getPan()
  const [otherX, otherY] = follower.getPan()
  const moved = Math.hypot(x - otherX, y - otherY) > 0.5
  if (Math.abs(next / now - 1) < 0.001 && !moved) return
  follower.setCamera({ parallelScale: next })
  follower.setPan([x, y])
  follower.render()
}
