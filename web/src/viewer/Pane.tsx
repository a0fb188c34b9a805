import { Loader } from '@mantine/core'
import { IconStarFilled } from '@tabler/icons-react'
import { useEffect, useRef, useState } from 'react'
import { formatPersonName } from '@/lib/personname'
import { formatDicomDate } from '@/lib/time'
import { EVENTS, type Engine } from './engine'
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
  isKey: (sopInstanceUid: string, frameNumber: number) => boolean
  /** How many of the stack's pictures are here. */
  loaded: number
  onActivate: () => void
  /** The picture that is shown now, also when the reader did not move it. */
  onImage: (index: number) => void
}

type Shown = { state: 'loading' | 'shown' } | { state: 'failed'; index: number }

/** One picture area with its corners. */
export function Pane(props: PaneProps) {
  const { engine, paneId, study, prior, stack, active, loaded, onActivate } = props
  const element = useRef<HTMLDivElement>(null)
  const current = useRef<Stack | null>(stack)
  const onImage = useRef(props.onImage)
  const [view, setView] = useState<View | null>(null)
  const [shown, setShown] = useState<Shown>({ state: 'loading' })

  useEffect(() => {
    onImage.current = props.onImage
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
    const events = [EVENTS.STACK_NEW_IMAGE, EVENTS.VOI_MODIFIED, EVENTS.CAMERA_MODIFIED]
    for (const name of events) box.addEventListener(name, later)
    box.addEventListener(EVENTS.IMAGE_RENDERED, drawn)
    const size = new ResizeObserver(() => engine.resize())
    size.observe(box)
    return () => {
      cancelAnimationFrame(frame)
      size.disconnect()
      box.removeEventListener('contextmenu', noMenu)
      for (const name of events) box.removeEventListener(name, later)
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
    const index = kept >= 0 ? kept : stack.normal ? Math.floor((stack.length - 1) / 2) : 0
    let stale = false
    if (kept < 0) setShown({ state: 'loading' })
    engine.show(paneId, stack, index, kept >= 0).catch(() => {
      if (!stale) setShown({ state: 'failed', index })
    })
    return () => {
      stale = true
    }
  }, [engine, paneId, stack, retries])

  const frame = view && stack ? stack.frames[Math.min(view.index, stack.length - 1)] : undefined
  const patient = stack ? patientOf(stack) : null
  const otherPatient = prior !== null && patient?.id != null && props.patientId !== null && patient.id !== props.patientId
  const laterality = speltLaterality(frame?.laterality ?? null)
  const measurable = frame && frame.calibration.kind !== 'none' && frame.calibration.kind !== 'region'
  const bar = view && measurable ? scaleBar(view.pixelsPerUnit, 110) : null
  const goTo = (index: number) => {
    onActivate()
    void engine.viewport(paneId)?.setImageIdIndex(index)
  }

  return (
    <section
      className={classes['pane']}
      data-active={active || undefined}
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
      />
      {stack && study ? (
        <>
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
    </section>
  )
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
