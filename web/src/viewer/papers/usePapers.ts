import { useCallback, useRef } from 'react'
import type { PaneId } from '../layout'
import type { ToolbarProps } from '../Toolbar'
import type { Hanging, Hung } from '../useHanging'
import type { PaperHands } from './paper'

type On = ToolbarProps['on']

interface Given {
  hanging: Hanging
  hangIn: (id: PaneId, next: Hung | null, index?: number) => void
  active: PaneId
  /** Which picture each pane shows. */
  indexes: Partial<Record<PaneId, number>>
}

export interface Papers {
  /** Something else will hang in a pane. */
  leave: (id: PaneId, next: Hung | null) => void
  /** The keys and buttons, which are those of the paper while a paper has them. */
  hands: (on: On) => On
  onHands: (id: PaneId, hands: PaperHands | null) => void
  /** Hangs again what a paper took the place of, else the first pictures of its study; null: there are none. */
  backIn: (id: PaneId) => (() => void) | null
}

/** What the viewer has to know of the papers in its panes. */
export function usePapers({ hanging, hangIn, active, indexes }: Given): Papers {
  const before = useRef<Partial<Record<PaneId, { hung: Hung; index: number | undefined }>>>({})
  const hands = useRef(new Map<PaneId, PaperHands>())
  const onHands = useCallback((id: PaneId, next: PaperHands | null) => {
    if (next) hands.current.set(id, next)
    else hands.current.delete(id)
  }, [])
  const isPaper = hanging.paperIn(active) !== null
  const here = () => hands.current.get(active)
  return {
    leave: (id, next) => {
      const hung = hanging.hungIn(id)
      if (hung && next && hanging.stackIn(id)) before.current[id] = { hung, index: indexes[id] }
    },
    hands: (on) =>
      isPaper
        ? {
            ...on,
            scroll: (by) => here()?.step?.(by),
            end: (last) => here()?.end?.(last),
            zoom: (factor) => here()?.zoom?.(factor),
            fit: () => here()?.fit?.(),
            reset: () => here()?.fit?.(),
            play: () => here()?.play?.(),
            rate: (by) => here()?.rate?.(by),
          }
        : on,
    onHands,
    backIn: (id) => {
      const paper = hanging.hungIn(id)
      const stacks = hanging.opened.find((one) => one.study.study_pk === paper?.study.study_pk)?.loaded.stacks
      const first = stacks?.[0]
      if (!paper || !first) return null
      return () => {
        const last = before.current[id]
        const still = last && hanging.opened.some((one) => one.study.study_pk === last.hung.study.study_pk && one.loaded.stacks.some((stack) => stack.key === last.hung.stackKey))
        if (still) hangIn(id, last.hung, last.index)
        else hangIn(id, { study: paper.study, stackKey: first.key })
      }
    },
  }
}
