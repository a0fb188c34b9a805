import { Skeleton } from '@mantine/core'
import { memo, useEffect, type PointerEvent } from 'react'
import { formatDicomDate } from '@/lib/time'
import { useCalm } from './calm'
import type { PaneId } from './layout'
import { LayerCards } from './overlays/LayerCards'
import { PaperCard } from './papers/PaperCard'
import type { Paper } from './papers/paper'
import { inListOrder } from './seriesOrder'
import { speltLaterality, type Stack } from './stacks'
import { alike } from './steady'
import { priorLabel, type ViewerStudy } from './study'
import { useSeriesDrag } from './useSeriesDrag'
import type { LoadedStudy } from './useStudy'
import classes from './viewer.module.css'

export interface ThumbnailsProps {
  study: ViewerStudy
  priors: readonly ViewerStudy[]
  loaded: LoadedStudy
  prior: ViewerStudy | null
  loadedPrior: LoadedStudy
  /** Keys of stacks and papers that are on the screen; `active` is in the pane that has the keys. */
  shown: ReadonlySet<string>
  active: string | null
  /** Series that are laid over the pictures. */
  laid: ReadonlySet<string>
  onLay: (seriesInstanceUid: string) => void
  onHang: (study: ViewerStudy, key: string) => void
  onPrior: (study: ViewerStudy) => void
  /** A stack or a paper was dropped on a pane. */
  onDrop: (pane: PaneId, study: ViewerStudy, key: string) => void
  /** The pane that one is being held over. */
  onOver: (pane: PaneId | null) => void
}

interface Held {
  of: ViewerStudy
  hung: Stack | Paper
}

/**
 * The series of the study and of one prior; a tap puts one into the pane that has the keys, and dragging it puts it into
 * any pane.
 */
export const Thumbnails = memo(function Thumbnails(props: ThumbnailsProps) {
  const { study, priors, loaded, prior, loadedPrior, onOver } = props
  const isCalm = useCalm()
  const drag = useSeriesDrag<Held>((pane, held) => props.onDrop(pane, held.of, held.hung.key))
  const over = drag.dragged?.over ?? null
  useEffect(() => {
    onOver(over)
  }, [over, onOver])
  const hands: Hands = { start: (event, held) => drag.start(event, held), moved: drag.moved }
  // The archive draws the small pictures, and the first large one comes before them.
  if (!isCalm) return <nav className={classes['thumbnails']} aria-label="Series" aria-busy />
  return (
    <nav className={classes['thumbnails']} aria-label="Series">
      <h3>Current</h3>
      <Series {...props} {...hands} of={study} loaded={loaded} />
      {priors.map((one) => (
        <div key={one.study_pk}>
          <button
            type="button"
            className={classes['priorHead']}
            aria-expanded={one.study_pk === prior?.study_pk}
            onClick={() => props.onPrior(one)}
          >
            <strong>{priorLabel(one, study)}</strong>
            <span>{[formatDicomDate(one.study_date), one.modalities_in_study.join(' ')].filter(Boolean).join(' · ')}</span>
            <span>{one.study_description}</span>
          </button>
          {one.study_pk === prior?.study_pk ? <Series {...props} {...hands} of={one} loaded={loadedPrior} /> : null}
        </div>
      ))}
      {drag.dragged ? (
        <div className={classes['held']} style={{ left: drag.dragged.x, top: drag.dragged.y }} aria-hidden>
          {'frames' in drag.dragged.what.hung ? (
            <>
              <img src={pictureOf(drag.dragged.what.hung)} alt="" />
              <span>{drag.dragged.what.hung.label}</span>
            </>
          ) : (
            <PaperCard paper={drag.dragged.what.hung} />
          )}
        </div>
      ) : null}
    </nav>
  )
}, alike)

const DOCUMENTS: ReadonlySet<string> = new Set(['SR', 'PR', 'KO'])

interface Hands {
  start: (event: PointerEvent, held: Held) => void
  moved: () => boolean
}

function pictureOf(stack: Stack): string {
  return `${stack.frames[Math.floor((stack.length - 1) / 2)]?.renderedUrl}?viewport=160,160`
}

function Series({ of, loaded, shown, active, laid, onLay, onHang, start, moved }: ThumbnailsProps & Hands & { of: ViewerStudy; loaded: LoadedStudy }) {
  if (loaded.loading && loaded.series.length === 0) return <Skeleton height={96} />
  if (loaded.error && loaded.series.length === 0) return <p className={classes['quiet']}>The series could not be listed.</p>
  if (loaded.series.length === 0) return <p className={classes['quiet']}>No images yet.</p>
  return (
    <ul>
      {inListOrder(loaded.series).map((series) => {
        if (series.stacks === undefined)
          return (
            <li key={series.seriesInstanceUid}>
              {series.error ? <p className={classes['quiet']}>Series {series.seriesNumber} could not be read.</p> : <Skeleton height={96} />}
            </li>
          )
        const laying = series.layers.length ? (
          <li key={series.seriesInstanceUid}>
            <LayerCards layers={series.layers} on={laid.has(series.seriesInstanceUid)} onToggle={() => onLay(series.seriesInstanceUid)} />
          </li>
        ) : null
        if (laying && series.stacks.length + series.papers.length === 0) return laying
        // Measurements, presentations and key images stand in the list of what is on the study, not among its pictures.
        if (series.stacks.length + series.papers.length === 0)
          return DOCUMENTS.has(series.modality ?? '') ? null : (
            <li key={series.seriesInstanceUid} className={classes['quiet']}>
              {[series.modality, series.description].filter(Boolean).join(' · ')}: no images
            </li>
          )
        const hanging = [...series.stacks, ...series.papers].map((hung) => (
          <li key={hung.key}>
            <button
              type="button"
              className={classes['thumbnail']}
              data-shown={shown.has(hung.key) || undefined}
              data-active={hung.key === active || undefined}
              onPointerDown={(event) => start(event, { of, hung })}
              // A click by key has no detail: no drag came before it.
              onClick={(event) => (event.detail && moved() ? undefined : onHang(of, hung.key))}
            >
              {'frames' in hung ? <StackCard stack={hung} /> : <PaperCard paper={hung} />}
            </button>
          </li>
        ))
        return laying ? [laying, ...hanging] : hanging
      })}
    </ul>
  )
}

function StackCard({ stack }: { stack: Stack }) {
  return (
    <>
      <img src={pictureOf(stack)} alt="" loading="lazy" draggable={false} />
      <span className={classes['thumbWords']}>
        <span>{stack.label}</span>
        <span className={classes['thumbCount']}>
          {[speltLaterality(stack.frames[0]?.laterality ?? null), stack.frames[0]?.viewPosition, stack.length].filter(Boolean).join(' · ')}
        </span>
      </span>
    </>
  )
}
