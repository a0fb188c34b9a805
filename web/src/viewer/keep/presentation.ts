import { number, numbers, text, values, type DicomJson } from '../dicom'
import { shuttersOf } from '../presentation/shutters'
import type { Frame } from '../stacks'
import type { ToPane } from '../view'
import type { Area, Drawing, Graphics, Units, Words } from './graphics'
import { graphicsOfReport } from './reports'
import { ringOf, type Point } from './shapes'
import { itemsOf, kindOf, pairs } from './structured'

/** How a picture is to be seen. */
export interface Look {
  /** Left, top, right and bottom of what fills the pane, in pixels from 1 (PS3.3 C.10.4). */
  area: Area | null
  window: { center: number; width: number } | null
  rotation: 0 | 90 | 180 | 270
  flipped: boolean
  inverted: boolean
}

type Picture = { sopInstanceUid: string; frameNumber: number }

/** Colour Softcopy Presentation State Storage (PS3.4 B.5). */
export const COLOUR_STATE = '1.2.840.10008.5.1.4.1.1.11.2'

/** Whether an item of a sequence is for a picture: it names it, or names none and is for all. */
export function isFor(of: DicomJson, picture: Picture): boolean {
  const named = itemsOf(of, '00081140')
  if (!named.length) return true
  return named.some((one) => {
    const frames = numbers(one, '00081160')
    return text(one, '00081155') === picture.sopInstanceUid && (!frames.length || frames.includes(picture.frameNumber))
  })
}

/** Every picture that a presentation state is about. */
export function presented(state: DicomJson): string[] {
  return itemsOf(state, '00081115').flatMap((series) => itemsOf(series, '00081140').map((one) => text(one, '00081155') ?? ''))
}

/** What a presentation state says of a picture. */
export function lookOf(state: DicomJson, picture: Picture): Look {
  const displayed = itemsOf(state, '0070005A').find((one) => isFor(one, picture))
  const [left, top] = numbers(displayed, '00700052')
  const [right, bottom] = numbers(displayed, '00700053')
  const voi = itemsOf(state, '00283110').find((one) => isFor(one, picture))
  // A state of colours has no greys (PS3.3 A.33.2).
  const coloured = text(state, '00080016') === COLOUR_STATE
  const [center, width] = coloured ? [null, null] : [number(voi, '00281050'), number(voi, '00281051')]
  const turned = (((number(state, '00700042') ?? 0) % 360) + 360) % 360
  return {
    area: left !== undefined && top !== undefined && right !== undefined && bottom !== undefined ? [left, top, right, bottom] : null,
    window: center !== null && width !== null ? { center, width } : null,
    rotation: turned === 90 || turned === 180 || turned === 270 ? turned : 0,
    flipped: text(state, '00700041') === 'Y',
    inverted: !coloured && text(state, '20500020') === 'INVERSE',
  }
}

/** Whether an object says something of a picture. */
export function isAbout(instance: DicomJson, frame: Frame): boolean {
  if (kindOf(instance) === 'CONTAINER') return graphicsOf(instance, frame).shapes.length > 0
  return presented(instance).includes(frame.sopInstanceUid)
}

/** What a presentation state, or the report of another program, draws on a picture. */
export function graphicsOf(state: DicomJson, frame: Frame): Graphics {
  return kindOf(state) === 'CONTAINER' ? graphicsOfReport(state, frame) : graphicsOfState(state, frame)
}

interface Layer {
  order: number
  colour: string | null
}

/** Graphic layers by name: what lies over what, and in which colour (PS3.3 C.10.7). */
function layersOf(state: DicomJson): Map<string, Layer> {
  return new Map(
    itemsOf(state, '00700060').map((layer) => {
      const grey = number(layer, '00700066')
      const lab = numbers(layer, '00700401')
      const colour = lab.length === 3 ? rgbOf(lab) : grey === null ? null : greyOf(grey)
      return [text(layer, '00700002') ?? '', { order: number(layer, '00700062') ?? 0, colour }]
    }),
  )
}

function greyOf(pValue: number): string {
  const level = Math.round((Math.min(65535, Math.max(0, pValue)) / 65535) * 255)
  return `rgb(${level} ${level} ${level})`
}

/** CIELab of 16 bits (PS3.3 C.10.7.1.1: L* 0 to 100, a* and b* -128 to 127), which CSS knows. */
function rgbOf([l = 0, a = 0, b = 0]: readonly number[]): string {
  return `lab(${((l / 65535) * 100).toFixed(2)}% ${((a / 65535) * 255 - 128).toFixed(2)} ${((b / 65535) * 255 - 128).toFixed(2)})`
}

export function graphicsOfState(state: DicomJson, picture: Picture): Graphics {
  const grey = number(state, '00181622')
  const out: Graphics = { shapes: [], words: [], shutters: shuttersOf(state), shutterGrey: grey === null ? null : grey / 65535, area: lookOf(state, picture).area }
  const layers = layersOf(state)
  const layerOf = (annotation: DicomJson) => layers.get(text(annotation, '00700002') ?? '')
  const annotations = itemsOf(state, '00700001').filter((one) => isFor(one, picture))
  annotations.sort((one, other) => (layerOf(one)?.order ?? 0) - (layerOf(other)?.order ?? 0))
  for (const annotation of annotations) {
    const colour = layerOf(annotation)?.colour ?? null
    for (const drawn of itemsOf(annotation, '00700009')) {
      const units = unitsOf(text(drawn, '00700005'))
      const form = formIn(text(drawn, '00700023'), pairs(numbers(drawn, '00700022')))
      if (units && form) out.shapes.push({ ...form, units, filled: text(drawn, '00700024') === 'Y', colour })
    }
    for (const written of itemsOf(annotation, '00700008')) {
      const words = wordsIn(written, colour)
      if (words) out.words.push(words)
    }
  }
  return out
}

function unitsOf(said: string | null): Units | null {
  return said === 'PIXEL' || said === 'DISPLAY' ? said : null
}

function formIn(type: string | null, points: Point[]): Pick<Drawing, 'form' | 'points'> | null {
  const [first, second] = points
  if (!first) return null
  if (type === 'CIRCLE' && second) return { form: 'ELLIPSE', points: ringOf(first, second) }
  if (type === 'ELLIPSE') return points.length === 4 ? { form: 'ELLIPSE', points } : null
  return type === 'POINT' || type === 'POLYLINE' || type === 'INTERPOLATED' ? { form: type, points } : null
}

function wordsIn(written: DicomJson, colour: string | null): Words | null {
  const said = text(written, '00700006')
  const [anchor] = pairs(numbers(written, '00700014'))
  const [corner] = pairs(numbers(written, '00700010'))
  const [end] = pairs(numbers(written, '00700011'))
  const boxUnits = unitsOf(text(written, '00700003'))
  const anchorUnits = unitsOf(text(written, '00700004'))
  const box = boxUnits && corner && end ? ([corner, end] as const) : null
  const tied = anchorUnits !== null && anchor !== undefined
  if (!said || (!box && !tied)) return null
  const align = text(written, '00700012')
  return {
    text: said,
    box,
    units: boxUnits ?? 'PIXEL',
    anchor: tied ? anchor : null,
    anchorUnits: anchorUnits ?? 'PIXEL',
    tied: tied && box !== null && text(written, '00700015') === 'Y',
    align: align === 'CENTER' ? 'center' : align === 'RIGHT' ? 'right' : 'left',
    colour,
  }
}

const SAYS_MORE: readonly [string, string][] = [
  ['00286100', 'its subtraction of a mask'],
  ['00700209', 'its compound graphics'],
  ['00281101', 'its colours of values (palette)'],
  ['00700402', 'its blending of pictures'],
  ['00282000', 'its profile of colours (ICC); they are drawn as sRGB'],
]

/** What a presentation state says that is not shown here, in words. */
export function notShown(state: DicomJson): string[] {
  const out = SAYS_MORE.filter(([tag]) => state[tag] || itemsOf(state, '00700001').some((one) => one[tag])).map(([, words]) => words)
  if (values(state, '00181600').includes('BITMAP')) out.push('its shutter of a bitmap')
  if (Object.keys(state).some((tag) => /^60[01][0-9A-F]3000$/.test(tag))) out.push('its overlays')
  const modes = new Set(itemsOf(state, '0070005A').map((one) => text(one, '00700100')))
  if (modes.has('TRUE SIZE')) out.push('its true size; the picture is fitted')
  if (modes.has('MAGNIFY')) out.push('its magnification; the picture is fitted')
  const drawn = itemsOf(state, '00700001').flatMap((one) => itemsOf(one, '00700009'))
  if (drawn.some((one) => !unitsOf(text(one, '00700005')))) out.push('graphics in other units than pixels or the display')
  if (drawn.some((one) => unitsOf(text(one, '00700005')) && !formIn(text(one, '00700023'), pairs(numbers(one, '00700022'))))) out.push('graphics of unknown forms')
  return out.map((words) => `Not shown: ${words}.`)
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

