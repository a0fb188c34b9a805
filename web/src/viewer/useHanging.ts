import { useEffect, useRef, useState, type RefObject } from 'react'
import { firstStack, hang } from './hanging/builtIn'
import { cells, isSame, ONE, PANES, SIDE_BY_SIDE, type Layout, type PaneId } from './layout'
import { mostAlike, type Stack } from './stacks'
import type { ViewerStudy } from './study'
import type { LoadedStudy } from './useStudy'

/** A stack in a pane. */
export interface Hung {
  study: ViewerStudy
  stackKey: string
}

/** Narrower than this, a prior is beside the study only when asked for. */
const ROOM_FOR_TWO_PX = 760

export interface Hanging {
  layout: Layout
  setLayout: (layout: Layout) => void
  hungIn: (id: PaneId) => Hung | null
  stackIn: (id: PaneId) => Stack | null
  hangIn: (id: PaneId, next: Hung | null) => void
  prior: ViewerStudy | null
  /** Hangs the most similar stack of the prior beside, or takes it away again. */
  compare: () => void
}

/** What hangs in which pane: at first by the study, then as a person says. */
export function useHanging(
  study: ViewerStudy,
  prior: ViewerStudy | null,
  loaded: LoadedStudy,
  loadedPrior: LoadedStudy,
  root: RefObject<HTMLElement | null>,
): Hanging {
  const [layout, setLayout] = useState<Layout>(ONE)
  const [hung, setHung] = useState<readonly (Hung | null)[]>([])
  const opened = useRef(false)
  const wantsPrior = useRef(false)

  const hungIn = (id: PaneId): Hung | null => hung[PANES.indexOf(id)] ?? null
  const stackIn = (id: PaneId): Stack | null => {
    const one = hungIn(id)
    if (!one) return null
    const from = one.study.study_pk === study.study_pk ? loaded : loadedPrior
    return from.stacks.find((stack) => stack.key === one.stackKey) ?? null
  }
  const hangIn = (id: PaneId, next: Hung | null) =>
    setHung((before) => PANES.map((pane, at) => (pane === id ? next : (before[at] ?? null))))

  // The first hanging, once, when the first series can be shown. The prior joins when it has come.
  const first = loaded.loading ? null : firstStack(loaded.stacks)
  const early = firstStack(beginning(loaded))
  useEffect(() => {
    if (opened.current || !(first ?? early)) return
    const readyToRead = first ?? (early && early.length > 1 ? early : null)
    if (!readyToRead) return
    opened.current = true
    const hanging = hang(first ? loaded.stacks : [readyToRead], null)
    setLayout(hanging.layout)
    setHung(PANES.map((_, at) => (hanging.stacks[at] ? { study, stackKey: hanging.stacks[at].key } : null)))
    wantsPrior.current = isSame(hanging.layout, ONE) && (root.current?.clientWidth ?? 0) >= ROOM_FOR_TWO_PX
  }, [first, early, loaded.stacks, study, root])

  const main = stackIn('a')
  const likeness = main && loadedPrior.stacks.length ? mostAlike(main, loadedPrior.stacks) : null
  useEffect(() => {
    if (!wantsPrior.current || !prior || !likeness || loadedPrior.loading) return
    wantsPrior.current = false
    if (likeness.modality !== main?.modality) return
    setLayout(SIDE_BY_SIDE)
    setHung((before) => PANES.map((_, at) => (at === 0 ? (before[0] ?? null) : at === 1 ? { study: prior, stackKey: likeness.key } : null)))
  }, [prior, likeness, loadedPrior.loading, main?.modality])

  return {
    layout,
    hungIn,
    stackIn,
    hangIn,
    prior,
    setLayout: (next) => {
      setLayout(next)
      setHung((before) => {
        const free = loaded.stacks.filter((stack) => !before.some((one) => one?.stackKey === stack.key))
        return PANES.map((_, at) => {
          if (before[at] || at >= cells(next)) return before[at] ?? null
          const stack = free.shift()
          return stack ? { study, stackKey: stack.key } : null
        })
      })
    },
    compare: () => {
      const beside = hungIn('b')
      if (isSame(layout, SIDE_BY_SIDE) && beside && beside.study.study_pk !== study.study_pk) {
        setLayout(ONE)
        return
      }
      setLayout(SIDE_BY_SIDE)
      if (likeness && prior) hangIn('b', { study: prior, stackKey: likeness.key })
      else wantsPrior.current = true
    },
  }
}

/** The stacks of the first series that have come, up to the first that has not: what comes early is not read first. */
function beginning(loaded: LoadedStudy): Stack[] {
  const missing = loaded.series.findIndex((series) => series.stacks === undefined)
  return loaded.series.slice(0, missing < 0 ? undefined : missing).flatMap((series) => series.stacks ?? [])
}
