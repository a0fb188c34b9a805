import { eventTarget, getRenderingEngines, type StackViewport } from '@cornerstonejs/core'
import { annotation, Enums, type Types as ToolTypes } from '@cornerstonejs/tools'
import { useCallback, useEffect, useMemo, useRef, useState, type RefObject } from 'react'
import { flushSync } from 'react-dom'
import { fittingScaleOf, isFitted } from './camera'
import { EVENTS, type Engine } from './engine'
import { dot, vec3, type Vec3 } from './geometry'
import { isPane, isSame, type Layout, type PaneId } from './layout'
import { measured } from './measure/measurements'
import { isOnPlane } from './measure/onPlane'
import type { Paper } from './papers/paper'
import { isThere, MOVED, placeFrom, rounded, type Place, type Places } from './papers/places'
import { isSameLaid, laidFrom, type SharedLaid } from './overlays/sharedLaid'
import type { Frame, Stack } from './stacks'
import type { ViewerStudy } from './study'
import { isSameSubtraction, subtractionFrom } from './subtract/mask'
import type { Subtraction } from './subtract/types'
import { drawnBy, TOOL_NAMES, TOOLS, type ToolName } from './tools'
import type { Hung } from './useHanging'
import { useThrottled } from './useThrottled'
import { cineFrom, planesFrom, type PlanesView, type SharedCine, type SharedPlanes } from './volume/sharedPlanes'
import type { PlanesTogether } from './volume/usePlanesTogether'

/** What hangs in a pane, and how: in the patient's millimetres, so that every screen shows the same place. Of a paper `stack` is its key, and `frame` 0. */
export interface SharedPane {
  study: string
  stack: string
  sop: string
  frame: number
  /** The middle of the pane. */
  focus: Vec3
  up: Vec3
  flipped: readonly [horizontal: boolean, vertical: boolean]
  /** Half of what is seen, mm: to the right, upwards. */
  half: readonly [number, number]
  /** The whole picture just fills the pane. */
  fitted: boolean
  voi: readonly [lower: number, upper: number] | null
  invert: boolean
  /** What is subtracted from it; none in what older pages tell. */
  subtraction?: Subtraction | null
  /** Of a paper, where in it. */
  place?: Place | null
}

export interface SharedView {
  layout: Layout
  panes: Partial<Record<PaneId, SharedPane>>
  /** Planes through one of the panes; null: pictures are shown. */
  planes: SharedPlanes | null
  /** Which pane plays; null: none. */
  cine: SharedCine | null
  /** Segmentations and structures over the pictures. */
  laid: SharedLaid
}

/** A place on a picture, or on a plane of no picture: in a frame of reference then. */
export interface SharedPoint {
  sop: string
  frame: number
  space: string | null
  at: Vec3
}

/** Somebody else's pointer, with the name and the number of the colour that it has. */
export interface NamedPoint extends SharedPoint {
  id: number
  name: string
  colour: number
}

/** What is drawn on a picture, in its space; on a plane of no picture `space` is the frame of reference in which it lies. */
export interface SharedMark {
  by: number
  tool: ToolName
  sop: string
  frame: number
  space: string | null
  points: readonly Vec3[]
  outline: readonly Vec3[]
  label: string
  normal: Vec3
  up: Vec3
}

/**
 * A viewer that is looked at together. `lead`: what it shows is told; `follow`: it shows what is told; `apart`: neither,
 * but pointers and marks are shared all the same.
 */
export interface Share {
  mode: 'lead' | 'follow' | 'apart'
  me: number
  mayDraw: boolean
  /** May take away what others drew. */
  mayRemove: boolean
  view: SharedView | null
  marks: ReadonlyMap<string, SharedMark>
  pointers: readonly NamedPoint[]
  tell: (view: SharedView) => void
  point: (at: SharedPoint | null) => void
  mark: (uid: string, mark: SharedMark | null) => void
  /** This reader moved something by hand while following. */
  leaveLead: () => void
}

interface Surroundings {
  share: Share | undefined
  engine: Engine | null
  root: RefObject<HTMLElement | null>
  layout: Layout
  visible: readonly PaneId[]
  studies: readonly ViewerStudy[]
  stacks: readonly Stack[]
  papers: readonly Paper[]
  stackIn: (id: PaneId) => Stack | null
  paperIn: (id: PaneId) => Paper | null
  placesIn: (id: PaneId) => Places | undefined
  hungIn: (id: PaneId) => Hung | null
  hangIn: (id: PaneId, next: Hung | null, index?: number) => void
  subtract: (id: PaneId, how: Subtraction | null) => void
  setLayout: (layout: Layout) => void
  want: (study: ViewerStudy) => void
  /** The pane through which planes are laid; null: none are shown. */
  planes: PaneId | null
  showPlanes: (through: PaneId | null) => void
  cine: SharedCine | null
  play: (cine: SharedCine | null) => void
  laid: { now: SharedLaid; known: ReadonlySet<string>; take: (told: SharedLaid) => void }
}

const TELL_MS = 50
const POINT_MS = 50
const BY_HAND_MS = 1500
const CLOSE = 0.004

interface Shared {
  following: boolean
  /** For the planes, where they are looked at together. */
  planes: PlanesTogether | undefined
}

/** Tells what this viewer shows, or shows what is told; and shares what is drawn. */
export function useShared(around: Surroundings): Shared {
  const { share, engine, root, visible, layout } = around
  const now = useRef(around)
  useEffect(() => {
    now.current = around
  })
  const shared = share !== undefined
  const mode = share?.mode ?? 'apart'
  const panes = visible.join()
  const hand = useRef(0)
  /** What has been shown as it was told: since when, and in panes of which size. */
  const settled = useRef(new Map<PaneId | 'layout' | 'planes' | 'cine' | 'laid', { size: string; at: number }>())
  /** What the planes here show, where they are shown. */
  const planesHere = useRef<PlanesView | null>(null)
  const placing = useRef<PlanesTogether['placing']['current']>(null)

  // Only what a hand has just done, after all was as told, can be a wish to look elsewhere; a picture that is late is not.
  useEffect(() => {
    const box = root.current
    if (!box || !shared) return
    const acted = (event: Event) => {
      if (event instanceof PointerEvent && event.type === 'pointermove' && event.buttons === 0) return
      hand.current = performance.now()
    }
    const names = ['wheel', 'pointerdown', 'pointermove', 'keydown'] as const
    for (const name of names) (name === 'keydown' ? document : box).addEventListener(name, acted, { capture: true, passive: true })
    return () => {
      for (const name of names) (name === 'keydown' ? document : box).removeEventListener(name, acted, { capture: true })
    }
  }, [root, shared, engine])
  const byHand = useCallback((after: number) => hand.current > after && performance.now() - hand.current < BY_HAND_MS, [])

  const follow = useCallback((only?: PaneId) => {
    const { share: to, engine: on, visible: ids } = now.current
    if (to?.mode !== 'follow' || !to.view || !on) return
    const settle = (what: PaneId | 'layout' | 'planes' | 'cine' | 'laid', size = '') => {
      if (settled.current.get(what)?.size !== size) settled.current.set(what, { size, at: performance.now() })
    }
    const isUndone = (what: PaneId | 'layout' | 'planes' | 'cine' | 'laid', size = '') => {
      const then = settled.current.get(what)
      return then?.size === size && byHand(then.at)
    }
    if (!isSame(to.view.layout, now.current.layout)) {
      if (isUndone('layout')) to.leaveLead()
      else now.current.setLayout(to.view.layout)
      return
    }
    settle('layout')
    const planes = planesFrom(to.view.planes)?.pane ?? null
    if (planes === now.current.planes) settle('planes')
    else if (isUndone('planes')) return to.leaveLead()
    else now.current.showPlanes(planes)
    const cine = cineFrom(to.view.cine)
    if (cine?.pane === now.current.cine?.pane && cine?.rate === now.current.cine?.rate) settle('cine')
    else if (isUndone('cine')) return to.leaveLead()
    else now.current.play(cine)
    const laid = laidFrom(to.view.laid)
    if (isSameLaid(laid, now.current.laid.now, now.current.laid.known)) settle('laid')
    else if (isUndone('laid')) return to.leaveLead()
    else now.current.laid.take(laid)
    for (const id of only ? [only] : ids) {
      const told = to.view.panes[id]
      if (!told) continue
      const size = sizeOf(now.current.root.current, id)
      const playing = cine?.pane === id && now.current.cine?.pane === id
      const stack = now.current.stackIn(id)
      const subtraction = subtractionFrom(told.subtraction)
      if (stack?.key === told.stack && !isSameSubtraction(stack.subtraction ?? null, subtraction)) {
        if (isUndone(id, size)) return to.leaveLead()
        now.current.subtract(id, subtraction)
        continue
      }
      const places = now.current.paperIn(id)?.key === told.stack ? now.current.placesIn(id) : undefined
      const place = placeFrom(told.place)
      if (places && place && !isThere(places, place)) {
        if (isUndone(id, size)) return to.leaveLead()
        places.goTo(place)
        settle(id, size)
        continue
      }
      const wanted = playing ? asPlayed(on, id, stack, told, cine.rate) : told
      if (now.current.paperIn(id)?.key === wanted.stack || isShown(on, id, wanted)) {
        settle(id, size)
        continue
      }
      if (!playing && isUndone(id, size)) return to.leaveLead()
      show(now.current, id, wanted)
    }
  }, [byHand])

  const tell = useThrottled(
    useCallback(() => {
      const { share: to, engine: on, visible: ids } = now.current
      if (to?.mode !== 'lead' || !on) return
      const { planes, cine } = now.current
      const view: SharedView = { layout: now.current.layout, panes: {}, planes: planes && { pane: planes, view: planesHere.current }, cine, laid: now.current.laid.now }
      for (const id of ids) {
        const pane = paneOf(on, id, now.current)
        if (pane) view.panes[id] = pane
      }
      if (Object.keys(view.panes).length) to.tell(view)
    }, []),
    TELL_MS,
  )

  const paperKey = visible.map((id) => around.paperIn(id)?.key ?? '').join()
  useEffect(() => {
    if (!engine || !shared) return
    const undo = panes.split(',').filter(isPane).map((id) => {
      const element = engine.viewport(id)?.element
      const drawn = () => (now.current.share?.mode === 'lead' ? tell() : follow(id))
      element?.addEventListener(EVENTS.IMAGE_RENDERED, drawn)
      return () => element?.removeEventListener(EVENTS.IMAGE_RENDERED, drawn)
    })
    const moved = (event: Event) => {
      const id = event.target instanceof Element ? (event.target.closest('[data-pane]')?.getAttribute('data-pane') ?? undefined) : undefined
      if (now.current.share?.mode === 'lead') tell()
      else if (isPane(id)) follow(id)
    }
    const box = root.current
    box?.addEventListener(MOVED, moved)
    return () => {
      undo.forEach((one) => one())
      box?.removeEventListener(MOVED, moved)
    }
    // A pane that showed a paper is another element afterwards.
  }, [engine, root, shared, panes, paperKey, tell, follow])

  // Another lead, or another way of looking, begins anew.
  const view = share?.view
  useEffect(() => {
    settled.current.clear()
    if (mode === 'follow') follow()
    if (mode === 'lead') tell()
  }, [mode, view, follow, tell])
  // What hangs here changed, or what was told of could not be hung before it was loaded.
  const loadedKey = around.stacks.length + around.papers.length
  const hungKey = visible.map((id) => around.hungIn(id)?.stackKey).join()
  const { planes, cine } = around
  const laidKey = JSON.stringify([around.laid.now, [...around.laid.known]])
  useEffect(() => {
    if (!planes) planesHere.current = null
  }, [planes])
  useEffect(() => {
    if (mode === 'follow') follow()
    if (mode === 'lead') tell()
  }, [mode, layout, loadedKey, hungKey, planes, cine?.pane, cine?.rate, laidKey, follow, tell])

  usePointer(now, root, engine, shared, placing)
  useMarks(now, engine, share)
  const wanted = useMemo(() => planesFrom(view?.planes)?.view ?? null, [view?.planes])
  const leaveLead = share?.leaveLead
  const planesTogether = useMemo<PlanesTogether | undefined>(
    () =>
      leaveLead && {
        mode,
        wanted,
        byHand,
        tell: (next) => {
          planesHere.current = next
          tell()
        },
        leaveLead,
        placing,
      },
    [mode, wanted, byHand, tell, leaveLead],
  )
  return { following: mode === 'follow', planes: planesTogether }
}

function sizeOf(root: HTMLElement | null, id: PaneId): string {
  const element = root?.querySelector(`[data-pane="${id}"]`)
  return element ? `${element.clientWidth}×${element.clientHeight}` : ''
}

function frameOn(engine: Engine, id: PaneId, stack: Stack | null): Frame | null {
  const imageId = engine.imageOn(id)
  return (imageId && stack?.frames.find((frame) => frame.imageId === imageId)) || null
}

const OF_PAPER = { frame: 0, focus: [0, 0, 0], up: [0, -1, 0], flipped: [false, false], half: [1, 1], fitted: true, voi: null, invert: false } as const

/** What a pane shows now; null while it shows nothing. */
function paneOf(engine: Engine, id: PaneId, { stackIn, paperIn, placesIn, hungIn }: Pick<Surroundings, 'stackIn' | 'paperIn' | 'placesIn' | 'hungIn'>): SharedPane | null {
  const paper = paperIn(id)
  if (paper) return { ...OF_PAPER, study: paper.studyInstanceUid, stack: paper.key, sop: paper.sopInstanceUid, place: rounded(placesIn(id)?.where() ?? []) }
  const stack = stackIn(id)
  const frame = frameOn(engine, id, stack)
  const study = hungIn(id)?.study
  const viewport = engine.viewport(id)
  if (!stack || !frame || !study || !viewport) return null
  const camera = viewport.getCamera()
  const focus = vec3(camera.focalPoint)
  const up = vec3(camera.viewUp)
  const scale = camera.parallelScale
  const { clientWidth, clientHeight } = viewport.element
  if (!focus || !up || !scale || !clientHeight) return null
  const { voiRange, invert } = viewport.getProperties()
  return {
    study: study.study_instance_uid,
    stack: stack.key,
    sop: frame.sopInstanceUid,
    frame: frame.frameNumber,
    focus,
    up,
    flipped: [camera.flipHorizontal === true, camera.flipVertical === true],
    half: [(scale * clientWidth) / clientHeight, scale],
    fitted: isFitted(viewport),
    voi: voiRange ? [voiRange.lower, voiRange.upper] : null,
    invert: invert === true,
    subtraction: stack.subtraction ?? null,
  }
}

interface Wanted {
  scale: number
  /** How far the middle has to move within the picture's plane, mm. */
  move: Vec3
}

/** The camera with which a pane of another shape shows all that the lead sees. */
function wantedOf(viewport: StackViewport, wanted: SharedPane): Wanted | null {
  const camera = viewport.getCamera()
  const focus = vec3(camera.focalPoint)
  const normal = vec3(camera.viewPlaneNormal)
  const { clientWidth, clientHeight } = viewport.element
  if (!focus || !normal || !clientWidth || !clientHeight) return null
  const own = wanted.fitted ? fittingScaleOf(viewport, clientWidth, clientHeight) : null
  const away = dot([wanted.focus[0] - focus[0], wanted.focus[1] - focus[1], wanted.focus[2] - focus[2]], normal)
  const move = [0, 1, 2].map((axis) => (wanted.focus[axis] ?? 0) - (focus[axis] ?? 0) - away * (normal[axis] ?? 0))
  return { scale: own ?? Math.max(wanted.half[1], (wanted.half[0] * clientHeight) / clientWidth), move: [move[0] ?? 0, move[1] ?? 0, move[2] ?? 0] }
}

function isShown(engine: Engine, id: PaneId, wanted: SharedPane): boolean {
  const viewport = engine.viewport(id)
  const imageId = engine.imageOn(id)
  if (!viewport || !imageId || !isOf(imageId, wanted)) return false
  const { voiRange, invert } = viewport.getProperties()
  const sameWindow = !wanted.voi || (voiRange && isClose(voiRange.lower, voiRange.upper, wanted.voi))
  return sameWindow === true && (invert === true) === wanted.invert && isSeen(viewport, wanted)
}

/** How far a pane that plays by itself may be from the lead's: as long as a message takes. */
const CINE_APART_S = 0.4

/** What is wanted of a pane that plays by itself: the picture that it shows, unless it is far from the lead's, which is old when it comes. */
function asPlayed(engine: Engine, id: PaneId, stack: Stack | null, wanted: SharedPane, rate: number): SharedPane {
  const here = frameOn(engine, id, stack)
  if (!stack || !here) return wanted
  const at = stack.frames.findIndex((frame) => frame.sopInstanceUid === wanted.sop && frame.frameNumber === wanted.frame)
  const apart = Math.abs(at - stack.frames.indexOf(here))
  const isNear = at >= 0 && Math.min(apart, stack.length - apart) <= Math.max(1, rate * CINE_APART_S)
  return isNear ? { ...wanted, sop: here.sopInstanceUid, frame: here.frameNumber } : wanted
}

function isClose(lower: number, upper: number, voi: readonly [number, number]): boolean {
  const span = Math.abs(voi[1] - voi[0]) || 1
  return Math.abs(lower - voi[0]) < span * CLOSE && Math.abs(upper - voi[1]) < span * CLOSE
}

function isSeen(viewport: StackViewport, wanted: SharedPane): boolean {
  const camera = viewport.getCamera()
  const to = wantedOf(viewport, wanted)
  const up = vec3(camera.viewUp)
  if (!to || !camera.parallelScale || !up) return true
  return (
    Math.abs(camera.parallelScale / to.scale - 1) < CLOSE &&
    Math.hypot(...to.move) < to.scale * CLOSE &&
    Math.hypot(up[0] - wanted.up[0], up[1] - wanted.up[1], up[2] - wanted.up[2]) < 0.01 &&
    (camera.flipHorizontal === true) === wanted.flipped[0] &&
    (camera.flipVertical === true) === wanted.flipped[1]
  )
}

/** Whether an imageId is the picture that is told of: it ends as WADO-RS addresses a frame (PS3.18 10.4.1.6). */
function isOf(imageId: string, { sop, frame }: { sop: string; frame: number }): boolean {
  return sop !== '' && imageId.includes(`/instances/${sop}/frames/${frame}`) && !/\d/.test(imageId.charAt(imageId.indexOf(`/frames/${frame}`) + `/frames/${frame}`.length))
}

function show(around: Surroundings, id: PaneId, wanted: SharedPane): void {
  const { engine, stackIn, hangIn, stacks, papers, studies, want } = around
  if (!engine) return
  if (wanted.frame === 0) {
    const of = studies.find((one) => one.study_instance_uid === wanted.study)
    if (of && papers.some((one) => one.key === wanted.stack)) hangIn(id, { study: of, stackKey: wanted.stack })
    else if (of) want(of)
    return
  }
  const isIt = (frame: Frame) => frame.sopInstanceUid === wanted.sop && frame.frameNumber === wanted.frame
  const stack = stackIn(id)
  const index = stack?.frames.findIndex(isIt) ?? -1
  if (!stack || index < 0 || (stack.key !== wanted.stack && stacks.some((one) => one.key === wanted.stack))) {
    const found = stacks.find((one) => one.key === wanted.stack && one.frames.some(isIt)) ?? stacks.find((one) => one.frames.some(isIt))
    const study = studies.find((one) => one.study_instance_uid === wanted.study)
    if (found && study) {
      if (found.key !== stack?.key) hangIn(id, { study, stackKey: found.key }, found.frames.findIndex(isIt))
    } else if (study) want(study)
    return
  }
  if (!engine.imageOn(id)) return
  if (!isOf(engine.imageOn(id) ?? '', wanted)) {
    engine.goTo(id, index)
    return
  }
  const viewport = engine.viewport(id)
  if (!viewport) return
  viewport.setProperties({ ...(wanted.voi ? { voiRange: { lower: wanted.voi[0], upper: wanted.voi[1] } } : {}), invert: wanted.invert })
  const before = viewport.getCamera()
  if ((before.flipHorizontal === true) !== wanted.flipped[0] || (before.flipVertical === true) !== wanted.flipped[1])
    viewport.setCamera({ flipHorizontal: wanted.flipped[0], flipVertical: wanted.flipped[1] })
  viewport.setCamera({ viewUp: [...wanted.up] })
  const to = wantedOf(viewport, wanted)
  const { focalPoint, position } = viewport.getCamera()
  if (to && focalPoint && position)
    viewport.setCamera({
      parallelScale: to.scale,
      focalPoint: [focalPoint[0] + to.move[0], focalPoint[1] + to.move[1], focalPoint[2] + to.move[2]],
      position: [position[0] + to.move[0], position[1] + to.move[1], position[2] + to.move[2]],
    })
  viewport.render()
}

/** Tells where this reader points. */
function usePointer(now: RefObject<Surroundings>, root: RefObject<HTMLElement | null>, engine: Engine | null, shared: boolean, placing: PlanesTogether['placing']): void {
  useEffect(() => {
    const box = root.current
    if (!box || !engine || !shared) return
    let last = 0
    let trailing: ReturnType<typeof setTimeout> | undefined
    const said = (event: PointerEvent) => {
      const plane = event.target instanceof Element ? event.target.closest('[data-plane]')?.getAttribute('data-plane') : null
      if (plane) {
        const place = placing.current?.(plane, event.clientX, event.clientY)
        return now.current.share?.point(place ? { sop: '', frame: 0, ...place } : null)
      }
      const pane = event.target instanceof Element ? event.target.closest('[data-pane]') : null
      const id = pane?.getAttribute('data-pane') ?? undefined
      const paper = isPane(id) ? now.current.paperIn(id) : null
      if (paper && isPane(id)) {
        const at = now.current.placesIn(id)?.point(event.clientX, event.clientY)
        return now.current.share?.point(at ? { sop: paper.sopInstanceUid, frame: 0, space: null, at } : null)
      }
      const viewport = isPane(id) ? engine.viewport(id) : undefined
      const frame = viewport && isPane(id) ? frameOn(engine, id, now.current.stackIn(id)) : null
      if (!viewport || !frame) return now.current.share?.point(null)
      const { left, top } = viewport.element.getBoundingClientRect()
      const at = viewport.canvasToWorld([event.clientX - left, event.clientY - top])
      return now.current.share?.point({ sop: frame.sopInstanceUid, frame: frame.frameNumber, space: null, at: [at[0], at[1], at[2]] })
    }
    const moved = (event: PointerEvent) => {
      clearTimeout(trailing)
      const wait = POINT_MS - (performance.now() - last)
      const tell = () => {
        last = performance.now()
        said(event)
      }
      if (wait <= 0) tell()
      else trailing = setTimeout(tell, wait)
    }
    const gone = () => {
      clearTimeout(trailing)
      now.current.share?.point(null)
    }
    box.addEventListener('pointermove', moved, { capture: true, passive: true })
    box.addEventListener('pointerdown', moved, { capture: true, passive: true })
    box.addEventListener('pointerleave', gone)
    return () => {
      clearTimeout(trailing)
      box.removeEventListener('pointermove', moved, { capture: true })
      box.removeEventListener('pointerdown', moved, { capture: true })
      box.removeEventListener('pointerleave', gone)
    }
  }, [now, root, engine, shared, placing])
}

const POINTS_MAX = 400
const LABEL_MAX = 400

/** Draws what others drew, and tells what is drawn here. */
function useMarks(now: RefObject<Surroundings>, engine: Engine | null, share: Share | undefined): void {
  const told = useRef(new Map<string, string>())
  const tell = useThrottled(
    useCallback(() => {
      const { share: to, stacks } = now.current
      if (!to) return
      const here = new Set<string>()
      for (const { annotation: one, tool } of measured()) {
        const uid = one.annotationUID ?? ''
        here.add(uid)
        const known = to.marks.get(uid)
        if (!to.mayDraw || (known && known.by !== to.me && !to.mayRemove)) continue
        const made = markOf(one, tool, known?.by ?? to.me, stacks)
        const text = made && JSON.stringify(made)
        if (!made || text === null || told.current.get(uid) === text) continue
        told.current.set(uid, text)
        to.mark(uid, made)
      }
      for (const [uid, known] of to.marks)
        if (!here.has(uid) && told.current.has(uid) && (known.by === to.me || to.mayRemove)) {
          told.current.delete(uid)
          to.mark(uid, null)
        }
    }, [now]),
    120,
  )
  const shared = share !== undefined
  useEffect(() => {
    if (!shared) return
    const names = [Enums.Events.ANNOTATION_COMPLETED, Enums.Events.ANNOTATION_MODIFIED, Enums.Events.ANNOTATION_REMOVED, Enums.Events.ANNOTATION_ADDED]
    for (const name of names) eventTarget.addEventListener(name, tell)
    tell()
    return () => {
      for (const name of names) eventTarget.removeEventListener(name, tell)
    }
  }, [shared, tell])

  const marks = share?.marks
  const stacks = now.current.stacks.length
  useEffect(() => {
    if (!marks || !engine) return
    let changed = false
    for (const [uid, mark] of marks) {
      const text = JSON.stringify(mark)
      if (told.current.get(uid) === text) continue
      const made = annotationFrom(uid, mark, now.current.stacks)
      if (!made) continue
      told.current.set(uid, text)
      annotation.state.removeAnnotation(uid)
      annotation.state.addAnnotation(made, made.metadata?.FrameOfReferenceUID ?? '')
      changed = true
    }
    for (const uid of [...told.current.keys()])
      if (!marks.has(uid)) {
        told.current.delete(uid)
        annotation.state.removeAnnotation(uid)
        changed = true
      }
    // Planes have an engine of their own.
    if (changed) for (const one of getRenderingEngines() ?? []) one.render()
  }, [marks, engine, stacks, now])
}

function triples(values: unknown): Vec3[] {
  if (!Array.isArray(values)) return []
  return values.slice(0, POINTS_MAX).flatMap((one: unknown) => {
    const list = one && typeof one === 'object' ? Array.from(one as ArrayLike<unknown>).slice(0, 3) : []
    const numbers = list.filter((each): each is number => typeof each === 'number' && Number.isFinite(each))
    return numbers.length === 3 ? [numbers.map((each) => Math.round(each * 1000) / 1000) as unknown as Vec3] : []
  })
}

interface Drawing {
  label?: string
  text?: string
  handles?: { points?: unknown }
  contour?: { polyline?: unknown }
}

function markOf(one: ToolTypes.Annotation, tool: ToolName, by: number, stacks: readonly Stack[]): SharedMark | null {
  const imageId = one.metadata?.referencedImageId
  const frame = imageId ? stacks.flatMap((stack) => stack.frames).find((each) => each.imageId === imageId) : undefined
  const data = one.data as Drawing
  const points = triples(data.handles?.points)
  const outline = thinned(triples(data.contour?.polyline))
  const space = isOnPlane(one) ? (one.metadata?.FrameOfReferenceUID ?? null) : null
  if (!(frame ?? space) || (tool === 'freehand' ? outline.length < 3 : points.length === 0)) return null
  return {
    by,
    tool,
    sop: frame?.sopInstanceUid ?? '',
    frame: frame?.frameNumber ?? 0,
    space,
    points: tool === 'freehand' ? [] : points,
    outline,
    label: (data.label ?? data.text ?? '').slice(0, LABEL_MAX),
    normal: vec3(one.metadata?.viewPlaneNormal) ?? [0, 0, -1],
    up: vec3(one.metadata?.viewUp) ?? [0, -1, 0],
  }
}

function thinned(points: Vec3[]): Vec3[] {
  const step = Math.ceil(points.length / POINTS_MAX)
  return step > 1 ? points.filter((_, at) => at % step === 0) : points
}

/** The annotation that a mark is; null where its picture is not here, or it is of no tool. */
function annotationFrom(uid: string, mark: SharedMark, stacks: readonly Stack[]): ToolTypes.Annotation | null {
  const frame = stacks.flatMap((stack) => stack.frames).find((one) => one.sopInstanceUid === mark.sop && one.frameNumber === mark.frame)
  const points = triples(mark.points)
  const outline = triples(mark.outline)
  const fits = TOOL_NAMES.includes(mark.tool) && TOOLS[mark.tool].measures && (mark.tool === 'freehand' ? outline.length >= 3 : points.length > 0)
  const space = mark.space !== null && stacks.some((stack) => stack.frameOfReferenceUid === mark.space) ? mark.space : null
  if (!(frame ?? space) || !fits) return null
  const corner = [0, 0, 0]
  const uidOfSpace = space ?? frame?.metadata['00200052']?.Value?.[0]
  return {
    annotationUID: uid,
    highlighted: false,
    invalidated: true,
    isLocked: false,
    isVisible: true,
    metadata: {
      toolName: drawnBy(mark.tool),
      ...(space ? {} : { referencedImageId: frame?.imageId }),
      FrameOfReferenceUID: typeof uidOfSpace === 'string' ? uidOfSpace : undefined,
      viewPlaneNormal: [...(triples([mark.normal])[0] ?? [0, 0, -1])],
      viewUp: [...(triples([mark.up])[0] ?? [0, -1, 0])],
      ...(space ? { cameraFocalPoint: [...(points[0] ?? outline[0] ?? corner)] } : {}),
    },
    data: {
      label: String(mark.label).slice(0, LABEL_MAX),
      handles: {
        points: points.map((point) => [...point]),
        activeHandleIndex: null,
        ...(mark.tool === 'arrow' ? { arrowFirst: true } : {}),
        textBox: { hasMoved: false, worldPosition: corner, worldBoundingBox: { topLeft: corner, topRight: corner, bottomLeft: corner, bottomRight: corner } },
      },
      ...(mark.tool === 'freehand' ? { contour: { closed: true, polyline: outline.map((point) => [...point]) } } : {}),
      cachedStats: {},
    },
  } as unknown as ToolTypes.Annotation
}

/** Draws again when the pane does: pointers stand on the picture, not on the screen. */
export function useDrawn(engine: Engine, paneId: string): number {
  const [count, setCount] = useState(0)
  useEffect(() => {
    const element = engine.viewport(paneId)?.element
    // With the picture, and not a frame after it.
    const drawn = () => flushSync(() => setCount((before) => before + 1))
    element?.addEventListener(EVENTS.IMAGE_RENDERED, drawn)
    return () => element?.removeEventListener(EVENTS.IMAGE_RENDERED, drawn)
  }, [engine, paneId])
  return count
}

export { isOf }
