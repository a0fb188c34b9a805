import { store, utilities } from '@cornerstonejs/tools'
import { isCoarse } from '../pixels/coarse'
import { Counting } from './counting'

/** Part of Cornerstone's annotation tools that its types leave out or keep to themselves. */
interface Inner {
  _calculateCachedStats: ((...given: unknown[]) => unknown) | undefined
  _throttledCalculateCachedStats: (...given: unknown[]) => unknown
  getTargetImageData(targetId: string): unknown
  configuration: { statsCalculator?: unknown }
}
interface Drawn {
  invalidated?: boolean
  data: { cachedStats?: Record<string, { area?: number; areaUnit?: string; plane?: string; waiting?: true }>; contour?: { polyline?: number[][]; closed?: boolean } }
}
interface Target {
  voxelManager?: object
  imageData: { worldToIndex(point: readonly number[]): ArrayLike<number> }
}
type Point3 = readonly [number, number, number]
type Base = (new (...given: unknown[]) => Inner) & { calculateLengthInIndex(calibrate: unknown, points: readonly Point3[]): number }
export interface ToolClass {
  new (...given: never[]): object
  toolName: unknown
}

/** How often a region's values are counted while it is being drawn. */
const COUNTING_MS = 120

/**
 * A tool that works its numbers out whenever its shape has changed. Cornerstone does so at most every 100 ms: what was
 * read in between, and what was drawn just before another picture came, was of a shape that no longer stood. Values of
 * pixels (`ofValues`) wait for all of a picture: none is ever read from a coarse one.
 */
export function promptly(tool: ToolClass, isRegion = false, ofValues = isRegion): ToolClass {
  const Parent = tool as unknown as Base
  class PromptTool extends Parent {
    private readonly counting = new Counting()

    override getTargetImageData(targetId: string): unknown {
      // Asked for right before its pixels are counted.
      if (isRegion) this.counting.on(targetId)
      const target = super.getTargetImageData(targetId)
      return ofValues && isCoarse((target as Target | undefined)?.voxelManager) ? undefined : target
    }

    /** What stood of another shape, or of nothing yet, is not to be read meanwhile. */
    private waits(drawn: Drawn): boolean {
      let waits = false
      for (const targetId of Object.keys(ofValues ? (drawn.data.cachedStats ?? {}) : {})) {
        if (!isCoarse((super.getTargetImageData(targetId) as Target | undefined)?.voxelManager)) continue
        ;(drawn.data.cachedStats ??= {})[targetId] = { waiting: true }
        waits = true
      }
      return waits
    }

    constructor(...given: unknown[]) {
      super(...given)
      if (isRegion) this.configuration.statsCalculator = this.counting
      // Arrows and texts have no numbers.
      const cornerstones = this._calculateCachedStats?.bind(this)
      if (!cornerstones) return
      let last = 0
      let later: ReturnType<typeof setTimeout> | undefined
      const work = (...call: unknown[]): unknown => {
        clearTimeout(later)
        const drawn = call[0] as Drawn
        const before = drawn.invalidated
        const made = cornerstones(...call)
        if (isRegion) this.outlined(drawn)
        last = performance.now()
        if (this.waits(drawn)) {
          drawn.invalidated = true
          return made
        }
        // Where the picture has gone there was nothing to count: its numbers are as old as before.
        if (!Object.keys(drawn.data.cachedStats ?? {}).some((targetId) => this.getTargetImageData(targetId))) drawn.invalidated = before ?? true
        return made
      }
      this._calculateCachedStats = work
      this._throttledCalculateCachedStats = (...call) => {
        // All pixels of a large region take their time: while the hand moves they are counted now and then, at its end at once.
        const wait = isRegion && store.state.isInteractingWithTool ? COUNTING_MS - (performance.now() - last) : 0
        if (wait <= 0) return work(...call)
        clearTimeout(later)
        later = setTimeout(() => work(...call), wait)
        return undefined
      }
    }

    /** The area within an outline, by what its pixels are worth: Cornerstone counts those of a region of ultrasound as millimetres. */
    private outlined({ data }: Drawn): void {
      const { polyline, closed } = data.contour ?? {}
      if (!polyline || closed === false) return
      for (const [targetId, stats] of Object.entries(data.cachedStats ?? {})) {
        const target = this.getTargetImageData(targetId) as Target | undefined
        if (!target || typeof stats.area !== 'number' || stats.plane) continue
        const points = polyline.map((point) => [...Array.from(target.imageData.worldToIndex(point))] as unknown as Point3)
        const calibrate = utilities.getCalibratedLengthUnitsAndScale(target as never, points as never)
        const side = (to: Point3) => Parent.calculateLengthInIndex(calibrate, [[0, 0, 0], to])
        stats.area = within(points) * side([1, 0, 0]) * side([0, 1, 0])
        stats.areaUnit = calibrate.areaUnit
      }
    }
  }
  return PromptTool as unknown as ToolClass
}

/** The area of a polygon of indexes, pixels (Gauss's formula). */
function within(points: readonly Point3[]): number {
  let twice = 0
  points.forEach(([x, y], at) => {
    const [nextX, nextY] = points[(at + 1) % points.length] ?? [x, y]
    twice += x * nextY - nextX * y
  })
  return Math.abs(twice) / 2
}
