import { number, numbers, text, values, type DicomJson } from '../dicom'
import type { ToPane } from '../view'
import { pairs } from './structured'
import type { Point, Shape } from './shapes'

/** How a picture is to be seen. */
export interface Look {
  /** Left, top, right and bottom of what fills the pane, in pixels from 1 (PS3.3 C.10.4). */
  area: [number, number, number, number] | null
  window: { center: number; width: number } | null
  rotation: 0 | 90 | 180 | 270
  flipped: boolean
  inverted: boolean
}

/** Where the shapes and words of a presentation state lie on a picture. */
export interface Graphics {
  shapes: Shape[]
  words: { at: Point; text: string }[]
}

type Picture = { sopInstanceUid: string; frameNumber: number }

function items(of: DicomJson | undefined, tag: string): DicomJson[] {
  return values(of, tag).filter((one): one is DicomJson => one !== null && typeof one === 'object')
}

/** Whether an item of a sequence is for a picture: it names it, or names none and is for all. */
function isFor(of: DicomJson, picture: Picture): boolean {
  const named = items(of, '00081140')
  if (!named.length) return true
  return named.some((one) => {
    const frames = numbers(one, '00081160')
    return text(one, '00081155') === picture.sopInstanceUid && (!frames.length || frames.includes(picture.frameNumber))
  })
}

/** Every picture that a presentation state is about. */
export function presented(state: DicomJson): string[] {
  return items(state, '00081115').flatMap((series) => items(series, '00081140').map((one) => text(one, '00081155') ?? ''))
}

/** What a presentation state says of a picture. */
export function lookOf(state: DicomJson, picture: Picture): Look {
  const displayed = items(state, '0070005A').find((one) => isFor(one, picture))
  const [left, top] = numbers(displayed, '00700052')
  const [right, bottom] = numbers(displayed, '00700053')
  const voi = items(state, '00283110').find((one) => isFor(one, picture))
  const [center, width] = [number(voi, '00281050'), number(voi, '00281051')]
  const turned = (((number(state, '00700042') ?? 0) % 360) + 360) % 360
  return {
    area: left !== undefined && top !== undefined && right !== undefined && bottom !== undefined ? [left, top, right, bottom] : null,
    window: center !== null && width !== null ? { center, width } : null,
    rotation: turned === 90 || turned === 180 || turned === 270 ? turned : 0,
    flipped: text(state, '00700041') === 'Y',
    inverted: text(state, '20500020') === 'INVERSE',
  }
}

/** What is drawn on a picture, in its pixels; of coordinates of the screen (DISPLAY) nothing, for there are no such screens. */
export function graphicsOf(state: DicomJson, picture: Picture): Graphics {
  const out: Graphics = { shapes: [], words: [] }
  for (const annotation of items(state, '00700001').filter((one) => isFor(one, picture))) {
    for (const drawn of items(annotation, '00700009')) {
      const type = text(drawn, '00700023')
      const points = pairs(numbers(drawn, '00700022'))
      if (text(drawn, '00700005') !== 'PIXEL' || !points.length) continue
      if (type === 'POINT' || type === 'POLYLINE' || type === 'ELLIPSE') out.shapes.push({ graphic_type: type, points })
      const [middle, edge] = points
      if (type === 'CIRCLE' && middle && edge) out.shapes.push({ graphic_type: 'ELLIPSE', points: ends(middle, edge) })
      if (type === 'INTERPOLATED') out.shapes.push({ graphic_type: 'POLYLINE', points })
    }
    for (const written of items(annotation, '00700008')) {
      const said = text(written, '00700006')
      const [anchor] = pairs(numbers(written, '00700014'))
      const [box] = pairs(numbers(written, '00700010'))
      const at = text(written, '00700004') === 'PIXEL' ? anchor : text(written, '00700003') === 'PIXEL' ? box : undefined
      if (said && at) out.words.push({ at, text: said })
    }
  }
  return out
}

function ends(middle: Point, edge: Point): Point[] {
  const radius = Math.hypot(edge[0] - middle[0], edge[1] - middle[1])
  const [x, y] = middle
  return [
    [x - radius, y],
    [x + radius, y],
    [x, y - radius],
    [x, y + radius],
  ]
}

/** How a pane of this size sees a picture that is mapped to it so: the inverse of applying a look. */
export function lookFrom(toPane: ToPane, width: number, height: number): Omit<Look, 'window' | 'inverted'> {
  const [a, b, c, d, e, f] = toPane
  const size = a * d - b * c
  const flipped = size < 0
  // Turned first and flipped then (PS3.3 C.10.5): the flip taken away, a row runs at the angle that it was turned by.
  const degrees = (Math.atan2(b, flipped ? -a : a) * 180) / Math.PI
  const rotation = (((Math.round(degrees / 90) * 90) % 360) + 360) % 360
  const back = (x: number, y: number): Point => [(d * (x - e) - c * (y - f)) / size, (a * (y - f) - b * (x - e)) / size]
  const corners = [back(0, 0), back(width, height)]
  const xs = corners.map((corner) => corner[0])
  const ys = corners.map((corner) => corner[1])
  return {
    area: [Math.round(Math.min(...xs)) + 1, Math.round(Math.min(...ys)) + 1, Math.round(Math.max(...xs)), Math.round(Math.max(...ys))],
    rotation: rotation as Look['rotation'],
    flipped,
  }
}

