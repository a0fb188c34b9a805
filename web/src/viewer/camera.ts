import { along, cross, dot, vec3, type Vec3 } from './geometry'

/** What is read of and set on a viewport's camera; all in the patient's millimetres. */
interface Camera {
  viewUp?: readonly number[]
  viewPlaneNormal?: readonly number[]
  focalPoint?: readonly number[]
  position?: readonly number[]
  /** Half the pane's height, mm. */
  parallelScale?: number
  flipHorizontal?: boolean
  flipVertical?: boolean
}

/** The part of a stack's viewport that turning and fitting need. */
export interface Turnable {
  getCamera(): Camera
  setCamera(camera: object): void
  render(): void
  getImageData(): { dimensions: readonly number[]; spacing: readonly number[]; direction: ArrayLike<number>; origin: readonly number[] } | undefined
  element: HTMLElement
}

interface Axes {
  up: Vec3
  right: Vec3
  toViewer: Vec3
}

function axesOf(camera: Camera): Axes | null {
  const up = vec3(camera.viewUp)
  const toViewer = vec3(camera.viewPlaneNormal)
  return up && toViewer ? { up, toViewer, right: cross(up, toViewer) } : null
}

/** Turns the picture on the screen by quarter turns, clockwise, however it is mirrored. */
export function rotate(viewport: Turnable, quarters: 1 | -1): void {
  const axes = axesOf(viewport.getCamera())
  if (!axes) return
  // Clockwise, what lay at the left comes to the top.
  const viewUp = axes.right.map((value) => -quarters * value)
  const fitted = isFitted(viewport)
  viewport.setCamera({ viewUp })
  if (fitted) fit(viewport)
  else viewport.render()
}

/** Mirrors the picture on the screen, left to right or top to bottom. */
export function mirror(viewport: Turnable, axis: 'horizontal' | 'vertical'): void {
  const { flipHorizontal, flipVertical } = viewport.getCamera()
  viewport.setCamera(axis === 'horizontal' ? { flipHorizontal: !flipHorizontal } : { flipVertical: !flipVertical })
  viewport.render()
}

interface Extent {
  centre: Vec3
  /** Half the picture's size along the screen's axes, mm. */
  halfRight: number
  halfUp: number
}

/** How far a picture reaches along the screen's axes. */
export function extentOf(
  image: { dimensions: readonly number[]; spacing: readonly number[]; direction: ArrayLike<number>; origin: readonly number[] },
  right: Vec3,
  up: Vec3,
): Extent {
  const [columns = 1, rows = 1] = image.dimensions
  const [alongRow = 1, alongColumn = 1] = image.spacing
  const row = vec3([image.direction[0] ?? 1, image.direction[1] ?? 0, image.direction[2] ?? 0]) as Vec3
  const column = vec3([image.direction[3] ?? 0, image.direction[4] ?? 1, image.direction[5] ?? 0]) as Vec3
  const half = (size: number, spacing: number) => (size * spacing) / 2
  const at = (axis: 0 | 1 | 2) =>
    (image.origin[axis] ?? 0) + row[axis] * ((columns - 1) / 2) * alongRow + column[axis] * ((rows - 1) / 2) * alongColumn
  const reach = (along: Vec3) =>
    half(columns, alongRow) * Math.abs(dot(row, along)) + half(rows, alongColumn) * Math.abs(dot(column, along))
  return { centre: [at(0), at(1), at(2)], halfRight: reach(right), halfUp: reach(up) }
}

/** Half the pane's height in mm at which the whole picture is seen. */
export function fittingScale(extent: Extent, width: number, height: number): number {
  if (!(width > 0) || !(height > 0)) return extent.halfUp
  return Math.max(extent.halfUp, (extent.halfRight * height) / width)
}

/** `fittingScale` of what a viewport shows, in a pane of this size; null while it shows nothing. */
export function fittingScaleOf(viewport: Turnable, width: number, height: number): number | null {
  const axes = axesOf(viewport.getCamera())
  const image = viewport.getImageData()
  return axes && image ? fittingScale(extentOf(image, axes.right, axes.up), width, height) : null
}

interface Measured {
  axes: Axes
  extent: Extent
  scale: number
  /** What is free beside the picture where it is fitted, to each side, mm. */
  free: number
}

function measured(viewport: Turnable, width = viewport.element.clientWidth, height = viewport.element.clientHeight): Measured | null {
  const axes = axesOf(viewport.getCamera())
  const image = viewport.getImageData()
  if (!axes || !image) return null
  const extent = extentOf(image, axes.right, axes.up)
  const scale = fittingScale(extent, width, height)
  return { axes, extent, scale, free: height > 0 ? Math.max(0, (scale * width) / height - extent.halfRight) : 0 }
}

/** Whether the picture just fills the pane, by a hundredth. */
export function isFitted(viewport: Turnable): boolean {
  const found = measured(viewport)
  const scale = viewport.getCamera().parallelScale
  return found !== null && scale !== undefined && Math.abs(scale / found.scale - 1) < 0.02
}

/** Shows the whole picture in the middle; turned and mirrored as it is. */
export function fit(viewport: Turnable): void {
  const found = measured(viewport)
  if (found) centreOn(viewport, found.extent.centre, found.scale)
}

/** Shows the whole picture at one side of the pane. */
export function justify(viewport: Turnable, side: 'left' | 'right'): void {
  const found = measured(viewport)
  if (found) centreOn(viewport, along(found.extent.centre, found.axes.right, side === 'left' ? found.free : -found.free), found.scale)
}

/** Whether the whole picture is shown at that side of a pane of this size, by a hundredth of the pane. */
export function isJustified(viewport: Turnable, side: 'left' | 'right', width: number, height: number): boolean {
  const found = measured(viewport, width, height)
  const { focalPoint, parallelScale } = viewport.getCamera()
  const focus = vec3(focalPoint)
  if (!found || !focus || !parallelScale || Math.abs(parallelScale / found.scale - 1) >= 0.02) return false
  const { extent, axes, free } = found
  const beside = dot([focus[0] - extent.centre[0], focus[1] - extent.centre[1], focus[2] - extent.centre[2]], axes.right)
  const above = dot([focus[0] - extent.centre[0], focus[1] - extent.centre[1], focus[2] - extent.centre[2]], axes.up)
  return Math.abs(beside - (side === 'left' ? free : -free)) < 0.02 * found.scale && Math.abs(above) < 0.02 * found.scale
}

/** One pixel of the image on one pixel of the screen: nothing is left out and nothing made up. */
export function oneToOne(viewport: Turnable, pixelsPerCssPixel: number): void {
  const image = viewport.getImageData()
  if (!image) return
  const spacing = image.spacing[1] ?? 1
  viewport.setCamera({ parallelScale: (viewport.element.clientHeight * pixelsPerCssPixel * spacing) / 2 })
  viewport.render()
}

function centreOn(viewport: Turnable, centre: Vec3, parallelScale: number): void {
  const { focalPoint, position, viewPlaneNormal } = viewport.getCamera()
  const focus = vec3(focalPoint)
  const place = vec3(position)
  const normal = vec3(viewPlaneNormal)
  if (!focus || !place || !normal) return
  // Within the plane only: the slice that is shown stays.
  const away = dot([centre[0] - focus[0], centre[1] - focus[1], centre[2] - focus[2]], normal)
  const move = [0, 1, 2].map((axis) => (centre[axis] ?? 0) - (focus[axis] ?? 0) - away * (normal[axis] ?? 0))
  viewport.setCamera({
    focalPoint: focus.map((value, axis) => value + (move[axis] ?? 0)),
    position: place.map((value, axis) => value + (move[axis] ?? 0)),
    parallelScale,
  })
  viewport.render()
}
