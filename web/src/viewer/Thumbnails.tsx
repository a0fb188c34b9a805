import { Skeleton } from '@mantine/core'
import { formatDicomDate } from '@/lib/time'
import { speltLaterality, type Stack } from './stacks'
import { priorLabel, type ViewerStudy } from './study'
import type { LoadedStudy } from './useStudy'
import classes from './viewer.module.css'

export interface ThumbnailsProps {
  study: ViewerStudy
  priors: readonly ViewerStudy[]
  loaded: LoadedStudy
  prior: ViewerStudy | null
  loadedPrior: LoadedStudy
  /** Stack keys that are on the screen; `active` is in the pane that has the keys. */
  shown: ReadonlySet<string>
  active: string | null
  onStack: (study: ViewerStudy, stack: Stack) => void
  onPrior: (study: ViewerStudy) => void
}

/** The series of the study and of one prior; a tap puts one into the pane that has the keys. */
export function Thumbnails(props: ThumbnailsProps) {
  const { study, priors, loaded, prior, loadedPrior } = props
  return (
    <nav className={classes['thumbnails']} aria-label="Series">
      <h3>Current</h3>
      <Series {...props} of={study} loaded={loaded} />
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
          {one.study_pk === prior?.study_pk ? <Series {...props} of={one} loaded={loadedPrior} /> : null}
        </div>
      ))}
    </nav>
  )
}

function Series({ of, loaded, shown, active, onStack }: ThumbnailsProps & { of: ViewerStudy; loaded: LoadedStudy }) {
  if (loaded.loading && loaded.series.length === 0) return <Skeleton height={96} />
  if (loaded.error && loaded.series.length === 0) return <p className={classes['quiet']}>The series could not be listed.</p>
  if (loaded.series.length === 0) return <p className={classes['quiet']}>No images yet.</p>
  return (
    <ul>
      {loaded.series.map((series) => {
        if (series.stacks === undefined)
          return (
            <li key={series.seriesInstanceUid}>
              {series.error ? <p className={classes['quiet']}>Series {series.seriesNumber} could not be read.</p> : <Skeleton height={96} />}
            </li>
          )
        if (series.stacks.length === 0)
          return (
            <li key={series.seriesInstanceUid} className={classes['quiet']}>
              {[series.modality, series.description].filter(Boolean).join(' · ')}: no images
            </li>
          )
        return series.stacks.map((stack) => (
          <li key={stack.key}>
            <button
              type="button"
              className={classes['thumbnail']}
              data-shown={shown.has(stack.key) || undefined}
              data-active={stack.key === active || undefined}
              onClick={() => onStack(of, stack)}
            >
              <img
                src={stack.frames[Math.floor((stack.length - 1) / 2)]?.renderedUrl + '?viewport=160,160'}
                alt=""
                loading="lazy"
                draggable={false}
              />
              <span className={classes['thumbWords']}>
                <span>{stack.label}</span>
                <span className={classes['thumbCount']}>
                  {[speltLaterality(stack.frames[0]?.laterality ?? null), stack.frames[0]?.viewPosition, stack.length]
                    .filter(Boolean)
                    .join(' · ')}
                </span>
              </span>
            </button>
          </li>
        ))
      })}
    </ul>
  )
}
