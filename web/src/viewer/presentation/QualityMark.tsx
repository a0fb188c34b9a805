import { IconAlertTriangle, IconBlur } from '@tabler/icons-react'
import type { Count, Quality } from '../engine'
import classes from './quality.module.css'

export interface QualityMarkProps {
  quality: Quality
  count: Count
  /** Pictures of the series. */
  of: number
  onAgain: () => void
}

/** What a reader must know of a picture that is not all here, and how far its series is. */
export function QualityMark({ quality, count, of, onAgain }: QualityMarkProps) {
  const counted = count.coarse !== null && count.full < of ? `Series: coarse ${count.coarse} of ${of}, full ${count.full}` : null
  if (quality === 'full' && !counted) return null
  return (
    <div className={classes['place']}>
      {quality === 'coarse' ? (
        <p className={classes['mark']}>
          <IconBlur size={16} aria-hidden />
          Coarse image, not yet full quality
        </p>
      ) : null}
      {quality === 'stuck' ? (
        <div className={classes['mark']} role="alert">
          <IconAlertTriangle size={16} aria-hidden />
          <span>Coarse image: the rest could not be loaded. It is safe in the archive.</span>
          <button type="button" onClick={onAgain}>
            Try again
          </button>
        </div>
      ) : null}
      {counted ? <span className={classes['count']}>{counted}</span> : null}
    </div>
  )
}
