import { Enums as CoreEnums, eventTarget, triggerEvent } from '@cornerstonejs/core'
import { Enums, type Types as ToolTypes } from '@cornerstonejs/tools'
import { countOnPlane, type RegionTool } from './planeValues'
import type { ToolClass } from './promptly'
import type { Stats } from './words'

interface Viewport {
  id: string
  type: CoreEnums.ViewportType
  renderingEngineId: string
}
interface Inner {
  _calculateCachedStats: (...given: unknown[]) => unknown
}
type Base = new (...given: unknown[]) => Inner

/**
 * A region or a point whose values on planes are counted as they are drawn. Cornerstone takes whole voxels near the plane,
 * and of a slab none but those of its middle.
 */
export function onPlanes(tool: ToolClass, name: RegionTool): ToolClass {
  const Parent = tool as unknown as Base
  class PlaneTool extends Parent {
    constructor(...given: unknown[]) {
      super(...given)
      const cornerstones = this._calculateCachedStats.bind(this)
      this._calculateCachedStats = (...call) => {
        const one = call[0] as ToolTypes.Annotation
        // Regions are given the viewport, points what surrounds it.
        const viewport = call.map((each) => (each as { viewport?: Viewport } | undefined)?.viewport ?? (each as Viewport | undefined)).find((each) => each?.type === CoreEnums.ViewportType.ORTHOGRAPHIC)
        const stats = viewport ? countOnPlane(one, name) : null
        if (!viewport || !stats) return cornerstones(...call)
        const data = one.data as { cachedStats?: Record<string, Stats> }
        const kept = (data.cachedStats ??= {})
        for (const targetId of Object.keys(kept)) if (targetId.startsWith('volumeId:')) kept[targetId] = stats
        one.invalidated = stats.waiting === true
        if (!stats.waiting) triggerEvent(eventTarget, Enums.Events.ANNOTATION_MODIFIED, { annotation: one, viewportId: viewport.id, renderingEngineId: viewport.renderingEngineId, changeType: Enums.ChangeTypes.StatsUpdated })
        return kept
      }
    }
  }
  return PlaneTool as unknown as ToolClass
}
