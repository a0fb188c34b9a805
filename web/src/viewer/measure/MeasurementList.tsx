import { ActionIcon, Tooltip } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { formatPersonName } from '@/lib/personname'
import type { Measurement } from './measurements'
import { TOOL_LABEL } from '../toolLabels'
import classes from './measure.module.css'

export interface MeasurementListProps {
  measurements: readonly Measurement[]
  /** Where one was drawn: `3 · Axial · 14 / 40`; null where that picture is not open. */
  placeOf: (measurement: Measurement) => string | null
  onJump: (measurement: Measurement) => void
  onRemove: (measurement: Measurement) => void
  /** What is kept of them, below. */
  children?: ReactNode
}

/** What has been drawn, by the order of drawing. */
export function MeasurementList({ measurements, placeOf, onJump, onRemove, children }: MeasurementListProps) {
  return (
    <aside className={classes['list']} aria-label="Measurements">
      <h3>
        Measurements <span>{measurements.length || ''}</span>
      </h3>
      {measurements.length === 0 ? (
        <p>None yet. Choose a tool and draw on the image, or press Enter to set its points by keys.</p>
      ) : (
        <ol>
          {measurements.map((one) => (
            <li key={one.uid} data-selected={one.selected || undefined} data-drawing={one.drawing || undefined} aria-busy={one.drawing}>
              <button type="button" onClick={() => onJump(one)}>
                <span className={classes['kind']}>{TOOL_LABEL[one.tool]}</span>
                {one.words.map((line) => (
                  <strong key={line} dir="auto">
                    {line}
                  </strong>
                ))}
                {one.unseen ? <span>{one.plane ? 'Numbers when its plane is shown' : 'Numbers when its image is shown'}</span> : null}
                <span className={classes['place']}>{one.imageId === null ? 'On a plane of no picture: not kept' : one.plane ? `On a plane · near ${placeOf(one) ?? 'a picture'}` : placeOf(one)}</span>
                {one.author ? <span className={classes['place']}>By {formatPersonName(one.author)}</span> : null}
              </button>
              <Tooltip label="Remove" openDelay={400}>
                <ActionIcon variant="subtle" aria-label={`Remove ${TOOL_LABEL[one.tool]}`} onClick={() => onRemove(one)}>
                  <IconX size={14} />
                </ActionIcon>
              </Tooltip>
            </li>
          ))}
        </ol>
      )}
      {children}
    </aside>
  )
}
