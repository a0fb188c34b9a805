import { useEffect } from 'react'
import type { Engine } from './engine'
import type { PaneId } from './layout'
import type { Stack } from './stacks'

/** Pictures a second at which a stack plays that nobody said a rate for: the scanner's, else ten. */
export function rateOf(stack: Stack | null): number {
  return stack?.cineRate ?? 10
}

/** Plays a stack in its pane, round and round, at so many pictures a second. */
export function useCine(engine: Engine | null, playing: boolean, pane: PaneId, stack: Stack | null, rate: number): void {
  useEffect(() => {
    if (!playing || !stack || !engine) return
    const timer = setInterval(
      () => {
        const shown = engine.viewport(pane)
        if (shown) void shown.setImageIdIndex((shown.getCurrentImageIdIndex() + 1) % stack.length)
      },
      1000 / rate,
    )
    return () => clearInterval(timer)
  }, [playing, stack, pane, engine, rate])
}
