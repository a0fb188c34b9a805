import { useEffect, useMemo, useRef, useState, type RefObject } from 'react'
import { arrange, type Opened, type Placed } from './hanging/arrange'
import { firstStack, hang } from './hanging/builtIn'
import { ranked } from './hanging/choose'
import { isComparable, studyFacts } from './hanging/facts'
import type { Box, Hangable, Protocol } from './hanging/types'
import { cells, isSame, ONE, PANES, panesOf, SIDE_BY_SIDE, type Layout, type PaneId } from './layout'
import type { Paper } from './papers/paper'
import { mostAlike, type Stack } from './stacks'
import type { ViewerStudy } from './study'
import { useStudy, type LoadedStudy } from './useStudy'

/** A stack, or a paper, in a pane. */
export interface Hung {
  study: ViewerStudy
  /** Of the stack or the paper. */
  stackKey: string
}

/** Narrower than this, a prior is beside the study only when asked for. */
export const ROOM_FOR_TWO_PX = 760

/** The protocol by which the study hangs. */
export interface Applied {
  protocol: Hangable
  stage: number
  /** The panes that hang by their rule; the others a person has hung since. */
  ruled: readonly PaneId[]
  /** Another number each time a stage is hung. */
  stamp: number
}

export interface Hanging {
  layout: Layout
  setLayout: (layout: Layout) => void
  hungIn: (id: PaneId) => Hung | null
  stackIn: (id: PaneId) => Stack | null
  paperIn: (id: PaneId) => Paper | null
  hangIn: (id: PaneId, next: Hung | null) => void
  prior: ViewerStudy | null
  /** The studies that are loaded: the one that is read, then its priors. */
  opened: readonly { study: ViewerStudy; loaded: LoadedStudy }[]
  /** Hangs the most similar stack of the prior beside, or takes it away again. */
  compare: () => void
  applied: Applied | null
  /** The kept protocols that fit the study, the one that wins first. */
  fitting: readonly Protocol[]
  /** The rule by which a pane hangs. */
  boxIn: (id: PaneId) => Box | null
  /** Why a pane is empty, though its stage has a rule for it. */
  missingIn: (id: PaneId) => string | null
  /** Hangs a stage of a protocol; null: as is built in. */
  hangBy: (protocol: Hangable | null, stage?: number) => void
  step: (by: 1 | -1) => void
  /** The reader is at work: nothing is hung anew under their hands. */
  touched: () => void
}

interface Given {
  study: ViewerStudy
  priors: readonly ViewerStudy[]
  prior: ViewerStudy | null
  loaded: LoadedStudy
  loadedPrior: LoadedStudy
  root: RefObject<HTMLElement | null>
  /** Undefined until they have come. */
  protocols: readonly Protocol[] | undefined
  /** Whether one of them is chosen here, and not by another window. */
  chooses: boolean
}

/** What hangs in which pane: at first by a protocol or by the study itself, then as a person says. */
export function useHanging({ study, priors, prior, loaded, loadedPrior, root, protocols, chooses }: Given): Hanging {
  const [layout, setLayout] = useState<Layout>(ONE)
  const [hung, setHung] = useState<readonly (Hung | null)[]>([])
  const [applied, setApplied] = useState<Applied | null>(null)
  const opened = useRef(false)
  const wantsPrior = useRef(false)
  const byHand = useRef(false)
  const atWork = useRef(false)
  const stamp = useRef(0)

  const also = otherPriors(study, priors, prior, applied, hung)
  const uid = (at: number) => also[at]?.study_instance_uid ?? null
  // As many as a protocol can ask for (Abstract Prior Value).
  const others = [useStudy(uid(0)), useStudy(uid(1)), useStudy(uid(2)), useStudy(uid(3))]
  const all = [
    { study, loaded },
    ...(prior ? [{ study: prior, loaded: loadedPrior }] : []),
    ...also.flatMap((one, at) => (others[at] ? [{ study: one, loaded: others[at] }] : [])),
  ]
  const loadedOf = (of: ViewerStudy) => all.find((one) => one.study.study_pk === of.study_pk)?.loaded
  const openedOf = (of: ViewerStudy): Opened | null => {
    const found = loadedOf(of)
    return found ? { study: of, stacks: found.stacks, loading: found.loading } : null
  }
  const current: Opened = { study, stacks: loaded.stacks, loading: loaded.loading }

  const hungIn = (id: PaneId): Hung | null => hung[PANES.indexOf(id)] ?? null
  const stackIn = (id: PaneId): Stack | null => {
    const one = hungIn(id)
    return (one && loadedOf(one.study)?.stacks.find((stack) => stack.key === one.stackKey)) ?? null
  }
  const paperIn = (id: PaneId): Paper | null => {
    const one = hungIn(id)
    return (one && loadedOf(one.study)?.papers.find((paper) => paper.key === one.stackKey)) ?? null
  }
  const release = (ids: readonly PaneId[]) => {
    byHand.current = true
    wantsPrior.current = false
    setApplied((before) => before && { ...before, ruled: before.ruled.filter((id) => !ids.includes(id)) })
  }
  const hangIn = (id: PaneId, next: Hung | null) => {
    release([id])
    setHung((before) => PANES.map((pane, at) => (pane === id ? next : (before[at] ?? null))))
  }

  const stage = applied?.protocol.display_sets[applied.stage]
  const placed = stage ? arrange(stage, current, priors, openedOf) : null
  const hangBy = (protocol: Hangable | null, at = 0) => {
    wantsPrior.current = false
    const next = protocol?.display_sets[at]
    if (!protocol || !next) {
      const comparable = prior && isComparable(study, prior) && isWide(root.current)
      const plain = hang(loaded.stacks, comparable ? loadedPrior.stacks : null)
      setApplied(null)
      setLayout(plain.layout)
      setHung(PANES.map((_, pane) => asHung(plain.stacks[pane], study, loaded, prior)))
      return
    }
    stamp.current += 1
    setApplied({ protocol, stage: at, ruled: panesOf(next), stamp: stamp.current })
    setLayout({ rows: next.rows, columns: next.columns })
    const found = arrange(next, current, priors, openedOf)
    setHung(PANES.map((_, pane) => hungBy(found[pane])))
  }

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
    wantsPrior.current = isSame(hanging.layout, ONE) && isWide(root.current)
  }, [first, early, loaded.stacks, study, root])

  // A study without pictures opens with what it has.
  const onlyPaper = loaded.loading || loaded.stacks.length ? null : (listed(loaded).at(0) ?? null)
  useEffect(() => {
    if (!onlyPaper) return
    setHung((before) => (before.some((one) => one !== null) ? before : [{ study, stackKey: onlyPaper }]))
  }, [onlyPaper, study])

  // The protocol takes over when all series are known; while more arrive one may still come to fit, but not under a
  // reader's hands.
  const facts = useMemo(() => (loaded.loading || !loaded.stacks.length ? null : studyFacts(study, loaded.stacks, priors)), [loaded.loading, loaded.stacks, study, priors])
  const fitting = useMemo(() => (facts && protocols ? ranked(protocols, facts) : []), [facts, protocols])
  const decided = useRef(false)
  useEffect(() => {
    if (!facts || !protocols || !chooses || applied || byHand.current || (decided.current && atWork.current)) return
    decided.current = true
    const wins = fitting.find((one) => one.display_sets[0] && promises(arrange(one.display_sets[0], current, priors, openedOf)))
    if (wins) hangBy(wins)
    // Only another choice, or other series, is a reason to choose.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [facts, protocols, fitting])

  // What a rule waits for hangs when it has come; what hangs stays, whatever else would fit by now.
  const foundKey = placed?.map((one) => (one && 'stack' in one ? `${one.study.study_pk} ${one.stack.key}` : '')).join('|')
  useEffect(() => {
    if (!applied || !placed) return
    setHung((before) => {
      const next = PANES.map((pane, at) => before[at] ?? (applied.ruled.includes(pane) ? hungBy(placed[at]) : null))
      return next.some((one, at) => one !== (before[at] ?? null)) ? next : before
    })
    // `foundKey` stands for `placed`, which is new at each drawing.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [applied, foundKey])

  const main = stackIn('a')
  const likeness = main && loadedPrior.stacks.length ? mostAlike(main, loadedPrior.stacks) : null
  useEffect(() => {
    if (!wantsPrior.current || !prior || !likeness || loadedPrior.loading) return
    wantsPrior.current = false
    if (likeness.modality !== main?.modality) return
    setLayout(SIDE_BY_SIDE)
    setHung((before) => PANES.map((_, at) => (at === 0 ? (before[0] ?? null) : at === 1 ? { study: prior, stackKey: likeness.key } : null)))
  }, [prior, likeness, loadedPrior.loading, main?.modality])

  /** What a person chose stays, whatever comes. */
  const chosen: typeof hangBy = (protocol, at) => {
    byHand.current = true
    hangBy(protocol, at)
  }
  const isRuled = (id: PaneId) => applied?.ruled.includes(id) === true
  return {
    layout,
    hungIn,
    stackIn,
    paperIn,
    hangIn,
    prior,
    opened: all,
    applied,
    fitting,
    boxIn: (id) => (isRuled(id) && hungIn(id) ? (stage?.image_boxes[PANES.indexOf(id)] ?? null) : null),
    missingIn: (id) => {
      if (!isRuled(id) || hungIn(id)) return null
      const one = placed?.[PANES.indexOf(id)]
      return one && 'missing' in one ? one.missing : 'This hanging leaves the pane empty'
    },
    hangBy: chosen,
    step: (by) => {
      const count = applied?.protocol.display_sets.length ?? 0
      if (applied && count > 1) chosen(applied.protocol, (applied.stage + by + count) % count)
    },
    touched: () => {
      atWork.current = true
    },
    setLayout: (next) => {
      release(PANES)
      setLayout(next)
      setHung((before) => {
        const free = listed(loaded).filter((key) => !before.some((one) => one?.stackKey === key))
        return PANES.map((_, at) => {
          if (before[at] || at >= cells(next)) return before[at] ?? null
          const stackKey = free.shift()
          return stackKey ? { study, stackKey } : null
        })
      })
    },
    compare: () => {
      release(PANES)
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

function isWide(root: HTMLElement | null): boolean {
  return (root?.clientWidth ?? 0) >= ROOM_FOR_TWO_PX
}

function hungBy(placed: Placed | null | undefined): Hung | null {
  return placed && 'stack' in placed ? { study: placed.study, stackKey: placed.stack.key } : null
}

function asHung(stack: Stack | null | undefined, study: ViewerStudy, loaded: LoadedStudy, prior: ViewerStudy | null): Hung | null {
  if (!stack) return null
  if (loaded.stacks.includes(stack)) return { study, stackKey: stack.key }
  return prior ? { study: prior, stackKey: stack.key } : null
}

/** What hangs in panes that have nothing yet: the pictures first. */
function listed(loaded: LoadedStudy): string[] {
  return [...loaded.stacks, ...loaded.series.flatMap((series) => series.papers)].map((one) => one.key)
}

/** Whether a stage shows something of the study, or may when a prior has come. */
function promises(placed: readonly (Placed | null)[]): boolean {
  return placed.some((one) => one !== null && ('stack' in one || one.waits))
}

/** The priors that a protocol asks for, and those that hang, beside the one that is opened in the list. */
function otherPriors(study: ViewerStudy, priors: readonly ViewerStudy[], prior: ViewerStudy | null, applied: Applied | null, hung: readonly (Hung | null)[]): ViewerStudy[] {
  const most = Math.max(0, ...(applied?.protocol.display_sets ?? []).flatMap((stage) => stage.image_boxes.map((box) => box?.abstract_prior_value ?? 0)))
  const asked = most ? priors.filter((one) => isComparable(study, one)).slice(0, most) : []
  const shown = hung.flatMap((one) => (one && one.study.study_pk !== study.study_pk ? [one.study] : []))
  const once = new Map([...asked, ...shown].map((one) => [one.study_pk, one] as const))
  if (prior) once.delete(prior.study_pk)
  return [...once.values()].slice(0, 4)
}

/** The stacks of the first series that have come, up to the first that has not: what comes early is not read first. */
function beginning(loaded: LoadedStudy): Stack[] {
  const missing = loaded.series.findIndex((series) => series.stacks === undefined)
  return loaded.series.slice(0, missing < 0 ? undefined : missing).flatMap((series) => series.stacks ?? [])
}
