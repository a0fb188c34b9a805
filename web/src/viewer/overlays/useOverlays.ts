import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { text, type DicomJson } from '../dicom'
import type { Vec3 } from '../geometry'
import type { Stack } from '../stacks'
import { Contents, type Content } from './contents'
import { dosePartsOf, lookAtFirst, plansOf, prescribedBy, type DoseLook } from './dose'
import { fits, fitsAny, type Form, type Layer, type Part } from './layers'
import { isSameLook, type SharedLaid } from './sharedLaid'
import { largestOf, middleOf } from './solids'
import { firstPoint } from './structures'

/** How a layer is seen. */
export interface Seen {
  on: boolean
  /** Numbers of parts that are switched off. */
  hidden: ReadonlySet<number>
  /** Of what is filled, 0 to 1. */
  opacity: number
}

/** What is drawn of a layer. */
export interface Shown {
  layer: Layer
  opacity: number
  parts: readonly { part: Part; form: Form }[]
}

export interface LayerView {
  layer: Layer
  seen: Seen
  content: Content | undefined
  /** Why nothing of it can be seen now; null: pictures that it fits are open. */
  note: string | null
  /** How a dose is looked at, once it is here. */
  look: DoseLook | null
  /** What the plan of a dose prescribes, Gy; null: it prescribes nothing, or is not here. */
  prescribed: number | null
}

/** A place of a part to be looked at: where it is largest, and on which picture, where it names one. */
export interface Goal {
  layer: Layer
  part: Part
  point: Vec3 | null
  /** `sop/frame` */
  picture: string | null
}

export interface Overlays {
  views: readonly LayerView[]
  /** On which they may lie. */
  stacks: readonly Stack[]
  shown: readonly Shown[]
  isOn: boolean
  toggle: (key: string) => void
  /** All layers of a series: on, unless all are. */
  toggleSeries: (seriesInstanceUid: string) => void
  toggleAll: () => void
  togglePart: (key: string, part: number) => void
  showParts: (key: string, all: boolean) => void
  setOpacity: (key: string, opacity: number) => void
  setLook: (key: string, look: DoseLook) => void
  again: (key: string) => void
  /** Shows a part and goes to where it is largest, once that is known. */
  go: (key: string, part: number) => void
  /** The next part in the list, or the one before. */
  step: (by: 1 | -1) => void
  chosen: { key: string; part: number } | null
  /** As it is told to others, and taken from them. */
  shared: { now: SharedLaid; known: ReadonlySet<string>; take: (told: SharedLaid) => void }
}

const FILLED: Record<Layer['kind'], number> = { segmentation: 0.4, structures: 0.15, dose: 0.3, surfaces: 0.15, heights: 0 }
const NOBODY: ReadonlySet<number> = new Set()

function atFirst(layer: Layer): Seen {
  return { on: false, hidden: NOBODY, opacity: FILLED[layer.kind] }
}

/** The same list for as long as it holds the same. */
function useAlike<T>(list: readonly T[]): readonly T[] {
  const kept = useRef(list)
  if (kept.current.length !== list.length || kept.current.some((one, at) => one !== list[at])) kept.current = list
  return kept.current
}

const NOT_OPEN = 'The images that it belongs to are not open.'

/** What is laid over the pictures of the studies that are open: found, switched on and off, and looked at. */
export function useOverlays(foundLayers: readonly Layer[], foundStacks: readonly Stack[], foundPlans: readonly DicomJson[], loading: boolean, onGoal: (goal: Goal) => void): Overlays {
  const plans = useAlike(foundPlans)
  const stacks = useAlike(foundStacks)
  const [contents] = useState(() => new Contents())
  useSyncExternalStore(contents.subscribe, contents.snapshot)
  const version = contents.snapshot()
  const found = useAlike(foundLayers)
  const doses = useDoses(contents, found, plans)
  const { dosed } = doses
  const layers = useAlike(found.map((layer) => dosed.get(layer.key)?.layer ?? layer))
  const [seen, setSeen] = useState<ReadonlyMap<string, Seen>>(new Map())
  const [chosen, setChosen] = useState<{ key: string; part: number } | null>(null)
  const [goal, setGoal] = useState<{ key: string; part: number } | null>(null)
  useEffect(() => () => contents.end(), [contents])

  const seenOf = useCallback((layer: Layer) => seen.get(layer.key) ?? atFirst(layer), [seen])
  useEffect(() => {
    for (const layer of layers) if (seenOf(layer).on && layer.fault === null) if (!contents.get(layer.key)) contents.want(layer)
  }, [layers, seenOf, contents])

  const views = useMemo(
    () =>
      layers.map((layer): LayerView => {
        const fault = layer.fault ?? (stacks.some((stack) => fitsAny(layer, stack)) ? null : loading ? null : NOT_OPEN)
        const [content, dose] = [contents.get(layer.key), dosed.get(layer.key)]
        return { layer, seen: seenOf(layer), content: content && dose ? { ...content, forms: dose.forms } : content, note: fault, look: dose?.look ?? null, prescribed: dose?.prescribed ?? null }
      }),
    // `version` says when the contents are others.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [layers, stacks, loading, seenOf, contents, version, dosed],
  )
  const shown = useMemo(
    () =>
      views.flatMap(({ layer, seen: how, content }): Shown[] => {
        if (!how.on || !content) return []
        const parts = layer.parts.flatMap((part) => {
          const form = how.hidden.has(part.number) ? undefined : content.forms.get(part.number)
          const colour = content.colours?.get(part.number)
          return form ? [{ part: colour ? { ...part, colour } : part, form }] : []
        })
        return parts.length ? [{ layer, opacity: how.opacity, parts }] : []
      }),
    [views],
  )

  const change = (keys: readonly string[], next: (before: Seen) => Partial<Seen>) =>
    setSeen((before) => {
      const after = new Map(before)
      for (const key of keys) {
        const layer = layers.find((one) => one.key === key)
        const now = before.get(key) ?? (layer && atFirst(layer))
        if (now) after.set(key, { ...now, ...next(now) })
      }
      return after
    })
  const switchAll = (keys: readonly string[]) => {
    const all = keys.every((key) => seen.get(key)?.on)
    change(keys, () => ({ on: !all }))
  }
  const go = (key: string, part: number) => {
    const layer = layers.find((one) => one.key === key)
    if (!layer || layer.fault !== null) return
    change([key], ({ hidden }) => ({ on: true, hidden: new Set([...hidden].filter((one) => one !== part)) }))
    setChosen({ key, part })
    setGoal({ key, part })
  }

  // Where a part is largest is known when all of it is here.
  const awaited = views.find(({ layer }) => layer.key === goal?.key)
  const settled = awaited?.content !== undefined && (awaited.content.done === 1 || awaited.content.fault !== null)
  useEffect(() => {
    if (!goal || !settled || !awaited) return
    setGoal(null)
    const part = awaited.layer.parts.find((one) => one.number === goal.part)
    const form = awaited.content?.forms.get(goal.part)
    if (part) onGoal({ layer: awaited.layer, part, ...placeOf(form) })
    // Once for each wish.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [goal, settled])

  const now: SharedLaid = Object.fromEntries(
    layers.flatMap((layer) => {
      const { on, hidden, opacity } = seenOf(layer)
      const dose = doses.said.get(layer.key)
      return on ? [[layer.key, { hidden: [...hidden].sort((a, b) => a - b), opacity, ...(dose ? { dose } : {}) }] as const] : []
    }),
  )

  return {
    views,
    stacks,
    shown,
    isOn: layers.some((layer) => seenOf(layer).on),
    toggle: (key) => change([key], ({ on }) => ({ on: !on })),
    toggleSeries: (series) => switchAll(layers.filter((one) => one.seriesInstanceUid === series && one.fault === null).map((one) => one.key)),
    toggleAll: () => {
      const usable = views.filter(({ note }) => note === null).map(({ layer }) => layer.key)
      const any = usable.some((key) => seen.get(key)?.on)
      change(usable, () => ({ on: !any }))
    },
    togglePart: (key, part) =>
      change([key], ({ on, hidden }) => {
        if (!on) return { on: true, hidden: new Set(layers.find((one) => one.key === key)?.parts.flatMap((one) => (one.number === part ? [] : [one.number]))) }
        const next = new Set(hidden)
        if (!next.delete(part)) next.add(part)
        return { hidden: next }
      }),
    showParts: (key, all) => change([key], () => ({ on: true, hidden: new Set(all ? [] : layers.find((one) => one.key === key)?.parts.map((one) => one.number)) })),
    setOpacity: (key, opacity) => change([key], () => ({ opacity })),
    setLook: (key, look) => doses.set([[key, look]]),
    again: (key) => {
      const layer = layers.find((one) => one.key === key)
      if (layer) contents.want(layer)
    },
    go,
    step: (by) => {
      const all = views.filter(({ note }) => note === null).flatMap(({ layer }) => layer.parts.map((part) => ({ key: layer.key, part: part.number })))
      const at = all.findIndex((one) => one.key === chosen?.key && one.part === chosen.part)
      const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length]
      if (next) go(next.key, next.part)
    },
    chosen,
    shared: {
      now,
      known: new Set(layers.map((layer) => layer.key)),
      take: (told) => {
        doses.take(told)
        setSeen((before) => {
          const after = new Map(before)
          for (const layer of layers) {
            const one = told[layer.key]
            const was = before.get(layer.key) ?? atFirst(layer)
            after.set(layer.key, one ? { on: true, hidden: new Set(one.hidden), opacity: one.opacity } : { ...was, on: false })
          }
          return after
        })
      },
    },
  }
}

interface Dosed {
  from: Layer
  look: DoseLook
  prescribed: number | null
  layer: Layer
  forms: ReadonlyMap<number, Form>
}

const NO_LOOKS: ReadonlyMap<string, DoseLook> = new Map()

/** How doses are looked at, by those that are here: what somebody said, and what comes of it. */
function useDoses(contents: Contents, found: readonly Layer[], plans: readonly DicomJson[]) {
  const [said, setSaid] = useState(NO_LOOKS)
  const kept = useRef<ReadonlyMap<string, Dosed>>(new Map())
  const version = contents.snapshot()
  const dosed = useMemo(() => {
    const made = new Map<string, Dosed>()
    for (const layer of found) {
      const dose = contents.get(layer.key)?.dose
      if (!dose) continue
      const prescribed = prescribedTo(layer, plans)
      const look = said.get(layer.key) ?? lookAtFirst(dose.most, prescribed)
      const before = kept.current.get(layer.key)
      const same = before?.from === layer && before.prescribed === prescribed && isSameLook(before.look, look)
      made.set(layer.key, same ? before : { from: layer, look, prescribed, layer: { ...layer, parts: dosePartsOf(layer, look) }, forms: dose.formsBy(look) })
    }
    kept.current = made
    return made
    // `version` says when the contents are others.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [contents, version, found, said, plans])
  const set = useCallback((looks: readonly (readonly [string, DoseLook])[]) => setSaid((before) => new Map([...before, ...looks])), [])
  // Who has not said how is followed as it is at first.
  const take = useCallback((told: SharedLaid) => setSaid(new Map(Object.entries(told).flatMap(([key, { dose }]) => (dose ? [[key, dose] as const] : [])))), [])
  return { dosed, said, set, take }
}

/** What is prescribed to who gets all of a dose, Gy; null: that is not told, or the dose is of something else. */
function prescribedTo({ instance }: Layer, plans: readonly DicomJson[]): number | null {
  if (text(instance, '3004000A') !== 'PLAN' || text(instance, '30040002') !== 'GY') return null
  const uids = new Set(plansOf(instance))
  return plans.filter((plan) => uids.has(text(plan, '00080018') ?? '')).map(prescribedBy).find((one) => one !== null && one > 0) ?? null
}

/** Where a part covers most. */
export function placeOf(form: Form | undefined): { point: Vec3 | null; picture: string | null } {
  if (!form) return { point: null, picture: null }
  if (form.peak) return { point: form.peak, picture: null }
  const best = form.solids.reduce<{ area: number; point: Vec3 } | null>((before, solid) => {
    const slice = largestOf(solid.slices)
    return slice && slice.area > (before?.area ?? 0) ? { area: slice.area, point: middleOf(solid, slice) } : before
  }, null)
  if (best) return { point: best.point, picture: null }
  const picture = Array.from(form.onPictures).reduce<{ name: string; count: number } | null>((before, [name, { count }]) => (count > (before?.count ?? 0) ? { name, count } : before), null)
  const lines = form.linesOn ? [...form.linesOn.keys()] : []
  return { point: firstPoint(form), picture: picture?.name ?? lines[Math.floor(lines.length / 2)] ?? null }
}

const NAME: Record<Layer['kind'], string> = { segmentation: 'Segmentation', structures: 'RT structures', dose: 'Dose', surfaces: 'Surfaces', heights: 'Height map' }

function nameOf(views: readonly LayerView[]): string {
  const [first, ...others] = new Set(views.map(({ layer }) => layer.kind))
  return others.length ? (views.some(({ layer }) => layer.kind === 'dose') ? 'Laid over' : listName(views)) : NAME[first ?? 'segmentation']
}

/** What is in the list of what can be laid over pictures. */
export function listName(views: readonly LayerView[]): string {
  return views.some(({ layer }) => layer.kind === 'dose') ? 'Segmentations, structures and doses' : 'Segmentations and structures'
}

/** What is laid over the pictures of a stack, and what the pane says of it; null: nothing can be laid over them. */
export function laidOn({ views, shown, chosen }: Overlays, stack: Stack): { shown: readonly Shown[]; chosen: Overlays['chosen']; words: string } | null {
  const fitting = views.filter(({ layer }) => fitsAny(layer, stack))
  if (!fitting.length) return null
  const name = nameOf(fitting)
  const [all, seen] = fitting.reduce(
    (sum, { layer, seen: { on, hidden } }) => {
      const parts = layer.parts.filter((part) => fits(layer, part, stack))
      return [sum[0] + parts.length, sum[1] + (on ? parts.filter((part) => !hidden.has(part.number)).length : 0)] as const
    },
    [0, 0] as readonly [number, number],
  )
  const late = fitting.some(({ seen: { on }, content }) => on && content && content.done < 1 && !content.fault)
  const broken = fitting.some(({ seen: { on }, content }) => on && content?.fault)
  const words = [seen ? `${name}: ${seen} of ${all} shown` : `${name} hidden`, late ? 'coming' : null, broken ? 'not all of it' : null]
  return { shown, chosen, words: words.filter(Boolean).join(' · ') }
}
