import { Loader } from '@mantine/core'
import { IconStarFilled } from '@tabler/icons-react'
import { useEffect, useLayoutEffect, useRef, useState, type PointerEvent, type ReactNode } from 'react'
import { flushSync } from 'react-dom'
import { formatPersonName } from '@/lib/personname'
import { formatDicomDate } from '@/lib/time'
import { EVENTS, eventTarget, type Count, type Engine, type Quality } from './engine'
import { vec3, type Vec3 } from './geometry'
import { Lines } from './Lines'
import { awayFrom, type Segment } from './planes'
import type { DicomJson } from './dicom'
import { graphicsOf } from './keep/presentation'
import { Drawn } from './presentation/Drawn'
import { Overlaid } from './overlays/Overlaid'
import { ValuesHere } from './overlays/ValuesHere'
import type { Shown as Laid } from './overlays/useOverlays'
import { Marks } from './presentation/Marks'
import { QualityMark } from './presentation/QualityMark'
import { suvOf } from './pixels/suv'
import { sameFrames, speltLaterality, startOf, type Stack } from './stacks'
import type { ViewerStudy } from './study'
import { patientOf, scaleBar, viewOf, type View } from './view'
import classes from './viewer.module.css'

export interface PaneProps {
  engine: Engine
  paneId: string
  study: ViewerStudy | null
  /** `PRIOR · 14 months`; null for the study that is read. */
  prior: string | null
  stack: Stack | null
  /** The patient of the study that is read, as its images say; another one beside it is called out. */
  patientId: string | null
  /** Why there is no stack, while there is none. */
  waiting: string
  active: boolean
  /** It covers the other panes. */
  alone: boolean
  /** Something is held over it that would hang here. */
  over: boolean
  /** The picture to begin with; null: the middle of slices, the first of others. */
  start: number | null
  /** Whether overlays and shutters are laid over the picture. */
  marks: boolean
  /** What is laid over its pictures, and what is said of it; null: there is nothing to be laid over them. */
  laid: { shown: readonly Laid[]; chosen: { key: string; part: number } | null; words: string } | null
  /** A presentation state whose graphics are drawn on the pictures that it names. */
  graphics: DicomJson | null
  /** Where the picture with the keys cuts this one. */
  lines: { main: Segment | null; ends: readonly Segment[] } | null
  /** A place in the patient that was pointed out. */
  spot: Vec3 | null
  isKey: (sopInstanceUid: string, frameNumber: number) => boolean
  /** How many of the stack's pictures are here. */
  loaded: Count
  onActivate: () => void
  /** The picture that is shown now, also when the reader did not move it. */
  onImage: (index: number) => void
  /** The reader, or a follower's driver, moved, turned or enlarged the picture, or set another window. */
  onView: (changed: 'camera' | 'window') => void
  /** Two taps or clicks. */
  onDouble: () => void
  /** A press on the picture points out a place; null: it does not. */
  onLocate: ((point: Vec3) => void) | null
  children?: ReactNode
}

const DOUBLE_MS = 350
const DOUBLE_PX = 16
/** Nearer than this to a picture, a place is on it. */
const SAME_SLICE_MM = 3

type Shown = { state: 'loading' | 'shown' } | { state: 'failed'; index: number }
const SHOWN: Shown = { state: 'shown' }

/** One picture area with its corners. */
export function Pane(props: PaneProps) {
  const { engine, paneId, study, prior, stack, active, loaded, onActivate } = props
  const element = useRef<HTMLDivElement>(null)
  const current = useRef<Stack | null>(stack)
  const onImage = useRef(props.onImage)
  const onView = useRef(props.onView)
  const isDouble = useDoubleTap()
  const [view, setView] = useState<View | null>(null)
  const [shown, setShown] = useState<Shown>({ state: 'loading' })
  const [quality, setQuality] = useState<Quality>('full')

  useEffect(() => {
    onImage.current = props.onImage
    onView.current = props.onView
  })

  useLayoutEffect(() => {
    const box = element.current
    if (!box) return
    const viewport = engine.open(paneId, box)
    let last: string | null = null
    // Read at the moment of drawing and at no other, and on the screen before the picture is: what the corners, the scale
    // and the lines say is true of the picture under them in each frame that is painted.
    const drawn = () => {
      const imageId = engine.imageOn(paneId)
      const next = imageId && current.current ? viewOf(viewport, current.current, imageId, box) : null
      // The picture before a missing one stays on the screen, with the note over it.
      const stays = (before: Shown) => before.state === 'failed' && before.index !== next?.index && before.index === viewport.getCurrentImageIdIndex()
      flushSync(() => {
        setView(next)
        setQuality(next ? engine.qualityOn(paneId) : 'full')
        if (next) setShown((before) => (stays(before) ? before : SHOWN))
      })
      if (!next) return
      if (imageId !== last) onImage.current(next.index)
      last = imageId
    }
    const missing = (event: Event) => {
      const { imageId } = (event as CustomEvent<{ imageId?: string }>).detail
      const index = current.current?.frames.findIndex((one) => one.imageId === imageId) ?? -1
      // Pictures that were fetched ahead may fail unseen; they are asked for again when a reader comes to them. And a pane
      // that has the picture has it, though another could not get it.
      if (index >= 0 && viewport.getCurrentImageIdIndex() === index && engine.imageOn(paneId) !== imageId) setShown({ state: 'failed', index })
    }
    // The second button zooms; the browser's menu would stand in its way.
    const noMenu = (event: Event) => event.preventDefault()
    box.addEventListener('contextmenu', noMenu)
    const changed = (what: 'camera' | 'window') => () => (engine.imageOn(paneId) ? onView.current(what) : undefined)
    const events = [
      [EVENTS.VOI_MODIFIED, changed('window')],
      [EVENTS.CAMERA_MODIFIED, changed('camera')],
      [EVENTS.IMAGE_RENDERED, drawn],
    ] as const
    for (const [name, heard] of events) box.addEventListener(name, heard)
    eventTarget.addEventListener(EVENTS.IMAGE_LOAD_ERROR, missing)
    const size = new ResizeObserver(() => engine.resize())
    size.observe(box)
    return () => {
      size.disconnect()
      box.removeEventListener('contextmenu', noMenu)
      for (const [name, heard] of events) box.removeEventListener(name, heard)
      eventTarget.removeEventListener(EVENTS.IMAGE_LOAD_ERROR, missing)
      engine.close(paneId)
    }
  }, [engine, paneId])

  const [retries, setRetries] = useState(0)
  // Before anything is painted: the words of a stack never stand over the pictures of another.
  useLayoutEffect(() => {
    const before = current.current
    current.current = stack
    if (!stack) {
      setView(null)
      return
    }
    const viewport = engine.viewport(paneId)
    const grown = before?.key === stack.key
    const kept = grown ? stack.frames.findIndex((frame) => frame.imageId === viewport?.getCurrentImageId()) : -1
    if (grown && kept >= 0 && before !== stack && sameFrames(before, stack)) return
    const start = props.start === null ? null : Math.min(props.start, stack.length - 1)
    const index = kept >= 0 ? kept : (start ?? startOf(stack))
    let stale = false
    if (kept < 0) {
      setShown({ state: 'loading' })
      setView(null)
    }
    // The same pictures with other values: they stay where they are.
    const turned = grown && (before?.subtraction === undefined) !== (stack.subtraction === undefined)
    engine.show(paneId, stack, index, turned ? 'place' : kept >= 0).catch(() => {
      if (!stale) setShown({ state: 'failed', index })
    })
    return () => {
      stale = true
    }
    // `start` is where it begins, not where it goes.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [engine, paneId, stack, retries])

  const frame = view?.frame
  const patient = stack ? patientOf(stack) : null
  const otherPatient = prior !== null && patient?.id != null && props.patientId !== null && patient.id !== props.patientId
  const laterality = speltLaterality(frame?.laterality ?? null)
  const measurable = frame && frame.calibration.kind !== 'none' && frame.calibration.kind !== 'region'
  const bar = view && measurable ? scaleBar(view.pixelsPerUnit, 110) : null
  const located = (event: PointerEvent) => {
    const viewport = engine.viewport(paneId)
    if (!props.onLocate || !event.isPrimary || event.button > 0 || !viewport?.getImageIds().length) return
    const box = event.currentTarget.getBoundingClientRect()
    props.onLocate(viewport.canvasToWorld([event.clientX - box.left, event.clientY - box.top]))
  }
  const goTo = (index: number) => {
    onActivate()
    void engine.viewport(paneId)?.setImageIdIndex(index)
  }

  return (
    <section
      className={classes['pane']}
      data-active={active || undefined}
      data-alone={props.alone || undefined}
      data-over={props.over || undefined}
      data-pane={paneId}
      data-state={stack ? shown.state : 'empty'}
      data-index={view?.index}
      data-loaded={loaded.full}
      data-coarse={loaded.coarse ?? undefined}
      data-quality={view ? quality : undefined}
      data-series-instance-uid={stack?.seriesInstanceUid}
      data-subtracted={frame?.subtracted?.words}
      data-sop-instance-uid={frame?.sopInstanceUid}
      aria-label={prior ?? 'Current study'}
      onPointerDownCapture={onActivate}
      onWheelCapture={onActivate}
    >
      <div
        ref={element}
        className={classes['canvas']}
        data-testid={`canvas-${paneId}`}
        onPointerUp={(event) => (isDouble(event) ? props.onDouble() : undefined)}
        onPointerDown={located}
        onPointerMove={(event) => (event.buttons === 1 ? located(event) : undefined)}
      />
      {stack && study ? (
        <>
          {view && frame && props.laid?.shown.length ? <Overlaid shown={props.laid.shown} frame={frame} stack={stack} toCanvas={view.placeOnPane} toPane={view.toPane} chosen={props.laid.chosen} /> : null}
          {view?.toPane && frame && props.marks ? <Marks frame={frame} toPane={view.toPane} /> : null}
          {view?.toPane && frame && props.graphics ? <Drawn graphics={graphicsOf(props.graphics, frame)} toPane={view.toPane} /> : null}
          {view && (props.lines || props.spot) ? (
            <Lines
              toCanvas={view.placeOnPane}
              lines={props.lines}
              spot={props.spot && frame?.plane && Math.abs(awayFrom(frame.plane, props.spot)) <= SAME_SLICE_MM ? props.spot : null}
            />
          ) : null}
          <div className={classes['topLeft']}>
            {prior ? <strong className={classes['prior']}>{prior}</strong> : null}
            {otherPatient ? (
              <strong className={classes['danger']} role="alert">
                Another patient ID than the study that is read
              </strong>
            ) : null}
            {patient?.name ? <span dir="auto">{formatPersonName(patient.name)}</span> : null}
            <span>{patient?.id}</span>
            <span>{[formatDicomDate(study.study_date), study.study_description].filter(Boolean).join(' · ')}</span>
          </div>
          <div className={classes['topRight']}>
            <span>{[stack.seriesNumber, stack.label].filter((word) => word !== null).join(' · ')}</span>
            {view ? (
              <span className={classes['count']}>
                {view.index + 1} / {view.of}
              </span>
            ) : null}
            {frame?.subtracted ? <strong className={classes['subtracted']}>Subtracted · {frame.subtracted.words}</strong> : null}
            {frame?.notSubtracted ? <span>Not subtracted: {frame.notSubtracted}</span> : null}
            {stack.positions && frame ? <span>{millimetres(frame.position)}</span> : null}
            {frame?.sliceThickness ? <span>Thickness {trimmed(frame.sliceThickness)} mm</span> : null}
            {frame?.viewPosition ? <span>{frame.viewPosition}</span> : null}
            {laterality ? <strong className={classes['laterality']}>{laterality}</strong> : null}
            {frame && props.isKey(frame.sopInstanceUid, frame.frameNumber) ? (
              <span className={classes['key']}>
                <IconStarFilled size={12} aria-hidden /> Key image
              </span>
            ) : null}
          </div>
          <div className={classes['bottomLeft']}>
            {view?.window ? (
              <span>
                W {windowNumber(view.window.width)} · C {windowNumber(view.window.center)}
              </span>
            ) : null}
            {view?.table ? <span>Table: {view.table}</span> : null}
            {view ? <span>Zoom {Math.round(view.zoom * 100)} %</span> : null}
            {frame && stack.modality === 'PT' ? <span>{suvWords(frame.metadata)}</span> : null}
            {view?.inverted ? <span>Inverted</span> : null}
            {props.marks ? null : <span>Overlays and shutters hidden</span>}
            {props.laid ? <span>{props.laid.words}</span> : null}
            {view && props.laid?.shown.length ? (
              <ValuesHere shown={props.laid.shown} stack={stack} element={() => element.current} toWorld={(x, y) => vec3(engine.viewport(paneId)?.canvasToWorld([x, y]))} stamp={view} />
            ) : null}
            {frame?.lossy ? <span>Lossy compression</span> : null}
          </div>
          <div className={classes['bottomRight']}>
            {bar ? (
              <span className={classes['scale']} style={{ width: bar.length_px }}>
                {bar.units >= 10 ? `${trimmed(bar.units / 10)} cm` : `${trimmed(bar.units)} mm`}
              </span>
            ) : null}
            {frame ? <span>{frame.calibration.label}</span> : null}
          </div>
          {view?.edges ? (
            <div className={classes['edges']} aria-hidden>
              <span data-edge="top">{view.edges.top}</span>
              <span data-edge="right">{view.edges.right}</span>
              <span data-edge="bottom">{view.edges.bottom}</span>
              <span data-edge="left">{view.edges.left}</span>
            </div>
          ) : null}
          {stack.length > 1 && view ? (
            <div className={classes['scroll']}>
              <div className={classes['here']} style={{ height: `${(100 * Math.min(loaded.full, stack.length)) / stack.length}%` }} />
              <input
                type="range"
                min={0}
                max={view.of - 1}
                value={view.index}
                aria-label="Image"
                aria-valuetext={`${view.index + 1} of ${view.of}`}
                onChange={(event) => goTo(Number(event.currentTarget.value))}
                tabIndex={-1}
              />
            </div>
          ) : null}
          {view ? <QualityMark quality={quality} count={loaded} of={stack.length} onAgain={() => engine.sharpen(paneId)} /> : null}
          {shown.state === 'loading' ? <Loader className={classes['busy']} size="sm" aria-label="Loading the image" /> : null}
          {shown.state === 'failed' ? (
            <div className={classes['note']} role="alert">
              <p>Image {shown.index + 1} could not be loaded. It is safe in the archive.</p>
              <button
                type="button"
                onClick={() => {
                  setShown({ state: 'loading' })
                  setRetries(retries + 1)
                }}
              >
                Try again
              </button>
            </div>
          ) : null}
        </>
      ) : (
        <p className={classes['note']}>{props.waiting}</p>
      )}
      {props.children}
    </section>
  )
}

/** Two taps at one place, by mouse or finger, with nothing drawn between them. */
function useDoubleTap(): (event: PointerEvent) => boolean {
  const last = useRef({ time: 0, x: 0, y: 0 })
  return (event) => {
    if (event.button !== 0 || !event.isPrimary) return false
    const { timeStamp: time, clientX: x, clientY: y } = event
    const before = last.current
    last.current = { time, x, y }
    const double = time - before.time < DOUBLE_MS && Math.hypot(x - before.x, y - before.y) < DOUBLE_PX
    if (double) last.current = { time: 0, x: 0, y: 0 }
    return double
  }
}

/** In what units a PET picture is seen and measured. */
function suvWords(metadata: DicomJson): string {
  const suv = suvOf(metadata)
  return 'factor' in suv ? 'SUV, body weight' : `No SUV: ${suv.reason}`
}

/** Whole numbers, unless the window is of parts: a dose, an SUV. */
function windowNumber(value: number): string {
  return Math.abs(value) >= 20 ? String(Math.round(value)) : trimmed(value)
}

function trimmed(value: number): string {
  return String(Number(value.toFixed(2)))
}

function millimetres(position: number | null): string | null {
  return position === null ? null : `${position.toFixed(1)} mm`
}
