import { CobbAngleTool } from '@cornerstonejs/tools'
import { distance, vec3 } from '../geometry'
import type { Stats } from './words'

/** Heart and chest of two lines, in the unit of their points; the longer is the chest. */
export function cardiothoracic(points: readonly (readonly number[])[]): { ratio: number; heart: number; chest: number } | null {
  const [a, b, c, d] = points.map((point) => vec3(point))
  if (!a || !b || !c || !d) return null
  const lengths: [number, number] = [distance(a, b), distance(c, d)]
  const chest = Math.max(...lengths)
  const heart = Math.min(...lengths)
  return chest > 0 ? { ratio: heart / chest, heart, chest } : null
}

interface Drawn {
  data: { handles: { points: number[][] }; cachedStats: Record<string, Stats> }
}

/** The widest of the heart over the widest of the chest: two lines, drawn like those of a Cobb angle, in either order. */
export class CardiothoracicRatioTool extends CobbAngleTool {
  static override toolName = 'CardiothoracicRatio'

  override _calculateCachedStats(annotation: Drawn, renderingEngine: unknown, enabledElement: unknown): unknown {
    const stats: unknown = super._calculateCachedStats(annotation, renderingEngine, enabledElement)
    const found = cardiothoracic(annotation.data.handles.points)
    // Without an angle Cornerstone writes no words; two level lines have none.
    if (found) for (const entry of Object.values(annotation.data.cachedStats)) Object.assign(entry, found, { angle: found.ratio })
    return stats
  }
}
