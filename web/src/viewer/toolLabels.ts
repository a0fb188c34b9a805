import type { ToolName } from './tools'

/** What a hand can do: a tool, or point out a place. */
export type HandName = ToolName | 'locate'

export const TOOL_LABEL: Record<HandName, string> = {
  scroll: 'Scroll',
  window: 'Window',
  zoom: 'Zoom',
  pan: 'Pan',
  magnify: 'Magnify',
  locate: 'Point out a place in all panes',
  region: 'Window by region',
  length: 'Length',
  angle: 'Angle',
  cobb: 'Cobb angle',
  bidirectional: 'Two diameters',
  ellipse: 'Ellipse',
  rectangle: 'Rectangle',
  freehand: 'Freehand region',
  probe: 'Value at a point',
  arrow: 'Arrow with text',
  text: 'Text',
  ratio: 'Cardiothoracic ratio',
  spine: 'Spine label',
}

export const TOOL_KEY: Record<HandName, string> = {
  scroll: 's',
  window: 'w',
  zoom: 'z',
  pan: 'p',
  magnify: 'm',
  locate: 'Shift+X',
  region: 'Shift+W',
  length: 'l',
  angle: 'a',
  cobb: 'Shift+A',
  bidirectional: 'd',
  ellipse: 'o',
  rectangle: 'Shift+O',
  freehand: 'f',
  probe: 'i',
  arrow: 'u',
  text: 'Shift+U',
  ratio: 'Shift+C',
  spine: 'Shift+V',
}

export const MEASURING: readonly ToolName[] = [
  'length',
  'bidirectional',
  'angle',
  'cobb',
  'ellipse',
  'rectangle',
  'freehand',
  'probe',
  'arrow',
  'text',
  'ratio',
  'spine',
]
