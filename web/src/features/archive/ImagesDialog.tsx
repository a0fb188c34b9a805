import { Button, Checkbox, Modal } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import { http } from '@/lib/api'
import { Empty, Outline, ProblemNote } from '@/ui'
import { between, imagesOf, type SeriesImage } from './images'
import classes from './lifecycle.module.css'
import type { Series, StudyDetail } from './types'

/** Chooses images of one series, which are then to leave it. */
export function ImagesDialog({
  study,
  series,
  onClose,
  onChosen,
}: {
  study: StudyDetail
  series: Series
  onClose: () => void
  onChosen: (kind: 'move' | 'split', images: readonly SeriesImage[]) => void
}) {
  const address = `/dicom-web/studies/${study.study_instance_uid}/series/${series.series_instance_uid}/instances`
  const found = useQuery({
    queryKey: ['series-images', series.series_pk, study.updated_at],
    queryFn: async ({ signal }) => imagesOf(await http.get(address, { query: { limit: 2000 }, signal })),
    gcTime: 0,
  })
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const [range, setRange] = useState(false)
  const last = useRef<string>(undefined)
  const images = found.data ?? []
  const toggle = (uid: string, range: boolean) => {
    const next = new Set(chosen)
    const on = !chosen.has(uid)
    for (const one of range && last.current ? between(images, last.current, uid) : [uid]) {
      if (on) next.add(one)
      else next.delete(one)
    }
    last.current = uid
    setChosen(next)
  }
  const some = images.filter((one) => chosen.has(one.sop_instance_uid))
  const whole = some.length === images.length
  const alone = study.series.length === 1
  return (
    <Modal opened onClose={onClose} title={`Choose images of ${nameOf(series)}`} size={860}>
      <div className={classes['dialog']}>
        <p className={classes['quiet']}>
          What you choose leaves this series, and gets one of its own.
        </p>
        {found.error ? (
          <ProblemNote error={found.error} onRetry={() => void found.refetch()} />
        ) : !found.data ? (
          <Outline rows={5} />
        ) : !images.length ? (
          <Empty title="There are no images in it" />
        ) : (
          <ul className={classes['images']} aria-label="Images of the series">
            {images.map((one) => (
              <li key={one.sop_instance_uid}>
                <button
                  type="button"
                  aria-pressed={chosen.has(one.sop_instance_uid)}
                  onClick={(event) => toggle(one.sop_instance_uid, range || event.shiftKey)}
                >
                  {one.pictured ? (
                    <img src={`${address}/${one.sop_instance_uid}/thumbnail?viewport=96,96`} alt="" loading="lazy" />
                  ) : (
                    <span className={classes['blank']} />
                  )}
                  <span>{one.instance_number ?? '–'}</span>
                </button>
              </li>
            ))}
          </ul>
        )}
        {images.length > 2 ? (
          <Checkbox
            label="Also all between the last one and the next"
            description="As with the Shift key held."
            checked={range}
            onChange={(event) => setRange(event.currentTarget.checked)}
          />
        ) : null}
        <div className={classes['foot']}>
          <span className={classes['count']} role="status">
            {some.length ? `${some.length} of ${images.length} chosen` : 'None chosen'}
          </span>
          <Button variant="default" onClick={onClose}>
            Go back
          </Button>
          <Button variant="default" disabled={!some.length} onClick={() => onChosen('move', some)}>
            Move to another study
          </Button>
          <Button disabled={!some.length || (whole && alone)} onClick={() => onChosen('split', some)}>
            Split off
          </Button>
        </div>
      </div>
    </Modal>
  )
}

const nameOf = (series: Series) =>
  [series.series_number, series.series_description ?? series.protocol_name].filter((part) => part !== null).join(' ') || 'the series'
