import { Loader } from '@mantine/core'
import { IconStarFilled } from '@tabler/icons-react'
import { useEffect, useRef, useState, type PointerEvent, type ReactNode } from 'react'
import { formatPersonName } from '@/lib/personname'
import { formatDicomDate } from '@/lib/time'
import { EVENTS, type Engine } from './engine'
import type { Vec3 } from './geometry'
import { Lines } from './Lines'
import { awayFrom, type Segment } from './planes'
import { Marks, type ToPane } from './presentation/Marks'
import { speltLaterality, type Stack } from './stacks'
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
  /** Where the picture with the keys cuts this one. */
  lines: { main: Segment | null; ends: readonly Segment[] } | null
  /** A place in the patient that was pointed out. */
  spot: Vec3 | null
  isKey: (sopInstanceUid: string, frameNumber: number) => boolean
  /** How many of the stack's pictures are here. */
  loaded: number
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

  useEffect(() => {
    onImage.current = props.onImage
    onView.current = props.onView
  })

  useEffect(() => {
    const box = element.current
    if (!box) return
    const viewport = engine.open(paneId, box)
    let frame = 0
    let lastIndex = -1
    const read = () => {
      frame = 0
      if (!current.current) return
      const next = viewOf(viewport, current.current, box)
      if (!next) return
      setView(next)
      if (next.index !== lastIndex) {
        lastIndex = next.index
        onImage.current(next.index)
      }
    }
    const later = () => {
      if (!frame) frame = requestAnimationFrame(read)
    }
    const drawn = () => {
      setShown({ state: 'shown' })
      later()
    }
    // The second button zooms; the browser's menu would stand in its way.
    const noMenu = (event: Event) => event.preventDefault()
    box.addEventListener('contextmenu', noMenu)
    const camera = () => {
      later()
      onView.current('camera')
    }
    const window = () => {
      later()
      onView.current('window')
    }
    const events = [
      [EVENTS.STACK_NEW_IMAGE, later],
      [EVENTS.VOI_MODIFIED, window],
      [EVENTS.CAMERA_MODIFIED, camera],
    ] as const
    for (const [name, heard] of events) box.addEventListener(name, heard)
    box.addEventListener(EVENTS.IMAGE_RENDERED, drawn)
    const size = new ResizeObserver(() => engine.resize())
    size.observe(box)
    return () => {
      cancelAnimationFrame(frame)
      size.disconnect()
      box.removeEventListener('contextmenu', noMenu)
      for (const [name, heard] of events) box.removeEventListener(name, heard)
      box.removeEventListener(EVENTS.IMAGE_RENDERED, drawn)
      engine.close(paneId)
    }
  }, [engine, paneId])

  const [retries, setRetries] = useState(0)
  useEffect(() => {
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
    // A reader looks for the finding, and the middle of a stack shows more of it than its first slice.
    const start = props.start === null ? null : Math.min(props.start, stack.length - 1)
    const index = kept >= 0 ? kept : (start ?? (stack.normal ? Math.floor((stack.length - 1) / 2) : 0))
    let stale = false
    if (kept < 0) setShown({ state: 'loading' })
    engine.show(paneId, stack, index, kept >= 0).catch(() => {
      if (!stale) setShown({ state: 'failed', index })
    })
    return () => {
      stale = true
    }
    // `start` is where it begins, not where it goes.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [engine, paneId, stack, retries])

  const frame = view && stack ? stack.frames[Math.min(view.index, stack.length - 1)] : undefined
  const patient = stack ? patientOf(stack) : null
  const otherPatient = prior !== null && patient?.id != null && props.patientId !== null && patient.id !== props.patientId
  const laterality = speltLaterality(frame?.laterality ?? null)
  const measurable = frame && frame.calibration.kind !== 'none' && frame.calibration.kind !== 'region'
  const bar = view && measurable ? scaleBar(view.pixelsPerUnit, 110) : null
  const matrix = view ? toPaneOf(engine, paneId) : null
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
      data-loaded={loaded}
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
          {view && frame && matrix && props.marks ? <Marks frame={frame} toPane={matrix} /> : null}
          {view && (props.lines || props.spot) ? (
            <Lines
              toCanvas={(point) => engine.viewport(paneId)?.worldToCanvas([...point]) ?? null}
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
                {view.index + 1} / {stack.length}
              </span>
            ) : null}
            {stack.positions && view ? <span>{millimetres(stack.positions[view.index])}</span> : null}
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
                W {Math.round(view.window.width)} · C {Math.round(view.window.center)}
              </span>
            ) : null}
            {view ? <span>Zoom {Math.round(view.zoom * 100)} %</span> : null}
            {view?.inverted ? <span>Inverted</span> : null}
            {props.marks ? null : <span>Overlays and shutters hidden</span>}
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
              <div className={classes['here']} style={{ height: `${(100 * Math.min(loaded, stack.length)) / stack.length}%` }} />
              <input
                type="range"
                min={0}
                max={stack.length - 1}
                value={view.index}
                aria-label="Image"
                aria-valuetext={`${view.index + 1} of ${stack.length}`}
                onChange={(event) => goTo(Number(event.currentTarget.value))}
                tabIndex={-1}
              />
            </div>
          ) : null}
          {shown.state === 'loading' ? <Loader className={classes['busy']} size="sm" aria-label="Loading the image" /> : null}
          {shown.state === 'failed' ? (
            <div className={classes['note']} role="alert">
              <p>This image could not be loaded. It is safe in the archive.</p>
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

/** From the picture's pixels, whose first corner is (0,0), to the pane's; null while nothing is drawn. */
function toPaneOf(engine: Engine, paneId: string): ToPane | null {
  const viewport = engine.viewport(paneId)
  const toWorld = viewport?.getImageIds().length ? viewport.getImageData()?.imageData.indexToWorld : undefined
  if (!viewport || !toWorld) return null
  // Cornerstone's whole numbers are the middles of pixels.
  const at = (x: number, y: number) => viewport.worldToCanvas(toWorld([x - 0.5, y - 0.5, 0]) as [number, number, number])
  const [x, y] = at(0, 0)
  const [rightX, rightY] = at(1, 0)
  const [downX, downY] = at(0, 1)
  return [rightX - x, rightY - y, downX - x, downY - y, x, y]
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

function sameFrames(a: Stack | null, b: Stack): boolean {
  return a !== null && a.length === b.length && a.frames.every((frame, at) => frame.imageId === b.frames[at]?.imageId)
}

function trimmed(value: number): string {
  return String(Number(value.toFixed(2)))
}

function millimetres(position: number | undefined): string | null {
  return position === undefined ? null : `${position.toFixed(1)} mm`
}
