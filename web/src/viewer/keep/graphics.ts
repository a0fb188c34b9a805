import type { Point, Shape } from './shapes'

/** Left, top, right and bottom of what is displayed, in pixels from 1 (PS3.3 C.10.4). */
export type Area = [number, number, number, number]

/** In what its points are told: pixels of the picture, or parts of the area that is displayed (PS3.3 C.10.5.1). */
export type Units = 'PIXEL' | 'DISPLAY'

export interface Drawing {
  form: Shape['graphic_type'] | 'INTERPOLATED'
  points: readonly Point[]
  units: Units
  filled: boolean
  colour: string | null
}

export interface Words {
  text: string
  /** Upper left and lower right corner of where the words stand. */
  box: readonly [Point, Point] | null
  units: Units
  /** What they are about; `tied`: with a line to it. */
  anchor: Point | null
  anchorUnits: Units
  tied: boolean
  align: 'left' | 'center' | 'right'
  colour: string | null
}

/** What is laid over a picture by an object of another program. */
export interface Graphics {
  shapes: Drawing[]
  words: Words[]
  /** SVG paths, see `shuttersOf`; and how bright what they hide is, 0 to 1. */
  shutters: string[]
  shutterGrey: number | null
  /** What parts of the display are of. */
  area: Area | null
}
