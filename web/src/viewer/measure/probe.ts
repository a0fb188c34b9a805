import { ProbeTool } from '@cornerstonejs/tools'
import { metadataOf } from './calibration'
import { isAroundTable } from './counting'
import type { Stats } from './words'

interface Drawn {
  data: { cachedStats: Record<string, Stats> }
}

interface Target {
  voxelManager?: { getAtIJKPoint(point: [number, number, number]): number | number[] | undefined }
}

/** The value of a pixel. Cornerstone asks a single picture for the slice that it is in its stack, where it has but one. */
export class PixelProbeTool extends ProbeTool {
  static override toolName = 'Probe'

  override _calculateCachedStats(...given: Parameters<ProbeTool['_calculateCachedStats']>): ReturnType<ProbeTool['_calculateCachedStats']> {
    const stats: unknown = super._calculateCachedStats(...given)
    const { cachedStats } = (given[0] as Drawn).data
    for (const [targetId, found] of Object.entries(cachedStats)) {
      if (!targetId.startsWith('imageId:')) continue
      const [i, j] = [found.index?.[0], found.index?.[1]]
      if (found.value === undefined && i !== undefined && j !== undefined) {
        const target = this.getTargetImageData(targetId) as unknown as Target | undefined
        const value = target?.voxelManager?.getAtIJKPoint([i, j, 0])
        if (value !== undefined) found.value = value
      }
      if (typeof found.value === 'number' && isAroundTable(metadataOf(targetId.slice('imageId:'.length)), found.value)) found.value = null
    }
    return stats as ReturnType<ProbeTool['_calculateCachedStats']>
  }
}
