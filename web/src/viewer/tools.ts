import {
  AngleTool,
  ArrowAnnotateTool,
  BidirectionalTool,
  CobbAngleTool,
  Enums as ToolEnums,
  EllipticalROITool,
  LabelTool,
  LengthTool,
  PanTool,
  PlanarFreehandROITool,
  RectangleROITool,
  StackScrollTool,
  ToolGroupManager,
  WindowLevelTool,
  ZoomTool,
  type Types as ToolTypes,
} from '@cornerstonejs/tools'
import { mouseHands } from '@/lib/hands'
import { LoupeTool } from './loupe'
import { onPlanes } from './measure/onPlanes'
import { PixelProbeTool } from './measure/probe'
import { promptly, type ToolClass } from './measure/promptly'
import { CardiothoracicRatioTool } from './measure/ratio'
import { SpineLabelTool } from './measure/spine'
import { wordsFor } from './measure/words'
import { RegionWindowTool } from './regionWindow'

/** What the first button or one finger does. */
export type ToolName =
  | 'scroll'
  | 'window'
  | 'zoom'
  | 'pan'
  | 'magnify'
  | 'region'
  | 'length'
  | 'angle'
  | 'cobb'
  | 'bidirectional'
  | 'ellipse'
  | 'rectangle'
  | 'freehand'
  | 'probe'
  | 'arrow'
  | 'text'
  | 'ratio'
  | 'spine'

interface Made {
  tool: ToolClass
  /** Leaves something on the picture that can be moved, listed and removed. */
  measures: boolean
  /** Has numbers, not words alone. */
  counts: boolean
  config?: Record<string, unknown>
}

const measure = (tool: ToolClass, config: Record<string, unknown> = {}, isRegion = false): Made => ({
  tool: promptly(tool, isRegion, isRegion || String(tool.toolName) === PixelProbeTool.toolName),
  measures: true,
  counts: tool !== ArrowAnnotateTool && tool !== LabelTool && tool !== SpineLabelTool,
  config: { ...config, getTextLines: wordsFor(String(tool.toolName)) },
})
const hand = (tool: ToolClass, config?: Record<string, unknown>): Made => ({ tool, measures: false, counts: false, ...(config ? { config } : {}) })

export const TOOLS: Record<ToolName, Made> = {
  scroll: hand(StackScrollTool),
  window: hand(WindowLevelTool),
  zoom: hand(ZoomTool),
  pan: hand(PanTool),
  magnify: hand(LoupeTool),
  region: hand(RegionWindowTool),
  length: measure(LengthTool),
  angle: measure(AngleTool),
  cobb: measure(CobbAngleTool),
  bidirectional: measure(BidirectionalTool),
  ellipse: measure(onPlanes(EllipticalROITool, 'ellipse'), {}, true),
  rectangle: measure(onPlanes(RectangleROITool, 'rectangle'), {}, true),
  freehand: measure(onPlanes(PlanarFreehandROITool, 'freehand'), { calculateStats: true }, true),
  probe: measure(onPlanes(PixelProbeTool, 'probe'), { touchCanvasOffset: { x: 0, y: 0 } }),
  arrow: measure(ArrowAnnotateTool),
  text: measure(LabelTool),
  ratio: measure(CardiothoracicRatioTool),
  spine: measure(SpineLabelTool),
}

export const TOOL_NAMES = Object.keys(TOOLS) as ToolName[]

/** Cornerstone's own name of a tool. */
export function drawnBy(name: ToolName): string {
  return String(TOOLS[name].tool.toolName)
}

/** The tool that made an annotation, from Cornerstone's name of it. */
export function toolNamed(toolName: string): ToolName | null {
  return TOOL_NAMES.find((name) => drawnBy(name) === toolName) ?? null
}

/** Ends a group of tools. Those that listen to the whole page hold the panes that they were on until they are disabled. */
export function endGroup(group: ToolTypes.IToolGroup): void {
  for (const name of Object.keys(group.getToolInstances())) group.setToolDisabled(name)
  ToolGroupManager.destroyToolGroup(group.id)
}

/** Adds what the second and the third button do, as the person chose it. */
export function withMouse(bindings: Partial<Record<ToolName, ToolTypes.IToolBinding[]>>): void {
  const { right, middle } = mouseHands()
  ;(bindings[right] ??= []).push({ mouseButton: ToolEnums.MouseBindings.Secondary })
  ;(bindings[middle] ??= []).push({ mouseButton: ToolEnums.MouseBindings.Auxiliary })
}
