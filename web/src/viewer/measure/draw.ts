import type { StackViewport, Types } from '@cornerstonejs/core'
import type { Types as ToolTypes } from '@cornerstonejs/tools'
import { TOOLS, type ToolName } from '../tools'
import { levelOf } from './spine'
import { handlesOf, type Point } from './shapes'

interface Maker {
  createAnnotationForViewport(viewport: unknown, base: object): ToolTypes.Annotation
}

/** An annotation of `tool` from points on the screen of `viewport`, CSS pixels from its upper left. */
export function annotationOf(tool: ToolName, viewport: StackViewport | Types.IVolumeViewport, points: readonly Point[], label: string): ToolTypes.Annotation {
  const world = handlesOf(tool, points).map((point) => viewport.canvasToWorld([point[0], point[1]]))
  const textBox = {
    hasMoved: false,
    worldPosition: [0, 0, 0],
    worldBoundingBox: { topLeft: [0, 0, 0], topRight: [0, 0, 0], bottomLeft: [0, 0, 0], bottomRight: [0, 0, 0] },
  }
  const made = (TOOLS[tool].tool as unknown as Maker).createAnnotationForViewport(viewport, {
    data: {
      label,
      handles: { points: tool === 'freehand' ? [] : world, activeHandleIndex: null, textBox, ...(tool === 'arrow' ? { arrowFirst: true } : {}) },
      ...(tool === 'freehand' ? { contour: { closed: true, polyline: world } } : {}),
      cachedStats: {},
    },
  })
  if (tool === 'spine') (made.data as { label?: string }).label = levelOf(label)
  made.highlighted = false
  made.invalidated = true
  return made
}
