import { isFitted, oneToOne } from '../camera'
import { number } from '../dicom'
import type { Engine } from '../engine'
import { applyLook } from '../keep/applyLook'
import { lookFrom } from '../keep/presentation'
import { isLeastWhite } from '../pixels/values'
import type { Stack } from '../stacks'
import { viewOf } from '../view'
import type { SeenAs } from './make'
import type { Box } from './types'

export const AS_SCANNED: SeenAs = { show_grayscale_inverted: false, image_rotation: 0, image_horizontal_flip: false }

/** Only where units mean the same in every study can a window be taken from one to the next. */
const KNOWN_UNITS: ReadonlySet<string> = new Set(['CT', 'PT'])

function ratio(): number {
  return window.devicePixelRatio || 1
}

/** How a pane's picture is seen now: turned, flipped, inverted, enlarged, and by another window than the scanner's. */
export function seenIn(engine: Engine, paneId: string, stack: Stack): SeenAs {
  const viewport = engine.viewport(paneId)
  const imageId = engine.imageOn(paneId)
  const view = viewport && imageId ? viewOf(viewport, stack, imageId, viewport.element) : null
  if (!viewport || !view?.toPane) return AS_SCANNED
  const { rotation, flipped } = lookFrom(view.toPane, viewport.element.clientWidth, viewport.element.clientHeight)
  const seen: SeenAs = { show_grayscale_inverted: view.inverted, image_rotation: rotation, image_horizontal_flip: flipped }
  const [center, width] = [number(view.frame.metadata, '00281050'), number(view.frame.metadata, '00281051')]
  const asScanned = view.window && center !== null && width !== null && Math.abs(view.window.center - center) < 1 && Math.abs(view.window.width - width) < 1
  if (view.window && !asScanned && KNOWN_UNITS.has(stack.modality ?? ''))
    seen.window = { window_center: Math.round(view.window.center * 100) / 100, window_width: Math.max(1, Math.round(view.window.width * 100) / 100) }
  const scale = viewport.getCamera().parallelScale
  const spacing = viewport.getImageData()?.spacing[1]
  if (!isFitted(viewport) && scale && spacing)
    seen.presentation_pixel_magnification_ratio = Math.min(64, Math.round(((viewport.element.clientHeight * ratio() * spacing) / (2 * scale)) * 1000) / 1000)
  return seen
}

/** Shows a pane's picture as the rule of its box says; all that the rule does not say is as the scanner has it. */
export function dress(engine: Engine, paneId: string, stack: Stack, box: Box): void {
  const viewport = engine.viewport(paneId)
  const [frame] = stack.frames
  if (!viewport || !frame) return
  engine.asScanned(paneId)
  applyLook(viewport, frame, {
    area: null,
    window: box.window ? { center: box.window.window_center, width: box.window.window_width } : null,
    rotation: box.image_rotation,
    flipped: box.image_horizontal_flip,
    // What has its least value white is drawn turned round by itself.
    inverted: box.show_grayscale_inverted !== isLeastWhite(frame.metadata),
  })
  if (box.presentation_pixel_magnification_ratio) oneToOne(viewport, ratio() / box.presentation_pixel_magnification_ratio)
}
