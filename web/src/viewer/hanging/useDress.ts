import { useEffect, useRef } from 'react'
import type { Engine } from '../engine'
import type { PaneId } from '../layout'
import type { Stack } from '../stacks'
import type { Hanging } from '../useHanging'
import { dress } from './looks'

/**
 * Shows each pane once as the rule of its box says, as soon as its picture is drawn; afterwards it is the reader's. `busy`
 * is true meanwhile: what a rule sets in one pane is no wish for the others.
 */
export function useDress(engine: Engine | null, hanging: Hanging, visible: readonly PaneId[]): { drawn: (id: PaneId) => void; busy: () => boolean } {
  const done = useRef<Partial<Record<PaneId, string>>>({})
  const busy = useRef(false)
  const drawn = (id: PaneId) => {
    const box = hanging.boxIn(id)
    const stack: Stack | null = hanging.stackIn(id)
    if (!engine || !box || !stack || !engine.imageOn(id)) return
    const key = `${hanging.applied?.stamp} ${stack.key}`
    if (done.current[id] === key) return
    done.current[id] = key
    busy.current = true
    try {
      dress(engine, id, stack, box)
    } finally {
      busy.current = false
    }
  }
  // A pane that keeps its series from one stage to the next draws no new picture by itself.
  const hungKey = visible.map((id) => hanging.stackIn(id)?.key).join('|')
  const stamp = hanging.applied?.stamp
  useEffect(() => {
    visible.forEach(drawn)
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [engine, stamp, hungKey])
  return { drawn, busy: () => busy.current }
}
