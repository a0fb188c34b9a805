import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { useMediaQuery } from '@mantine/hooks'
import { load, save } from '@/lib/storage'
import { toast } from '@/ui'
import { rateOf, useCine } from './cine'
import { takeEngine, type Count, type Engine } from './engine'
import { ExportButton } from './export/ExportButton'
import { useExportKeys } from './export/rights'
import type { Source } from './export/Panel'
import type { PlanesSource } from './export/planes'
import { applyLook } from './keep/applyLook'
import { KeptList } from './keep/KeptList'
import { laySoftcopy } from './keep/laySoftcopy'
import { LeaveQuestion } from './keep/LeaveQuestion'
import { isAbout, lookOf } from './keep/presentation'
import { namedElsewhere } from './keep/keyObjects'
import { type KeptDocument } from './keep/structured'
import { useKeeping, type OnScreen } from './keep/useKeeping'
import { useKeyImages, windowOn } from './keyImages'
import type { Screens } from './hanging/screens'
import { useProtocols } from './hanging/useProtocols'
import { useScreens } from './hanging/useScreens'
import { slabOf, useStaging } from './hanging/useStaging'
import { useDress } from './hanging/useDress'
import type { Vec3 } from './geometry'
import { cells, PANES, panesOf, SIDE_BY_SIDE, type PaneId } from './layout'
import { AskWords } from './measure/AskWords'
import { annotationOf } from './measure/draw'
import { MeasurementList } from './measure/MeasurementList'
import type { Measurement } from './measure/measurements'
import { Placing } from './measure/Placing'
import { POINTS } from './measure/shapes'
import { labelAt } from './measure/spine'
import { useMeasurements } from './measure/useMeasurements'
import { nearestIndexTo } from './overlays/Overlaid'
import { OverlayList } from './overlays/OverlayList'
import { useValuesOver } from './overlays/useValuesOver'
import { laidOn, useOverlays, type Goal } from './overlays/useOverlays'
import { fits } from './overlays/layers'
import { Pane } from './Pane'
import { isPlayed } from './papers/kinds'
import { PaperPane } from './papers/PaperPane'
import { usePapers } from './papers/usePapers'
import { Pointers } from './Pointers'
import { useShared, type Share } from './shared'
import { pictureActions } from './pictureActions'
import { giveGreys } from './pixels/voiTable'
import { VolumeStage } from './planesLater'
import { presetsFor } from './presets'
import { isLocaliser, type Stack } from './stacks'
import { MaskDrag } from './subtract/MaskDrag'
import { isRun } from './subtract/mask'
import { isDifference, sourceOf } from './subtract/pictures'
import { SubtractionBar, useSubtractionKeys } from './subtract/SubtractionBar'
import { useSubtraction } from './subtract/useSubtraction'
import { shownWindow } from './pixels/storedWindow'
import { inListOrder } from './seriesOrder'
import { useSteady } from './steady'
import { priorLabel, type ViewerStudy } from './study'
import { Thumbnails } from './Thumbnails'
import { Toolbar, type ToolbarProps } from './Toolbar'
import type { HandName } from './toolLabels'
import { ROOM_FOR_TWO_PX, useHanging, type Hung } from './useHanging'
import { useTogether } from './useTogether'
import { patientIn, viewOf } from './view'
import { FASTEST, SLOWEST, type SharedCine } from './volume/sharedPlanes'
import { AT_FIRST, type Slab } from './volume/slab'
import { judgeStack } from './volume/volumes'
import { useStudy, type LoadedStudy } from './useStudy'
import classes from './viewer.module.css'

export interface ViewerProps {
  study: ViewerStudy
  /** Earlier studies of the patient, the most telling first. */
  priors: readonly ViewerStudy[]
  /** Whether this person may mark key images. */
  canMark: boolean
  /** The first picture is drawn: what takes long beside it may begin. */
  onFirst?: () => void
  /** A key image was marked or unmarked. */
  onKeyImage?: () => void
  /** Where it is looked at together with others. */
  share?: Share
  /** Where the case is shown in several windows. */
  screens?: Screens
}

/** The images of a study, and a prior beside them. It fills its parent, which is positioned and has a height. */
export function Viewer(props: ViewerProps) {
  // Another study is another viewer: nothing of the one before stays on the screen.
  return <StudyViewer key={props.study.study_pk} {...props} />
}

const NONE: Count = { full: 0, coarse: null }

interface Asked {
  before: string
  done: (words: string | null) => void
}

function StudyViewer({ study, priors, canMark, onFirst, onKeyImage, share, screens }: ViewerProps) {
  const [engine, setEngine] = useState<Engine | null>(null)
  const [fault, setFault] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  const touch = useMediaQuery('(pointer: coarse)', false, { getInitialValueInEffect: false })
  const [tool, setTool] = useState<HandName>(touch ? 'scroll' : 'window')
  const [active, setActive] = useState<PaneId>('a')
  const [alone, setAlone] = useState(false)
  const [playing, setPlaying] = useState(false)
  /** Pictures a second that were chosen for a stack; another plays as it says. */
  const [chosenRate, setRate] = useState<{ stackKey: string | null; rate: number } | null>(null)
  // On a phone the picture needs the whole width.
  const [thumbnails, setThumbnails] = useState(() => load('viewer-series', window.innerWidth >= 600))
  const [listed, setListed] = useState(() => load('viewer-measurements', false))
  const [layersListed, setLayersListed] = useState(false)
  const [spotOnPlanes, setSpotOnPlanes] = useState<{ point: Vec3 } | null>(null)
  const [counts, setCounts] = useState<ReadonlyMap<string, Count>>(new Map())
  const [indexes, setIndexes] = useState<Partial<Record<PaneId, number>>>({})
  const [over, setOver] = useState<PaneId | null>(null)
  const [asked, setAsked] = useState<Asked | null>(null)
  const [planes, setPlanes] = useState(false)
  const [onPlane, setOnPlane] = useState<{ uid: string } | null>(null)
  const slab = useRef<Slab>(AT_FIRST)
  const planesLeaving = useRef<(() => PlanesSource | null) | null>(null)
  const [marks, setMarks] = useState(true)
  const [placing, setPlacing] = useState(false)

  const loaded = useStudy(study.study_instance_uid)
  // A prior waits until the study that is read can be seen.
  const seen = loaded.stacks.length + loaded.papers.length + loaded.layers.length > 0
  const [wanted, setWanted] = useState<ViewerStudy | null>(priors[0] ?? null)
  const loadedPrior = useStudy(seen && wanted ? wanted.study_instance_uid : null)
  // Who follows a lead sees what the lead hangs.
  const protocols = useProtocols(share?.mode !== 'follow')
  const hanging = useHanging({ study, priors, prior: wanted, loaded, loadedPrior, root, protocols, chooses: !(screens && 'after' in screens) })
  const { layout, hungIn, paperIn } = hanging
  const keys = useKeyImages(study.study_pk, canMark, onKeyImage)
  const elsewhere = useMemo(() => namedElsewhere(loaded.documents, loaded.stacks.flatMap((stack) => stack.frames)), [loaded.documents, loaded.stacks])
  const drawn = useMeasurements(engine)
  const [applied, setApplied] = useState<KeptDocument | null>(null)

  useEffect(() => {
    let made: Engine | null = null
    try {
      made = takeEngine()
      made.askWords = (before, done) => setAsked({ before, done })
      setEngine(made)
    } catch {
      setFault(true)
    }
    return () => {
      setEngine(null)
      made?.end()
    }
  }, [])

  useEffect(() => {
    engine?.use(tool === 'locate' ? null : tool)
  }, [engine, tool])

  const visible = panesOf(layout)
  const activePane = visible.includes(active) ? active : 'a'
  const subtracting = useSubtraction({
    engine,
    visible,
    active: activePane,
    hungIn: hanging.stackIn,
    loaded: hanging.opened.map((one) => one.loaded.stacks),
    frame: (stack) => stack.frames[indexNow(activePane)],
    drive: (id) => together.drive(id),
  })
  const { stackIn, subtractionIn } = subtracting
  /** The picture that is seen at this moment: `indexes` follow it a little later, and an action is meant for what is seen. */
  const indexNow = (id: PaneId) => {
    const seen = engine?.imageOn(id)
    const index = seen ? (stackIn(id)?.frames.findIndex((frame) => frame.imageId === seen) ?? -1) : -1
    return index >= 0 ? index : (indexes[id] ?? 0)
  }
  const [dragsMask, setDragsMask] = useState(false)
  const activeStack = stackIn(activePane)
  const activeIndex = indexes[activePane] ?? 0
  const activeFrame = activeStack?.frames[activeIndex]
  const judged = activeStack ? judgeStack(activeStack) : null
  const inPlanes = planes && judged?.isVolume === true
  const shownOf = (of: ViewerStudy) =>
    visible.flatMap((id) => {
      const stack = stackIn(id)
      return stack && hungIn(id)?.study.study_pk === of.study_pk ? [{ id, stack }] : []
    })
  const onScreen = (of: ViewerStudy, from: LoadedStudy): OnScreen => ({
    studyPk: of.study_pk,
    studyInstanceUid: of.study_instance_uid,
    prior: of === study ? null : priorLabel(of, study),
    stacks: from.stacks,
    documents: from.documents,
    complete: !from.loading,
    marked: of === study ? keys.marked : null,
    panes: shownOf(of),
  })
  const studies = hanging.opened.map((one) => onScreen(one.study, one.loaded))
  const keeping = useKeeping({ mayKeep: canMark, engine, drawn, studies })

  const openStacks = hanging.opened.flatMap((one) => one.loaded.stacks)
  const overlays = useOverlays(
    hanging.opened.flatMap((one) => one.loaded.layers),
    openStacks,
    hanging.opened.flatMap((one) => one.loaded.papers.flatMap((paper) => (paper.kind === 'object' ? [paper.instance] : []))),
    hanging.opened.some((one) => one.loaded.loading),
    (goal) => goToPart(goal),
  )
  useValuesOver(overlays.shown, overlays.stacks, () => visible.flatMap((id) => engine?.viewport(id)?.element ?? []))

  const hangIn = (id: PaneId, next: Hung | null, index?: number) => {
    together.forget(id)
    papers.leave(id, next)
    setIndexes((before) => ({ ...before, [id]: index }))
    hanging.hangIn(id, next)
  }

  const papers = usePapers({
    hanging,
    hangIn,
    active: activePane,
    indexes,
    beside: (from, { index, ...found }) => {
      setAlone(false)
      const there = visible.find((id) => hungIn(id)?.stackKey === found.stackKey)
      const free = visible.find((id) => id !== from && stackIn(id)) ?? visible.find((id) => id !== from)
      const splits = !free && (root.current?.clientWidth ?? 0) >= ROOM_FOR_TWO_PX
      if (splits) hanging.setLayout(SIDE_BY_SIDE)
      const pane = index === null ? (there ?? from) : (there ?? free ?? (splits ? 'b' : from))
      activate(pane)
      if (there && index !== null) engine?.goTo(there, index)
      else if (!there) hangIn(pane, found, index ?? undefined)
      // What a report draws there is seen there.
      const told = paperIn(from)?.sopInstanceUid
      const document = hanging.opened.flatMap((one) => one.loaded.documents).find((one) => one.sopInstanceUid === told && one.kind === 'report')
      if (index !== null && document) setApplied(document)
    },
  })

  const rate = chosenRate && chosenRate.stackKey === (activeStack?.key ?? null) ? chosenRate.rate : rateOf(activeStack)
  const cine: SharedCine | null = playing && !inPlanes ? { pane: activePane, rate } : null
  const { following, planes: planesTogether } = useShared({
    share,
    engine,
    root,
    layout,
    visible,
    studies: [study, ...priors],
    // A mark on a difference is found on that.
    stacks: [...visible.flatMap((id) => (subtractionIn(id) ? (stackIn(id) ?? []) : [])), ...hanging.opened.flatMap((one) => one.loaded.stacks)],
    subtract: subtracting.set,
    papers: hanging.opened.flatMap((one) => one.loaded.papers),
    stackIn,
    paperIn,
    placesIn: papers.placesIn,
    hungIn,
    hangIn,
    setLayout: hanging.setLayout,
    want: setWanted,
    planes: inPlanes ? activePane : null,
    showPlanes: (through) => {
      setPlanes(through !== null)
      if (through) setActive(through)
    },
    cine,
    play: (next) => {
      setPlaying(next !== null)
      if (!next) return
      setActive(next.pane)
      setRate({ stackKey: stackIn(next.pane)?.key ?? null, rate: next.rate })
    },
    laid: overlays.shared,
  })
  const together = useTogether({ engine, visible, active: activePane, stackIn, studyPkIn: (id) => hungIn(id)?.study.study_pk ?? 0, indexes, led: following })

  const dress = useDress(engine, hanging, visible)
  const staging = useStaging({ study, priors, engine, hanging, protocols, visible, active: activePane, inPlanes, links: together.links, slab: slab.current, onWindow: screens && 'open' in screens ? screens.open : undefined })
  useScreens(screens, hanging, protocols)
  // What a stage says of the panes as a whole.
  const byProtocol = hanging.applied
  const staged = (byProtocol?.protocol.display_sets.length ?? 0) > 1
  useEffect(() => {
    const stage = byProtocol?.protocol.display_sets[byProtocol.stage]
    if (!stage) return
    setAlone(false)
    setIndexes({})
    together.link(stage.together)
    const through = stage.reformatting
    setPlanes(through != null)
    if (through) setActive(PANES[through.image_box_number - 1] ?? 'a')
    // Once for each stage that is hung.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [byProtocol?.stamp])

  // Pictures are fetched ahead: what is on the screen first, then the rest of the study.
  const ahead = [
    ...visible.map((id) => ({ id, stack: stackIn(id) })),
    ...loaded.stacks.map((stack) => ({ id: null, stack })),
  ].filter((one): one is { id: PaneId | null; stack: Stack } => one.stack !== null)
  const aheadKey = ahead.map((one) => `${one.stack.key}:${one.stack.length}${one.stack.subtraction ? `:${one.id}` : ''}`).join('|')
  useEffect(() => {
    if (!engine) return
    const once = new Map(ahead.map((one) => [one.stack.key, one] as const).reverse())
    const list = ahead.filter((one) => once.get(one.stack.key) === one)
    engine.prefetch(
      list.map(({ id, stack }) => ({ stack, from: (id && indexes[id]) || Math.floor((stack.length - 1) / 2), seen: id !== null })),
      (stack, count) => setCounts((before) => new Map(before).set(stack.key, count)),
    )
    // Only another set of stacks begins another fetching; where the reader stands now is where it begins.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [engine, aheadKey])

  const activate = (id: PaneId) => {
    hanging.touched()
    together.drive(id)
    setActive(id)
  }

  const first = useRef(true)
  const onSeen = () => {
    if (first.current) onFirst?.()
    first.current = false
  }
  const onImage = (id: PaneId, index: number) => {
    onSeen()
    setIndexes((before) => (before[id] === index ? before : { ...before, [id]: index }))
    // What a rule says of a window is not meant for differences.
    if (!subtractionIn(id)) dress.drawn(id)
    together.onImage(id, index)
  }

  const viewport = () => {
    // While planes cover the panes, what is under them stays as it is.
    if (inPlanes) return undefined
    const shown = engine?.viewport(activePane)
    return shown?.getImageIds().length ? shown : undefined
  }
  const goTo = (index: number) => {
    if (!activeStack || inPlanes) return
    hanging.touched()
    together.drive(activePane)
    engine?.goTo(activePane, Math.max(0, Math.min(activeStack.length - 1, index)))
  }
  useCine(engine, playing && !inPlanes, activePane, activeStack, rate)

  const jump = (to: Measurement) => {
    if (!to.plane || !inPlanes) activeOf(to.imageId)
    if (to.plane) {
      setPlanes(true)
      setOnPlane({ uid: to.uid })
    }
    drawn.select(to.uid)
  }
  /** Shows a picture: in the pane that has its stack, else in the pane with the keys. */
  const activeOf = (imageId: string | null) => {
    const found = imageId ? stackWith(sourceOf(imageId)) : null
    if (!imageId || !found) return
    const holder = visible.find((id) => stackIn(id)?.frames.some((frame) => frame.imageId === imageId))
    if (isDifference(imageId) && !holder) toast('This was measured on a subtraction that is not shown now.')
    const pane = holder ?? visible.find((id) => stackIn(id)?.key === found.stack.key)
    activate(pane ?? activePane)
    if (pane) engine?.goTo(pane, found.index)
    else hangIn(activePane, { study: found.study, stackKey: found.stack.key }, found.index)
  }
  /** Shows where a segment or a region is largest: on the planes, or on a picture that it fits, one that is seen if it can be. */
  const goToPart = ({ layer, part, point, picture }: Goal) => {
    if (inPlanes && point && activeStack && fits(layer, part, activeStack)) return setSpotOnPlanes({ point })
    const all = hanging.opened.flatMap((one) => one.loaded.stacks)
    const named = picture === null ? undefined : all.flatMap((stack) => stack.frames).find((frame) => `${frame.sopInstanceUid}/${frame.frameNumber}` === picture)
    if (named) return activeOf(named.imageId)
    const fitting = all.filter((stack) => fits(layer, part, stack))
    const hangs = (stack: Stack) => visible.some((id) => stackIn(id)?.key === stack.key)
    const isPlain = (stack: Stack) => !isLocaliser(stack)
    const best =
      fitting.find((stack) => stack.key === activeStack?.key) ??
      fitting.find(hangs) ??
      fitting.find((stack) => layer.series.has(stack.seriesInstanceUid) && isPlain(stack)) ??
      fitting.find(isPlain) ??
      fitting[0]
    const index = best && point ? nearestIndexTo(best, point) : null
    if (best && index !== null) activeOf(best.frames[index]?.imageId ?? null)
    else toast(point || picture ? 'Its images are not open.' : `${part.label} is empty.`)
  }
  const stackWith = (imageId: string): { study: ViewerStudy; stack: Stack; index: number } | null => {
    const all = hanging.opened.flatMap((one) => one.loaded.stacks.map((stack) => ({ study: one.study, stack })))
    for (const one of all) {
      const index = one.stack.frames.findIndex((frame) => frame.imageId === imageId)
      if (index >= 0) return { ...one, index }
    }
    return null
  }

  /** Shows what was left on the study: measurements and graphics on their pictures, pictures as they were seen. */
  const showKept = (document: KeptDocument) => {
    if (document.kind === 'measurements') {
      const count = keeping.restore([document])
      toast(count ? `Shown: ${count} measurement${count === 1 ? '' : 's'}.` : 'Its measurements are on pictures, or of kinds, that cannot be shown here.')
      return
    }
    if (document.sopInstanceUid === applied?.sopInstanceUid) {
      setApplied(null)
      if (document.kind === 'presentation') on.reset()
      return
    }
    const frames = loaded.stacks.flatMap((stack) => stack.frames)
    const target = activeFrame && isAbout(document.instance, activeFrame) ? activeFrame : frames.find((frame) => isAbout(document.instance, frame))
    if (!target) {
      // Its words can be read all the same.
      if (document.kind === 'report') setApplied(document)
      else toast('Its pictures are not in this study.')
      return
    }
    if (target !== activeFrame) activeOf(target.imageId)
    setApplied(document)
  }
  // A presentation state is applied when the picture that it is about is the one that is drawn.
  const about = applied?.kind === 'presentation' && activeFrame && !activeFrame.subtracted && isAbout(applied.instance, activeFrame) ? activeFrame : null
  const lastApplied = useRef<string | null>(null)
  useEffect(() => {
    const key = applied && about ? applied.sopInstanceUid : null
    if (key === lastApplied.current) return
    lastApplied.current = key
    const shown = engine?.viewport(activePane)
    if (!applied || !about || !shown || engine?.imageOn(activePane) !== about.imageId) return
    giveGreys(shown, null)
    const look = lookOf(applied.instance, about)
    applyLook(shown, about, { ...look, window: look.window && shownWindow(about.metadata, look.window) })
    const still = () => lastApplied.current === key && engine.imageOn(activePane) === about.imageId
    laySoftcopy(shown, applied.instance, about.imageId, still).then(
      (done) => (done ? undefined : toast('Not shown: its tables of greys; they do not fit to how this picture is stored.')),
      () => toast('Not shown: its tables of greys; they could not be fetched.'),
    )
  }, [applied, about, engine, activePane])

  const onPlaced = (points: readonly (readonly [number, number])[]) => {
    setPlacing(false)
    const shown = viewport()
    if (!shown) return
    const [first] = points
    if (tool === 'locate') {
      if (first) together.locate(activePane, shown.canvasToWorld([first[0], first[1]]))
      return
    }
    const make = (label: string) => drawn.add(annotationOf(tool, shown, points, label))
    const level = tool === 'spine' ? labelAt(annotationOf(tool, shown, points, '')) : null
    if (level) make(level)
    else if (tool === 'arrow' || tool === 'text' || tool === 'spine') setAsked({ before: '', done: (words) => (words ? make(words) : undefined) })
    else make('')
  }

  const hung = hanging.stackIn(activePane)
  useSubtractionKeys(subtracting, hung !== null && isRun(hung), activeStack?.subtraction !== undefined)

  const actions = pictureActions(engine, activePane, viewport, together.drive)
  const on: ToolbarProps['on'] = {
    ...actions,
    reset: () => {
      setDragsMask(false)
      if (viewport()) subtracting.reset(activePane)
      actions.reset()
    },
    subtract: subtracting.toggle,
    tool: (next) => {
      setPlacing(false)
      setTool(next)
    },
    layout: (next) => {
      setAlone(false)
      hanging.setLayout(next)
    },
    compare: () => {
      setAlone(false)
      hanging.compare()
    },
    link: together.toggle,
    play: () => setPlaying(!playing),
    rate: (by) => setRate({ stackKey: activeStack?.key ?? null, rate: Math.max(SLOWEST, Math.min(FASTEST, Math.round(rate + by))) }),
    mark: () => {
      const frame = activeStack?.frames[indexNow(activePane)]
      const shown = viewport()
      if (frame && hungIn(activePane)?.study.study_pk === study.study_pk) keys.toggle(frame, shown && windowOn(shown, frame))
    },
    planes: () => {
      if (inPlanes || judged?.isVolume) setPlanes(!inPlanes)
      else if (judged) toast(`No planes: ${judged.reason}`)
    },
    marks: () => setMarks(!marks),
    maximise: () => setAlone(!alone),
    place: () => {
      if (tool === 'locate' || POINTS[tool] !== undefined) setPlacing(viewport() !== undefined)
    },
    removeSelected: drawn.removeSelected,
    removeAll: drawn.removeAll,
    undo: drawn.undo,
    redo: drawn.redo,
    nextMeasurement: (step) => {
      const at = drawn.list.findIndex((one) => one.selected)
      const next = drawn.list[at < 0 ? (step > 0 ? 0 : drawn.list.length - 1) : (at + step + drawn.list.length) % drawn.list.length]
      if (next) jump(next)
    },
    keep: () => void keeping.keep(),
    insert: keeping.insert,
    measurements: () => {
      save('viewer-measurements', !listed)
      setListed(!listed)
    },
    overlays: overlays.toggleAll,
    overlayList: () => setLayersListed(!layersListed),
    overlayStep: overlays.step,
    thumbnails: () => {
      save('viewer-series', !thumbnails)
      setThumbnails(!thumbnails)
    },
    // From where the viewport is going, not where it is: keys repeat faster than pictures are drawn.
    scroll: (images) => goTo((viewport()?.getTargetImageIdIndex() ?? activeIndex) + images),
    end: (last) => goTo(last && activeStack ? activeStack.length - 1 : 0),
    series: (step) => {
      if (inPlanes) return
      const of = hungIn(activePane)?.study
      const from = hanging.opened.find((one) => one.study.study_pk === of?.study_pk)?.loaded
      const keysOf = inListOrder(from?.series ?? []).flatMap((one) => [...(one.stacks ?? []), ...one.papers].map((each) => each.key))
      const next = keysOf[keysOf.indexOf(hungIn(activePane)?.stackKey ?? '') + step]
      if (next && of) hangIn(activePane, { study: of, stackKey: next })
    },
    pane: (step) => {
      const at = visible.indexOf(activePane)
      activate(visible[(at + step + visible.length) % visible.length] ?? 'a')
    },
  }

  const toPaneIn = (id: PaneId) => {
    const [shown, stack, imageId] = [engine?.viewport(id), stackIn(id), engine?.imageOn(id)]
    return (shown && stack && imageId && viewOf(shown, stack, imageId, shown.element)?.toPane) || null
  }

  const leaving = (): Source | PlanesSource | string => {
    if (inPlanes) return planesLeaving.current?.() ?? 'There is no plane to export yet.'
    const pickOf = (id: PaneId) => {
      const [stack, of, shown] = [stackIn(id), hungIn(id)?.study, engine?.viewport(id)]
      return stack && of && shown && engine?.imageOn(id) ? [{ study: of, stack, index: shown.getCurrentImageIdIndex(), like: { viewport: shown, shows: true } }] : []
    }
    const [current] = pickOf(activePane)
    if (paperIn(activePane)) return 'This is no image: it is saved, and a document printed, from its own line.'
    if (!engine || !current) return 'There is no image to export yet.'
    const marked = loaded.stacks.flatMap((stack) =>
      stack.frames.flatMap((frame, index) =>
        keys.isKey(frame.sopInstanceUid, frame.frameNumber) ? [{ study, stack, index, like: { viewport: current.like.viewport, shows: stack === current.stack } }] : [],
      ),
    )
    return { engine, graphics: applied && !applied.ours ? applied.instance : null, laid: overlays.shown, active: current, panes: visible.flatMap(pickOf), keys: marked }
  }

  const steadyOn = useSteady(papers.hands(on))
  const steady = useSteady({
    leaving,
    lay: overlays.toggleSeries,
    hang: (of: ViewerStudy, stackKey: string) => hangIn(activePane, { study: of, stackKey }),
    drop: (pane: PaneId, of: ViewerStudy, stackKey: string) => {
      hangIn(pane, { study: of, stackKey })
      activate(pane)
    },
  })
  const { wished, onTaken } = useExportKeys()
  const exporting = useMemo(() => <ExportButton source={steady.leaving} wished={wished} onTaken={onTaken} />, [steady, wished, onTaken])
  const onDropped = useCallback((pane: PaneId | null) => setOver(pane), [])

  if (fault)
    return (
      <div className={classes['viewer']} ref={root}>
        <p className={classes['note']} role="alert">
          This browser cannot draw images (WebGL is missing). The study is safe; open it on another device.
        </p>
      </div>
    )

  const patientId = patientIn(loaded.stacks[0]?.frames[0]?.metadata ?? loaded.papers[0]?.instance).id
  const shownKeys = new Set(visible.map((id) => hungIn(id)?.stackKey).filter((key): key is string => key !== undefined))
  const paneElement = placing ? engine?.viewport(activePane)?.element : undefined
  return (
    <div className={classes['viewer']} ref={root} data-testid="viewer">
      {thumbnails ? (
        <Thumbnails
          study={study}
          priors={priors}
          loaded={loaded}
          prior={hanging.prior}
          loadedPrior={loadedPrior}
          shown={shownKeys}
          active={hungIn(activePane)?.stackKey ?? null}
          laid={new Set(overlays.views.flatMap((one) => (one.seen.on ? [one.layer.seriesInstanceUid] : [])))}
          onLay={steady.lay}
          onHang={steady.hang}
          onPrior={setWanted}
          onDrop={steady.drop}
          onOver={onDropped}
        />
      ) : null}
      <div className={classes['stage']}>
        <Toolbar
          tool={tool}
          layout={layout}
          links={together.links}
          planes={inPlanes}
          playing={playing ? rate : null}
          isKey={activeFrame ? keys.isKey(activeFrame.sopInstanceUid, activeFrame.frameNumber) : false}
          thumbnails={thumbnails}
          measurements={{ shown: listed, count: drawn.list.length }}
          overlays={overlays.views.length ? { shown: layersListed, on: overlays.isOn, count: overlays.views.length } : null}
          presets={activeStack?.subtraction ? [] : presetsFor(activeStack?.modality ?? null, activeStack?.bodyPart ?? null)}
          subtracted={activeStack?.subtraction !== undefined}
          hanging={staging.menu}
          staged={staged}
          can={{
            compare: priors.length > 0,
            mark: canMark,
            keep: canMark,
            play: (activeStack?.length ?? 0) > 1 || isPlayed(paperIn(activePane)),
            pace: paperIn(activePane)?.kind === 'video',
            planes: judged === null ? null : judged.isVolume ? true : judged.reason,
            window: activeStack !== null,
            subtract: subtracting.can,
          }}
          on={steadyOn}
        >
          {exporting}
        </Toolbar>
        {activeStack?.subtraction && !inPlanes ? (
          <SubtractionBar
            subtracting={subtracting}
            how={activeStack.subtraction}
            stack={activeStack}
            words={activeFrame?.subtracted?.words ?? null}
            dragging={dragsMask}
            onDrag={setDragsMask}
          />
        ) : null}
        <div className={classes['floor']}>
          <div
            className={classes['grid']}
            data-layout={cells(layout)}
            style={{ gridTemplate: `repeat(${layout.rows}, minmax(0, 1fr)) / repeat(${layout.columns}, minmax(0, 1fr))` }}
          >
            {engine
              ? visible.map((id) => {
                  const one = hungIn(id)
                  const stack = stackIn(id)
                  const paper = paperIn(id)
                  if (one && paper)
                    return (
                      <PaperPane
                        key={`${id} ${paper.key}`}
                        paneId={id}
                        study={one.study}
                        prior={one.study.study_pk !== study.study_pk ? priorLabel(one.study, study) : null}
                        paper={paper}
                        patientId={patientId}
                        active={id === activePane && cells(layout) > 1}
                        alone={alone && id === activePane && cells(layout) > 1}
                        over={id === over}
                        onActivate={() => activate(id)}
                        onShown={onSeen}
                        links={papers.links}
                        onHands={papers.onHands}
                        placesIn={papers.placesIn}
                        pointers={share?.pointers}
                        onClose={papers.backIn(id)}
                      />
                    )
                  return (
                    <Pane
                      key={id}
                      engine={engine}
                      paneId={id}
                      study={one?.study ?? null}
                      prior={one && one.study.study_pk !== study.study_pk ? priorLabel(one.study, study) : null}
                      stack={stack}
                      start={indexes[id] ?? null}
                      patientId={patientId}
                      waiting={hanging.missingIn(id) ?? waitingWords(id, loaded, loadedPrior, hanging.prior)}
                      active={id === activePane && cells(layout) > 1}
                      alone={alone && id === activePane && cells(layout) > 1}
                      over={id === over}
                      isKey={(uid, frame) => keys.isKey(uid, frame) || elsewhere.has(`${uid}/${frame}`)}
                      loaded={(stack && counts.get(stack.key)) ?? NONE}
                      marks={marks}
                      laid={stack && laidOn(overlays, stack)}
                      graphics={applied && stack && !applied.ours ? applied.instance : null}
                      lines={together.linesIn(id)}
                      spot={together.spotIn(stack)}
                      onActivate={() => activate(id)}
                      onImage={(index) => onImage(id, index)}
                      onView={(changed) => (dress.busy() ? undefined : together.onView(id, changed))}
                      onDouble={() => (cells(layout) > 1 ? setAlone(!alone) : undefined)}
                      onLocate={tool === 'locate' ? (point) => together.locate(id, point) : null}
                    >
                      {dragsMask && stack?.subtraction && id === activePane ? <MaskDrag toPane={() => toPaneIn(id)} onMove={subtracting.move} /> : null}
                      {share ? <Pointers engine={engine} paneId={id} pointers={share.pointers} /> : null}
                      {paneElement && id === activePane ? (
                        <Placing
                          key={tool}
                          tool={tool}
                          width={paneElement.clientWidth}
                          height={paneElement.clientHeight}
                          onDone={onPlaced}
                          onStop={() => setPlacing(false)}
                        />
                      ) : null}
                    </Pane>
                  )
                })
              : null}
            {inPlanes && activeStack ? (
              <VolumeStage
                study={hungIn(activePane)?.study ?? study}
                prior={hungIn(activePane)?.study.study_pk === study.study_pk ? null : priorLabel(hungIn(activePane)?.study ?? study, study)}
                key={byProtocol?.stamp}
                stack={activeStack}
                others={hanging.opened.flatMap((one) => one.loaded.stacks.map((stack) => ({ study: one.study, stack })))}
                tool={tool}
                slabAtFirst={slabOf(byProtocol?.protocol.display_sets[byProtocol.stage]?.reformatting)}
                onSlab={(next) => {
                  slab.current = next
                }}
                shown={onPlane}
                laid={laidOn(overlays, activeStack)}
                spot={spotOnPlanes}
                leaving={planesLeaving}
                together={planesTogether}
                pointers={share?.pointers}
                staged={staged}
                onClose={() => {
                  setOnPlane(null)
                  setPlanes(false)
                }}
              />
            ) : null}
          </div>
          {staging.editor}
          {layersListed && overlays.views.length ? <OverlayList overlays={overlays} /> : null}
          {listed ? (
            <MeasurementList
              measurements={drawn.list}
              placeOf={(one) => {
                const found = one.imageId ? stackWith(sourceOf(one.imageId)) : null
                return found
                  ? [isDifference(one.imageId) ? 'Subtracted' : null, found.study.study_pk === study.study_pk ? null : 'Prior', found.stack.label, `${found.index + 1} / ${found.stack.length}`]
                      .filter(Boolean)
                      .join(' · ')
                  : null
              }}
              onJump={jump}
              onRemove={(one) => drawn.remove([one.uid])}
            >
              <KeptList
                documents={loaded.documents}
                frames={loaded.stacks.flatMap((stack) => stack.frames)}
                applied={applied?.sopInstanceUid ?? null}
                mayKeep={canMark}
                unsaved={keeping.unsaved}
                busy={keeping.busy}
                onKeep={() => void keeping.keep()}
                onInsert={keeping.insert}
                onShow={showKept}
                onPicture={activeOf}
                onRead={(document) => papers.read(study, document.sopInstanceUid)}
              />
            </MeasurementList>
          ) : null}
        </div>
      </div>
      {keeping.blocker.status === 'blocked' ? <LeaveQuestion priors={keeping.unkept.filter((one) => one !== null)} onStay={keeping.blocker.reset} onLeave={keeping.blocker.proceed} /> : null}
      {asked ? (
        <AskWords
          before={asked.before}
          onDone={(words) => {
            setAsked(null)
            asked.done(words)
          }}
        />
      ) : null}
    </div>
  )
}

function waitingWords(id: PaneId, loaded: LoadedStudy, loadedPrior: LoadedStudy, prior: ViewerStudy | null): string {
  if (id === 'a') {
    if (loaded.error && !loaded.stacks.length) return 'The images could not be listed. They are safe in the archive; try again.'
    if (loaded.layers.length && !loaded.loading) return 'This study has no images of its own: what it holds is laid over the images of another study.'
    return loaded.loading ? 'Opening the study' : 'This study has no images yet. They appear here as they arrive.'
  }
  if (prior && loadedPrior.loading) return 'Opening the prior'
  return 'Choose a series'
}
