import { useEffect, useState } from 'react'
import type { Vec3 } from '../geometry'
import type { Stack } from '../stacks'
import { valuesAt } from './values'
import type { Shown } from './useOverlays'

interface Given {
  shown: readonly Shown[]
  stack: Stack
  /** On which the pointer is heard. */
  element: () => HTMLElement | null | undefined
  /** Where in the patient a place of the element lies. */
  toWorld: (x: number, y: number) => Vec3 | null
  /** Another one each time that the element shows something else. */
  stamp: unknown
}

/** What a dose that is laid over a picture is where the pointer is. */
export function ValuesHere({ shown, stack, element, toWorld, stamp }: Given) {
  const [at, setAt] = useState<readonly [number, number] | null>(null)
  useEffect(() => {
    const box = element()
    if (!box) return
    const moved = (event: PointerEvent) => {
      const { left, top } = box.getBoundingClientRect()
      setAt([event.clientX - left, event.clientY - top])
    }
    const left = (event: PointerEvent) => (event.pointerType === 'mouse' ? setAt(null) : undefined)
    box.addEventListener('pointermove', moved)
    box.addEventListener('pointerdown', moved)
    box.addEventListener('pointerleave', left)
    return () => {
      box.removeEventListener('pointermove', moved)
      box.removeEventListener('pointerdown', moved)
      box.removeEventListener('pointerleave', left)
    }
    // The element stays as long as what is drawn on it.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [stack])
  // What lies under a pointer that rests is another place when the picture is another: `stamp`.
  const point = at && stamp ? toWorld(...at) : null
  const words = point ? valuesAt(shown, stack, point) : []
  return words.length ? <span data-testid="values-here">{words.join(' · ')}</span> : null
}
