import { useEffect } from 'react'
import type { Engine } from './engine'
import type { PaneId } from './layout'
import type { Stack } from './stacks'

/** Plays a stack in its pane, round and round, at the rate that the scanner recommends. */
export function useCine(engine: Engine | null, playing: boolean, pane: PaneId, stack: Stack | null): void {
  useEffect(() => {
    if (!playing || !stack || !engine) return
    const timer = setInterval(
      () => {
        const shown = engine.viewport(pane)
        if (shown) void shown.setImageIdIndex((shown.getCurrentImageIdIndex() + 1) % stack.length)
      },
      1000 / (stack.cineRate ?? 10),
    )
    return () => clearInterval(timer)
  }, [playing, stack, pane, engine])
}
