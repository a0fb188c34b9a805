/** The image viewer: stacks from DICOMweb, a prior beside them, keyboard and touch. */
export { Viewer, Viewer as default, type ViewerProps } from './Viewer'
export type { Screens, ScreenState } from './hanging/screens'
export type { ViewerStudy } from './study'
export { prepare } from './engine'
export { fetchAhead } from './useStudy'
export type { NamedPoint, Share, SharedMark, SharedPane, SharedPoint, SharedView } from './shared'
