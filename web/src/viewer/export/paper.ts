/** Sheets of paper: all lengths in millimetres. */

export const PAPERS = { A4: { width: 210, height: 297 }, Letter: { width: 215.9, height: 279.4 } } as const
export type PaperName = keyof typeof PAPERS
/** Columns and rows of an upright sheet; lying, they change places. */
export const GRIDS = ['1x1', '1x2', '2x2', '2x3', '3x3', '3x4', '4x5'] as const
export type GridName = (typeof GRIDS)[number]

export const MARGIN = 10
export const HEADER = 15
export const FOOTER = 9
export const GAP = 3
/** Beside a picture, for its letters; above it, for its words and a letter; below it, for a letter and the scale. */
export const GUTTER = 5
export const ABOVE = 10
export const BELOW = 11

export interface PaperLayout {
  width: number
  height: number
  columns: number
  rows: number
  cell: { width: number; height: number }
  /** What is left of a cell for the picture itself. */
  picture: { width: number; height: number }
}

export function paperLayout(paper: PaperName, lying: boolean, grid: GridName): PaperLayout {
  const upright = PAPERS[paper]
  const [width, height] = lying ? [upright.height, upright.width] : [upright.width, upright.height]
  const [first = 1, second = 1] = grid.split('x').map(Number)
  const [columns, rows] = lying ? [second, first] : [first, second]
  const cell = {
    width: (width - 2 * MARGIN - (columns - 1) * GAP) / columns,
    height: (height - 2 * MARGIN - HEADER - FOOTER - (rows - 1) * GAP) / rows,
  }
  return { width, height, columns, rows, cell, picture: { width: cell.width - 2 * GUTTER, height: cell.height - ABOVE - BELOW } }
}

export interface Printed {
  /** How large the picture is on paper, mm, whether or not all of it has room. */
  width: number
  height: number
  /** What is seen of it. */
  seen: { width: number; height: number }
  /** Millimetres of paper a millimetre of the patient; null where nothing is known of its size. */
  magnification: number | null
}

/**
 * A picture of so many pixels in its room on paper. `pixel_mm`: how large one of its pixels is in the patient, null where
 * that is not known. `trueSize`: as large as the patient, cut about its middle where it has no room.
 */
export function printed(pixels: { width: number; height: number }, pixel_mm: number | null, room: { width: number; height: number }, trueSize: boolean): Printed {
  const fitting = Math.min(room.width / pixels.width, room.height / pixels.height)
  const pixel = trueSize && pixel_mm !== null ? pixel_mm : fitting
  const [width, height] = [pixels.width * pixel, pixels.height * pixel]
  return {
    width,
    height,
    seen: { width: Math.min(width, room.width), height: Math.min(height, room.height) },
    magnification: pixel_mm === null ? null : pixel / pixel_mm,
  }
}

/** `1 : 1`, `1 : 2.4`, `3 : 1`. */
export function scaleWords(magnification: number): string {
  if (Math.abs(magnification - 1) < 0.005) return '1 : 1'
  return magnification < 1 ? `1 : ${rounded(1 / magnification)}` : `${rounded(magnification)} : 1`
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(value < 10 ? 2 : 3)))
}

export function pagesOf<T>(all: readonly T[], perPage: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / perPage) }, (_, at) => all.slice(at * perPage, (at + 1) * perPage))
}
