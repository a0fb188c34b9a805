import { IconBlob, IconCone2, IconRadioactive, IconTargetArrow, IconWaveSine } from '@tabler/icons-react'
import viewer from '../viewer.module.css'
import { css } from './colours'
import { heat } from './dose'
import type { Layer } from './layers'
import classes from './overlays.module.css'

const KIND = { segmentation: 'Segmentation', structures: 'RT structures', dose: 'Dose', surfaces: 'Surfaces', heights: 'Height map' } as const

const SIGN = { segmentation: IconBlob, structures: IconTargetArrow, dose: IconRadioactive, surfaces: IconCone2, heights: IconWaveSine } as const

const HEAT = [0.1, 0.35, 0.6, 0.8, 1].map((part) => css(heat(part)))

/** A series that is laid over others, among the series: it switches what it holds on and off. */
export function LayerCards({ layers, on, onToggle }: { layers: readonly Layer[]; on: boolean; onToggle: () => void }) {
  const [first] = layers
  if (!first) return null
  const Sign = SIGN[first.kind]
  const parts = layers.flatMap((one) => one.parts)
  const broken = layers.every((one) => one.fault !== null)
  return (
    <button type="button" className={viewer['thumbnail']} data-active={on || undefined} aria-pressed={on} disabled={broken} onClick={onToggle}>
      <span className={classes['sign']}>
        <Sign size={26} stroke={1.4} aria-hidden />
        <span>{broken ? 'Cannot be shown' : `${KIND[first.kind]} ${on ? 'on' : 'off'}`}</span>
        <span className={classes['swatches']} aria-hidden>
          {(first.kind === 'dose' ? HEAT : parts.slice(0, 8).map((part) => part.colour)).map((colour, at) => (
            <i key={at} style={{ background: colour }} />
          ))}
        </span>
      </span>
      <span className={viewer['thumbWords']}>
        <span dir="auto">{first.label}</span>
        {first.kind === 'dose' ? null : <span className={viewer['thumbCount']}>{parts.length}</span>}
      </span>
    </button>
  )
}
