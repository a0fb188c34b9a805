import { isFitted, mirror, oneToOne, rotate } from './camera'
import { hang, toChestWall } from './chestWall'
import type { Engine, StackViewport } from './engine'
import type { PaneId } from './layout'
import { functionOf } from './pixels/plain'
import { frameOf } from './pixels/remembered'
import { rangeOf, windowOf } from './presets'
import type { ToolbarProps } from './Toolbar'

function voiFunctionOf(shown: StackViewport): string | undefined {
  const frame = frameOf(shown.getCurrentImageId() ?? '')
  return frame ? functionOf(frame.metadata) : undefined
}

type Names = 'invert' | 'rotate' | 'mirror' | 'fit' | 'oneToOne' | 'reset' | 'preset' | 'scanner' | 'zoom' | 'pan' | 'nudge'

/** What keys and buttons do to the picture of one pane. `viewport` is undefined while nothing is shown; `drive` says whose hand it was. */
export function pictureActions(engine: Engine | null, pane: PaneId, viewport: () => StackViewport | undefined, drive: (pane: PaneId) => void): Pick<ToolbarProps['on'], Names> {
  const change = (how: (shown: StackViewport) => void) => {
    const shown = viewport()
    if (!shown) return
    drive(pane)
    how(shown)
    shown.render()
  }
  // A picture that is seen whole stays so, on whichever side its chest wall is then.
  const turned = (shown: StackViewport, turn: () => void) => {
    const whole = isFitted(shown)
    turn()
    if (whole) toChestWall(shown)
  }
  const setWindow = (window: { center: number; width: number }) => change((shown) => shown.setProperties({ voiRange: rangeOf(window, voiFunctionOf(shown)) }))
  return {
    invert: () => change((shown) => shown.setProperties({ invert: !shown.getProperties().invert })),
    rotate: (quarters) => change((shown) => turned(shown, () => rotate(shown, quarters))),
    mirror: (axis) => change((shown) => turned(shown, () => mirror(shown, axis))),
    fit: () => change(hang),
    oneToOne: () => change((shown) => oneToOne(shown, window.devicePixelRatio || 1)),
    reset: () =>
      change((shown) => {
        engine?.asScanned(pane)
        shown.resetCamera()
        toChestWall(shown)
      }),
    preset: setWindow,
    scanner: () => change(() => engine?.asScanned(pane)),
    zoom: (factor) => change((shown) => shown.setZoom(shown.getZoom() * factor)),
    pan: (right, down) =>
      change((shown) => {
        const [x, y] = shown.getPan()
        shown.setPan([x + right, y + down])
      }),
    nudge: (center, width) => {
      const shown = viewport()
      const range = shown?.getProperties().voiRange
      if (!range) return
      const now = windowOf(range, shown && voiFunctionOf(shown))
      setWindow({ center: now.center + center * now.width, width: Math.max(1, now.width * (1 + width)) })
    },
  }
}
