import { utilities, type StackViewport, type Types } from '@cornerstonejs/core'
import vtkColorTransferFunction from '@kitware/vtk.js/Rendering/Core/ColorTransferFunction'
import type { Greys } from './greys'
import { voiTableOf } from './remembered'
import type { Table } from './tables'

/** The texture that a graphics processor looks colours up in has this many entries. */
const SAMPLES = 1024

/** The greys of pictures by their image ids, or their range from black to white; null: as the picture itself says. */
export type GreysOf = (imageId: string) => Greys | Range | null

interface Range {
  lower: number
  upper: number
}

interface Laid {
  transfer: unknown
  /** What is said of it. */
  explanation: string | null
  range: Range
}

/** Part of Cornerstone's stack viewport that its types leave out. */
interface Inner {
  setVOI(range: Range, options: object): void
}

const laid = new WeakMap<StackViewport, Laid>()
const given = new WeakMap<StackViewport, GreysOf>()

function propertyOf(viewport: StackViewport) {
  const actor = viewport.getDefaultActor()?.actor as unknown as
    | { getProperty(): { getRGBTransferFunction(at: number): unknown; setRGBTransferFunction(at: number, transfer: unknown): boolean; setUseLookupTableScalarRange(use: boolean): boolean } }
    | undefined
  return actor?.getProperty()
}

/** Brightness, 0 to 1, of each entry; what the table reaches is white, for the bits that it tells are often too many. */
export function brightness(table: Table): number[] {
  let most = 1
  for (let at = 0; at < table.entries.length; at++) most = Math.max(most, table.entries[at] ?? 0)
  return Array.from({ length: table.entries.length }, (_, at) => (table.entries[at] ?? 0) / most)
}

/** The table that a viewport is drawn by; null: by a window. */
export function tableOn(viewport: StackViewport): { explanation: string | null } | null {
  const known = laid.get(viewport)
  return known && propertyOf(viewport)?.getRGBTransferFunction(0) === known.transfer ? known : null
}

/** Draws a viewport by the table of another that shows the same picture; nothing where that is drawn by a window. */
export function lookAs(other: StackViewport, viewport: StackViewport): void {
  const property = propertyOf(viewport)
  if (!property || !tableOn(other)) return
  property.setUseLookupTableScalarRange(true)
  property.setRGBTransferFunction(0, propertyOf(other)?.getRGBTransferFunction(0))
}

/** The greys that a presentation state gave the pictures of a viewport; null: none did. */
export function greysOn(viewport: StackViewport): GreysOf | null {
  return given.get(viewport) ?? null
}

/** Draws the pictures of a viewport by these greys until a reader sets a window; null: as the pictures say again. */
export function giveGreys(viewport: StackViewport, greys: GreysOf | null): void {
  if (greys) given.set(viewport, greys)
  else if (!given.delete(viewport)) return
  else viewport.resetProperties()
  layTable(viewport)
}

/** Other pictures come, of which these greys say nothing. */
export function forgetGreys(viewport: StackViewport): void {
  given.delete(viewport)
}

/** Draws the picture of a viewport by its VOI table (PS3.3 C.11.2.1.1), or takes the table of the one before away. */
export function layTable(viewport: StackViewport): void {
  const property = propertyOf(viewport)
  const image = viewport.getCornerstoneImage()
  const imageId = image?.imageId
  if (!property || !imageId) return
  const { isComputedVOI, invert } = viewport.getProperties()
  const giving = given.get(viewport)
  const greys = giving?.(imageId)
  if (greys && 'points' in greys) {
    layGreys(viewport, greys, invert === true)
    return
  }
  // The range of the picture before is none of this one's, though the viewport keeps it.
  if (giving) (viewport as unknown as Inner).setVOI(greys ?? ownRange(image), { suppressEvents: true, voiUpdatedWithSetProperties: true })
  const table = isComputedVOI || (giving && !greys) ? voiTableOf(imageId) : null
  if (!table) {
    if (tableOn(viewport)) byWindow(viewport)
    return
  }
  const range = { lower: table.first, upper: table.first + Math.max(1, table.entries.length - 1) }
  const transfer = vtkColorTransferFunction.newInstance()
  const levels = brightness(table)
  const steps = Math.min(SAMPLES, levels.length)
  for (let step = 0; step < steps; step++) {
    const at = Math.round((step * (levels.length - 1)) / Math.max(1, steps - 1))
    const level = invert ? 1 - (levels[at] ?? 0) : (levels[at] ?? 0)
    transfer.addRGBPoint(table.first + at, level, level, level)
  }
  ;(viewport as unknown as Inner).setVOI(range, { suppressEvents: true })
  property.setUseLookupTableScalarRange(true)
  property.setRGBTransferFunction(0, transfer)
  laid.set(viewport, { transfer, explanation: table.explanation, range })
}

function ownRange({ windowCenter, windowWidth, voiLUTFunction }: Types.IImage): Range {
  const [center, width] = [windowCenter, windowWidth].map((one) => (Array.isArray(one) ? (one[0] as number) : one))
  return utilities.windowLevel.toLowHighRange(width ?? 1, center ?? 0, voiLUTFunction)
}

function layGreys(viewport: StackViewport, { points, explanation }: Greys, invert: boolean): void {
  const property = propertyOf(viewport)
  const lower = points[0]?.[0] ?? 0
  const range = { lower, upper: Math.max(points[points.length - 1]?.[0] ?? 0, lower + 1e-6) }
  const transfer = vtkColorTransferFunction.newInstance()
  for (const [value, brightness] of points) {
    const level = invert ? 1 - brightness : brightness
    transfer.addRGBPoint(value, level, level, level)
  }
  // As if a reader had set it, so that it outlasts the next picture, whose own window is not to be used.
  ;(viewport as unknown as Inner).setVOI(range, { suppressEvents: true, voiUpdatedWithSetProperties: true })
  property?.setUseLookupTableScalarRange(true)
  property?.setRGBTransferFunction(0, transfer)
  transfer.setMappingRange(range.lower, range.upper)
  laid.set(viewport, { transfer, explanation: explanation ?? 'as presented', range })
}

/** A reader has set a window: from then on that draws, and the table no more. */
export function windowChanged(viewport: StackViewport): void {
  const known = laid.get(viewport)
  const { voiRange, isComputedVOI } = viewport.getProperties()
  if (!known || !voiRange || !tableOn(viewport)) return
  if (voiRange.lower === known.range.lower && voiRange.upper === known.range.upper) return
  if (!isComputedVOI) given.delete(viewport)
  byWindow(viewport)
}

function byWindow(viewport: StackViewport): void {
  const { voiRange, invert } = viewport.getProperties()
  laid.delete(viewport)
  const transfer = vtkColorTransferFunction.newInstance()
  const [lower, upper] = [voiRange?.lower ?? 0, voiRange?.upper ?? 1]
  const [black, white] = invert ? [1, 0] : [0, 1]
  transfer.addRGBPoint(lower, black, black, black)
  transfer.addRGBPoint(upper, white, white, white)
  propertyOf(viewport)?.setRGBTransferFunction(0, transfer)
}
