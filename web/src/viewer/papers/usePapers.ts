import { useCallback, useMemo, useRef } from 'react'
import type { PaneId } from '../layout'
import type { ToolbarProps } from '../Toolbar'
import type { Hanging, Hung } from '../useHanging'
import { useSteady } from '../steady'
import type { ViewerStudy } from '../study'
import type { PaperHands, PaperLinks } from './paper'
import { tellMoved, type Places } from './places'

type On = ToolbarProps['on']

interface Given {
  hanging: Hanging
  hangIn: (id: PaneId, next: Hung | null, index?: number) => void
  active: PaneId
  /** Which picture each pane shows. */
  indexes: Partial<Record<PaneId, number>>
  /** Shows what is in a stack, or a paper, that a paper in the pane `from` points to, and leaves that one where it is if it can. */
  beside: (from: PaneId, found: Found) => void
}

/** Where something hangs. */
export interface Found extends Hung {
  /** Of the picture in its stack; null: a paper. */
  index: number | null
}

export interface Papers {
  /** Something else will hang in a pane. */
  leave: (id: PaneId, next: Hung | null) => void
  /** The keys and buttons, which are those of the paper while a paper has them. */
  hands: (on: On) => On
  onHands: (id: PaneId, hands: PaperHands | null) => void
  /** Where the paper in a pane is; none while it opens. */
  placesIn: (id: PaneId) => Places | undefined
  links: (from: PaneId) => PaperLinks
  /** Opens a paper of a study in the pane that has the keys. */
  read: (study: ViewerStudy, sopInstanceUid: string) => void
  /** Hangs again what a paper took the place of, else the first pictures of its study; null: there are none. */
  backIn: (id: PaneId) => (() => void) | null
}

/** What the viewer has to know of the papers in its panes. */
export function usePapers({ hanging, hangIn, active, indexes, beside }: Given): Papers {
  const before = useRef<Partial<Record<PaneId, { hung: Hung; index: number | undefined }>>>({})
  const hands = useRef(new Map<PaneId, PaperHands>())
  const onHands = useCallback((id: PaneId, next: PaperHands | null) => {
    if (next) hands.current.set(id, next)
    else hands.current.delete(id)
    if (next?.places) tellMoved(document.querySelector(`[data-pane="${id}"]`))
  }, [])
  const links = useLinks(hanging, beside)
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
    placesIn: (id) => hands.current.get(id)?.places,
    links,
    read: (study, sopInstanceUid) => {
      const loaded = hanging.opened.find((one) => one.study.study_pk === study.study_pk)?.loaded
      const paper = loaded?.papers.find((one) => one.sopInstanceUid === sopInstanceUid)
      if (paper) beside(active, { study, stackKey: paper.key, index: null })
    },
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

interface Here {
  study: ViewerStudy
  stackKey: string
  words: string
  /** By frame, from 1: which picture of the stack; empty: a paper. */
  frames: Map<number, number>
}

/** Finds what a paper points to among all that is opened. */
function useLinks(hanging: Hanging, beside: Given['beside']): (from: PaneId) => PaperLinks {
  const acts = useSteady({ beside })
  const stamp = hanging.opened.map(({ study, loaded }) => `${study.study_pk}:${loaded.stacks.map((stack) => stack.length).join()}:${loaded.papers.length}`).join('|')
  return useMemo(() => {
    let known: Map<string, Here> | null = null
    const index = () => {
      const all = new Map<string, Here>()
      for (const { study, loaded } of hanging.opened) {
        for (const stack of loaded.stacks)
          stack.frames.forEach((frame, at) => {
            const before = all.get(frame.sopInstanceUid)
            if (before) before.frames.set(frame.frameNumber, at)
            else
              all.set(frame.sopInstanceUid, {
                study,
                stackKey: stack.key,
                words: [stack.seriesNumber === null ? stack.label : `Series ${stack.seriesNumber}`, `image ${frame.instanceNumber ?? at + 1}`].join(' · '),
                frames: new Map([[frame.frameNumber, at]]),
              })
          })
        for (const paper of loaded.papers) all.set(paper.sopInstanceUid, { study, stackKey: paper.key, words: paper.title, frames: new Map() })
      }
      return all
    }
    return (from) => ({
      find: (sopInstanceUid, frames) => {
        known ??= index()
        const here = known.get(sopInstanceUid)
        if (!here) return null
        const first = frames.length ? frames.find((frame) => here.frames.has(frame)) : [...here.frames.keys()].at(0)
        if (first === undefined && here.frames.size) return null
        const place = first === undefined ? null : (here.frames.get(first) ?? 0)
        const several = frames.length ? ` · frame ${frames.join(', ')}` : ''
        return { words: `${here.words}${here.frames.size > 1 ? several : ''}`, open: () => acts.beside(from, { study: here.study, stackKey: here.stackKey, index: place }) }
      },
    })
    // `stamp` stands for what is opened, which is new at each drawing.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [stamp, acts])
}
