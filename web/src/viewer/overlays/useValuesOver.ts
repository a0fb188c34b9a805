import { utilities } from '@cornerstonejs/tools'
import { useEffect } from 'react'
import type { Stack } from '../stacks'
import { tellValues, valuesAt } from './values'
import type { Shown } from './useOverlays'

/** Lets probes on pictures say what is laid over them; `elements`: on which they are drawn. */
export function useValuesOver(shown: readonly Shown[], stacks: readonly Stack[], elements: () => readonly HTMLDivElement[]): void {
  const isAny = shown.some(({ layer }) => layer.kind === 'dose')
  useEffect(() => {
    if (!isAny) return
    const known = new Map<string, Stack>()
    const stop = tellValues((imageId, point) => {
      if (!known.size) for (const stack of stacks) for (const frame of stack.frames) known.set(frame.imageId, stack)
      const stack = known.get(imageId)
      return stack ? valuesAt(shown, stack, point) : []
    })
    const draw = () => {
      for (const element of elements()) utilities.triggerAnnotationRender(element)
    }
    draw()
    return () => {
      stop()
      draw()
    }
    // Which elements there are is asked when they are drawn anew.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [isAny, shown, stacks])
}
