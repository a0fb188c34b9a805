import type { StackViewport } from '@cornerstonejs/core'
import { MagnifyTool } from '@cornerstonejs/tools'
import { lookAs } from './pixels/voiTable'

/** How many times as large as in the pane the picture is under the loupe. */
const TIMES = 3
const SIDE_PX = 260
/** Cornerstone's own name of the viewport that is the loupe's. */
const LOUPE = 'magnify-viewport'

interface Inner {
  configuration: { magnifySize: number }
  editData: { enabledElement: { viewport: StackViewport; renderingEngine: { getViewport(id: string): StackViewport | undefined } } }
  _createMagnificationViewport: () => void
}

/**
 * A loupe that enlarges by as much in every pane, and shows the picture as the pane does. Cornerstone tells enlargement
 * against a pane as high as the loupe, so that in a high pane nothing was enlarged, and knows of windows but not of tables.
 */
export class LoupeTool extends MagnifyTool {
  constructor(given: object = {}) {
    super(given as never, { supportedInteractionTypes: ['Mouse', 'Touch'], configuration: { magnifySize: TIMES, magnifyWidth: SIDE_PX, magnifyHeight: SIDE_PX, touchOffset: 40 } } as never)
    const inner = this as unknown as Inner
    const create = inner._createMagnificationViewport
    inner._createMagnificationViewport = () => {
      const { viewport, renderingEngine } = inner.editData.enabledElement
      inner.configuration.magnifySize = (TIMES * viewport.element.clientHeight) / SIDE_PX
      create()
      const loupe = renderingEngine.getViewport(LOUPE)
      if (!loupe) return
      const set = loupe.setProperties
      loupe.setProperties = (...properties) => {
        set.apply(loupe, properties)
        lookAs(viewport, loupe)
      }
    }
  }
}
