import { mirror, rotate } from '../camera'
import { toChestWall, type Showing } from '../chestWall'
import { dot, subtract, vec3 } from '../geometry'
import { functionOf } from '../pixels/plain'
import { rangeOf } from '../presets'
import type { Frame } from '../stacks'
import { inSpace } from './picture'
import type { Look } from './presentation'

interface Viewport extends Showing {
  resetCamera(): unknown
  setProperties(properties: object): void
}

/** Shows a picture as a presentation state says: turned, flipped, its area filling the pane, its greys. */
export function applyLook(viewport: Viewport, frame: Frame, look: Look): void {
  viewport.resetCamera()
  for (let quarter = 0; quarter < look.rotation / 90; quarter++) rotate(viewport, 1)
  if (look.flipped) mirror(viewport, 'horizontal')
  viewport.setProperties({ invert: look.inverted, ...(look.window ? { voiRange: rangeOf(look.window, functionOf(frame.metadata)) } : {}) })
  if (look.area) show(viewport, frame, look.area, look.rotation % 180 !== 0)
  else toChestWall(viewport)
  viewport.render()
}

function show(viewport: Viewport, frame: Frame, [left, top, right, bottom]: readonly [number, number, number, number], onItsSide: boolean): void {
  const corner = inSpace(frame.metadata, [left - 1, top - 1])
  const across = Math.hypot(...subtract(inSpace(frame.metadata, [right, top - 1]), corner))
  const down = Math.hypot(...subtract(inSpace(frame.metadata, [left - 1, bottom]), corner))
  const [width, height] = onItsSide ? [down, across] : [across, down]
  const { clientWidth, clientHeight } = viewport.element
  const { focalPoint, position, viewPlaneNormal } = viewport.getCamera()
  const [focus, place, normal] = [vec3(focalPoint), vec3(position), vec3(viewPlaneNormal)]
  if (!focus || !place || !normal || !(width > 0) || !(height > 0) || !clientHeight || !clientWidth) return
  const middle = inSpace(frame.metadata, [(left - 1 + right) / 2, (top - 1 + bottom) / 2])
  const away = dot(subtract(middle, focus), normal)
  const move = middle.map((value, axis) => value - (focus[axis] ?? 0) - away * (normal[axis] ?? 0))
  viewport.setCamera({
    focalPoint: focus.map((value, axis) => value + (move[axis] ?? 0)),
    position: place.map((value, axis) => value + (move[axis] ?? 0)),
    parallelScale: Math.max(height / 2, (width * clientHeight) / clientWidth / 2),
  })
}
