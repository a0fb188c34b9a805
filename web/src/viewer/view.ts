import { values, type DicomJson } from './dicom'
import type { StackViewport } from './engine'
import { along, cross, edgesOfPlane, edgesOfProjection, vec3, type EdgeLetters, type Vec3 } from './geometry'
import { windowOf } from './presets'
import { functionOf } from './pixels/plain'
import { isLeastWhite } from './pixels/values'
import { tableOn } from './pixels/voiTable'
import type { Frame, Stack } from './stacks'
import { isTrueToSize } from './surface'

/** What the corners and edges of a pane say now. */
export interface View {
  frame: Frame
  index: number
  /** How many pictures its stack had when it was drawn. */
  of: number
  window: { center: number; width: number } | null
  /** By which table of the scanner's, and no window, the picture is drawn; null: by a window. */
  table: string | null
  inverted: boolean
  /** 1 = fits the pane. */
  zoom: number
  /** Screen pixels a millimetre (or a pixel, where the picture is not calibrated). */
  pixelsPerUnit: number
  edges: EdgeLetters | null
  /** From the picture's pixels, whose first corner is (0,0), to the pane's. */
  toPane: ToPane | null
  /** Where a place in the patient is seen in the pane, as the picture was drawn. */
  placeOnPane: (point: Vec3) => readonly [number, number]
}

/** An affine map in the order of SVG's `matrix(a b c d e f)`. */
export type ToPane = readonly [number, number, number, number, number, number]

/**
 * Reads a viewport that has just drawn the picture `imageId`; null where that is no picture of `stack`, or where the pane
 * has got another size since. What a viewport is about to show counts for nothing: while the next picture is on its way, its
 * number is told but the one before is seen.
 */
export function viewOf(viewport: StackViewport, stack: Stack, imageId: string, element: HTMLElement): View | null {
  const index = stack.frames.findIndex((one) => one.imageId === imageId)
  const frame = stack.frames[index]
  if (!frame || !isTrueToSize(viewport)) return null
  const camera = viewport.getCamera()
  const properties = viewport.getProperties()
  const up = vec3(camera.viewUp)
  const toViewer = vec3(camera.viewPlaneNormal)
  let edges: EdgeLetters | null = null
  if (up && toViewer) {
    const right = cross(up, toViewer)
    edges = frame.hasPlane ? edgesOfPlane(right, up) : edgesOfProjection(frame.patientOrientation, right, up)
  }
  const scale = camera.parallelScale
  const table = tableOn(viewport)
  return {
    frame,
    index,
    of: stack.length,
    window: !table && properties.voiRange && isGrey(frame) ? windowOf(properties.voiRange, functionOf(frame.metadata)) : null,
    table: table ? (table.explanation ?? 'by the scanner') : null,
    // What has its least value white is drawn turned round by itself: only what a reader turned is said.
    inverted: (properties.invert === true) !== isLeastWhite(frame.metadata),
    zoom: viewport.getZoom(),
    pixelsPerUnit: scale ? element.clientHeight / (2 * scale) : 0,
    edges,
    toPane: toPaneOf(viewport),
    placeOnPane: placeOnPaneOf(viewport),
  }
}

/** The viewport's map from places to the pane, as it is now: a parallel projection, so that four places tell it. */
export function placeOnPaneOf(viewport: Pick<StackViewport, 'getCamera' | 'worldToCanvas'>): View['placeOnPane'] {
  const focus = vec3(viewport.getCamera().focalPoint) ?? [0, 0, 0]
  const at = (point: Vec3) => viewport.worldToCanvas([...point])
  const middle = at(focus)
  const axes = ([[1, 0, 0], [0, 1, 0], [0, 0, 1]] as const).map((axis) => {
    const [x, y] = at(along(focus, axis, 1))
    return [x - middle[0], y - middle[1]] as const
  })
  return (point) => {
    const sum = (part: 0 | 1) => axes.reduce((total, axis, n) => total + axis[part] * ((point[n] ?? 0) - (focus[n] ?? 0)), middle[part])
    return [sum(0), sum(1)]
  }
}

function toPaneOf(viewport: StackViewport): ToPane | null {
  const toWorld = viewport.getImageData()?.imageData.indexToWorld
  if (!toWorld) return null
  // Cornerstone's whole numbers are the middles of pixels.
  const at = (x: number, y: number) => viewport.worldToCanvas(toWorld([x - 0.5, y - 0.5, 0]) as [number, number, number])
  const [x, y] = at(0, 0)
  const [rightX, rightY] = at(1, 0)
  const [downX, downY] = at(0, 1)
  return [rightX - x, rightY - y, downX - x, downY - y, x, y]
}

function isGrey(frame: Frame): boolean {
  const samples = values(frame.metadata, '00280002')[0]
  return (samples === undefined || samples === 1) && values(frame.metadata, '00280004')[0] !== 'PALETTE COLOR'
}

export interface NamedPatient {
  name: string | null
  id: string | null
}

/** The patient as an object itself names it, overlaid by the archive's corrections. */
export function patientIn(instance: DicomJson | undefined): NamedPatient {
  const name = values(instance, '00100010')[0]
  const groups = name !== null && typeof name === 'object' ? (name as Record<string, string>) : {}
  const id = values(instance, '00100020')[0]
  return {
    name: [groups['Alphabetic'], groups['Ideographic'], groups['Phonetic']].map((group) => group ?? '').join('=') || null,
    id: typeof id === 'string' ? id : null,
  }
}

/** The patient of a stack's pictures. */
export function patientOf(stack: Stack): NamedPatient {
  return patientIn(stack.frames[0]?.metadata)
}

/** A length for the scale bar: 1, 2 or 5 times a power of ten, at most `room_px` long. */
export function scaleBar(pixelsPerUnit: number, room_px: number): { units: number; length_px: number } | null {
  if (!(pixelsPerUnit > 0)) return null
  const most = room_px / pixelsPerUnit
  const power = 10 ** Math.floor(Math.log10(most))
  const units = [5, 2, 1].map((step) => step * power).find((length) => length <= most) ?? power
  return { units, length_px: units * pixelsPerUnit }
}
