import { useEffect, useMemo, useRef, useState } from 'react'
import { toast } from '@/ui'
import type { Engine } from '../engine'
import type { PaneId } from '../layout'
import type { Frame, Stack } from '../stacks'
import { atFirst, byFrame, fitOf, hasDeviceMask, isRecommended, isRun, isSameSubtraction, SHIFT_MOST, STILL, withFrame, type Fit } from './mask'
import { Difference } from './pictures'
import type { Shift, Subtraction } from './types'

/** Another stack, and whether it can be subtracted. */
export interface Candidate {
  stack: Stack
  fit: Fit
}

export interface Subtracting {
  /** What a pane shows: differences, where it subtracts. */
  stackIn: (id: PaneId) => Stack | null
  subtractionIn: (id: PaneId) => Subtraction | null
  /** True: the pane with the keys shows what can be subtracted; else why not. */
  can: true | string | null
  set: (id: PaneId, how: Subtraction | null) => void
  /** On with what fits best, or off. */
  toggle: () => void
  /** As it was at first. */
  reset: (id: PaneId) => void
  /** The picture that is seen is the mask; `also`: beside those that are it already, or no more. */
  maskHere: (also: boolean) => void
  /** Moves the mask, pixels. */
  move: (by: Shift) => void
  still: () => void
  keep: (part: number) => void
  keptNow: number
  /** Subtracts another stack, picture by picture. */
  series: (other: Stack) => void
  /** Stacks that can be subtracted, and why the others cannot. */
  candidates: readonly Candidate[]
  /** By what the device wrote; null: it wrote nothing. */
  device: (() => void) | null
}

interface Given {
  engine: Engine | null
  visible: readonly PaneId[]
  active: PaneId
  /** The stacks that hang, as they are. */
  hungIn: (id: PaneId) => Stack | null
  /** The stacks of each study that is loaded. */
  loaded: readonly (readonly Stack[])[]
  frame: (stack: Stack) => Frame | undefined
  drive: (id: PaneId) => void
}

/** What a person chose in a pane, for the stack that hung there; `how` null: nothing is subtracted. */
interface Chosen {
  key: string
  how: Subtraction | null
}

/** One difference for each pane, kept while the pane is. */
class Differences {
  private readonly all = new Map<PaneId, Difference>()
  private readonly recommended = new WeakMap<Stack, Subtraction>()

  of(id: PaneId): Difference {
    const known = this.all.get(id) ?? new Difference(id)
    this.all.set(id, known)
    return known
  }

  /** What a stack asks for by itself; the same one each time. */
  atFirst(stack: Stack): Subtraction | null {
    if (!isRecommended(stack)) return null
    const known = this.recommended.get(stack) ?? { mask: { kind: 'device' } as const, shift: STILL, kept: 0 }
    this.recommended.set(stack, known)
    return known
  }

  end(): void {
    for (const one of this.all.values()) one.end()
    this.all.clear()
  }
}

/** As many studies as can be open at once, so that the list of what a hook looks at has one length. */
const STUDIES_MOST = 6
const NONE: readonly Stack[] = []
const at = (loaded: readonly (readonly Stack[])[]) => Array.from({ length: STUDIES_MOST }, (_, n) => loaded[n] ?? NONE)

/** What panes subtract (PS3.3 C.7.6.10): a mask from the frames of a run, or one series from another. */
export function useSubtraction({ engine, visible, active, hungIn, loaded, frame, drive }: Given): Subtracting {
  const [chosen, setChosen] = useState<Partial<Record<PaneId, Chosen>>>({})
  const [differences] = useState(() => new Differences())
  useEffect(() => () => differences.end(), [differences])

  const count = loaded.map((stacks) => stacks.length).join()
  const stacks = useMemo(
    () => loaded.flat(),
    // The studies are listed anew at each drawing; their stacks are new ones only where something came.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [count, ...at(loaded)],
  )

  const subtractionIn = (id: PaneId): Subtraction | null => {
    const stack = hungIn(id)
    if (!stack) return null
    const one = chosen[id]
    return one?.key === stack.key ? one.how : differences.atFirst(stack)
  }
  const stackIn = (id: PaneId): Stack | null => {
    const [stack, how] = [hungIn(id), subtractionIn(id)]
    if (!stack || !how) return stack
    const { mask } = how
    const other = mask.kind === 'series' ? (stacks.find((one) => one.key === mask.stack) ?? null) : null
    return differences.of(id).stack(stack, other, how)
  }
  const set = (id: PaneId, how: Subtraction | null) => {
    const key = hungIn(id)?.key
    if (key !== undefined && !isSameSubtraction(how, subtractionIn(id))) setChosen((before) => ({ ...before, [id]: { key, how } }))
  }

  // The same names, other pictures: what was made before is made anew.
  const shown = visible.map((id) => ({ id, how: subtractionIn(id), stack: stackIn(id) }))
  const made = useRef(new Map<PaneId, { how: Subtraction; stack: string }>())
  const key = shown.map(({ how, stack }) => JSON.stringify([how, stack?.key])).join()
  useEffect(() => {
    for (const { id, how, stack } of shown) {
      const before = made.current.get(id)
      if (how && stack) made.current.set(id, { how, stack: stack.key })
      else made.current.delete(id)
      if (!engine || !how || !stack || before?.stack !== stack.key || before.how === how) continue
      const rewindow = before.how.kept !== how.kept || JSON.stringify(before.how.mask) !== JSON.stringify(how.mask)
      engine.renew(id, differences.of(id).imageIds, rewindow)
    }
    // `key` stands for `shown`, which is new at each drawing.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [engine, key])

  const source = hungIn(active)
  const how = subtractionIn(active)
  const candidates = useMemo(
    () => (source ? stacks.filter((one) => one.key !== source.key && one.length > 1).map((stack) => ({ stack, fit: fitOf(source, stack) })) : []),
    [source, stacks],
  )
  const reason = source ? (source.frames.every((one) => one.grey) ? null : 'Colours are not subtracted.') : null
  const change = (make: (now: Subtraction) => Subtraction) => {
    if (!how || !source) return
    drive(active)
    const { key: of } = source
    // A hand moves faster than the screen is drawn: each of its steps counts.
    setChosen((before) => {
      const now = before[active]?.key === of ? before[active].how : how
      return now ? { ...before, [active]: { key: of, how: make(now) } } : before
    })
  }
  const within = (value: number) => Math.max(-SHIFT_MOST, Math.min(SHIFT_MOST, Math.round(value * 100) / 100))

  return {
    stackIn,
    subtractionIn,
    can: source ? (reason ?? true) : null,
    set,
    toggle: () => {
      if (!source) return
      if (reason) return toast(reason)
      drive(active)
      if (how) return set(active, null)
      const first = atFirst(source, stacks)
      if (typeof first === 'string') toast(first)
      else set(active, first)
    },
    reset: (id) => setChosen((before) => (before[id] ? { ...before, [id]: undefined } : before)),
    maskHere: (also) => {
      const here = source && frame(source)
      if (!source || !here || !isRun(source)) return
      drive(active)
      set(active, also && how ? withFrame(how, here) : byFrame(here, how?.kept ?? 0))
    },
    move: (by) => change((now) => ({ ...now, shift: { right: within(now.shift.right + by.right), down: within(now.shift.down + by.down) } })),
    still: () => change((now) => ({ ...now, shift: STILL })),
    keep: (part) => change((now) => ({ ...now, kept: Math.max(0, Math.min(1, Math.round(part * 100) / 100)) })),
    keptNow: how?.kept ?? 0,
    series: (other) => change((now) => ({ mask: { kind: 'series', stack: other.key }, shift: STILL, kept: now.kept })),
    candidates,
    device: source && hasDeviceMask(source) ? () => change((now) => ({ ...now, mask: { kind: 'device' } })) : null,
  }
}
