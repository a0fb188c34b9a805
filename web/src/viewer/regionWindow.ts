import { getEnabledElement, type StackViewport } from '@cornerstonejs/core'
import { WindowLevelRegionTool } from '@cornerstonejs/tools'
import { toast } from '@/ui'
import { metadataOf } from './measure/calibration'
import { countsOf, type Counts } from './measure/counting'
import { isCoarse } from './pixels/coarse'

/**
 * The range of values within a rectangle of pixels, without the outermost hundredths: one hot pixel is no reason to
 * dim a picture. Padding and what a shutter hides do not count. Null where fewer than four pixels are left.
 */
export function rangeOfRegion(
  values: ArrayLike<number>,
  columns: number,
  rows: number,
  from: readonly [number, number],
  to: readonly [number, number],
  counts: Counts | null = null,
): { lower: number; upper: number } | null {
  const clamp = (value: number, most: number) => Math.max(0, Math.min(most, Math.round(value)))
  const [left, right] = [clamp(Math.min(from[0], to[0]), columns - 1), clamp(Math.max(from[0], to[0]), columns - 1)]
  const [top, bottom] = [clamp(Math.min(from[1], to[1]), rows - 1), clamp(Math.max(from[1], to[1]), rows - 1)]
  const found: number[] = []
  for (let row = top; row <= bottom; row++)
    for (let column = left; column <= right; column++) {
      const value = values[row * columns + column]
      if (value !== undefined && (!counts || counts(value, column, row))) found.push(value)
    }
  if (found.length < 4) return null
  found.sort((a, b) => a - b)
  const at = (part: number) => found[Math.round(part * (found.length - 1))] ?? 0
  const [lower, upper] = [at(0.01), at(0.99)]
  // Of whole numbers a window reaches over one; SUV are fractions.
  const least = values instanceof Float32Array ? 0.01 : 1
  return upper - lower < least ? { lower: lower - least, upper: upper + least } : { lower, upper }
}

interface Drawn {
  data: { handles: { points: [number, number, number][] } }
}

/** The window of what a rectangle holds. Cornerstone's own takes places on the screen for pixels of the image. */
export class RegionWindowTool extends WindowLevelRegionTool {
  static override toolName = 'RegionWindow'

  override applyWindowLevelRegion = (annotation: unknown, element: HTMLDivElement): void => {
    const viewport = getEnabledElement(element)?.viewport as StackViewport | undefined
    const image = viewport?.getImageData()
    const toIndex = image?.imageData.worldToIndex
    if (!viewport || !image || !toIndex) return
    if (isCoarse(viewport.getCornerstoneImage())) {
      toast('The window of a region is taken from full quality: try again when the mark of the coarse image is gone.')
      return
    }
    const corners = (annotation as Drawn).data.handles.points.map((point) => toIndex(point))
    const xs = corners.map((corner) => corner[0] ?? 0)
    const ys = corners.map((corner) => corner[1] ?? 0)
    const [columns, rows] = image.dimensions
    const metadata = metadataOf(viewport.getCornerstoneImage()?.imageId ?? '')
    const range = rangeOfRegion(
      image.scalarData as ArrayLike<number>,
      columns,
      rows,
      [Math.min(...xs), Math.min(...ys)],
      [Math.max(...xs), Math.max(...ys)],
      metadata && countsOf(metadata),
    )
    if (!range) return
    viewport.setProperties({ voiRange: range })
    viewport.render()
  }
}
