import { ActionIcon, Button, NumberInput, SegmentedControl } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useState } from 'react'
import { doseOf, doseWords, heat, LEVELS_MOST, notesOfDose, partOfLevel, unitOf, type DoseLook } from './dose'
import { css } from './colours'
import type { Layer } from './layers'
import Histograms from './Histograms'
import type { LayerView } from './useOverlays'
import classes from './overlays.module.css'

/** A dose and a level are no less, and no more. */
const LEAST = 0.01
const GREATEST = 100_000
const STOPS = [0, 0.2, 0.4, 0.6, 0.8, 1, 1.2]

/** What a dose's colours and lines mean, and how the reader has them: of what they are parts, and which there are. */
export default function DoseLegend({ view: { layer, prescribed }, look, most, structures, onLook }: { view: LayerView; look: DoseLook; most: number | null; structures: Layer | undefined; onLook: (look: DoseLook) => void }) {
  const [drawn, setDrawn] = useState(false)
  const [wanted, setWanted] = useState<string | number>('')
  const unit = unitOf(layer.instance)
  const level = Number(wanted)
  const canAdd = wanted !== '' && level >= LEAST && level <= GREATEST && look.levels.length < LEVELS_MOST && !look.levels.some((one) => partOfLevel(one) === partOfLevel(level))
  const add = () => {
    if (!canAdd) return
    onLook({ ...look, levels: [...look.levels, level] })
    setWanted('')
  }
  const turn = (inPercent: boolean) => {
    if (inPercent === look.inPercent) return
    // The same lines, called by their other name.
    const levels = look.levels.map((one) => Number((inPercent ? (100 * one) / look.reference : doseOf(one, look)).toFixed(2)))
    onLook({ ...look, inPercent, levels: [...new Set(levels)] })
  }
  return (
    <div className={classes['dose']}>
      <p>{[most === null ? null : `Greatest: ${doseWords(most, layer.instance)}`, prescribed === null ? null : `prescribed: ${doseWords(prescribed, layer.instance)}`].filter(Boolean).join(' · ')}</p>
      {notesOfDose(layer.instance).filter((words) => words !== layer.label).map((words) => (
        <p key={words} dir="auto">
          {words}
        </p>
      ))}
      <div className={classes['heat']} aria-hidden style={{ background: `linear-gradient(90deg, ${STOPS.map((part) => `${css(heat(part))} ${(100 * part) / 1.2}%`).join(', ')})` }}>
        <span style={{ left: `${100 / 1.2}%` }} />
      </div>
      <div className={classes['scaleWords']} aria-hidden>
        <span>0</span>
        <span style={{ left: `${100 / 1.2}%` }}>100 %</span>
      </div>
      <label className={classes['reference']}>
        <span>100 % is</span>
        <NumberInput
          size="xs"
          aria-label={`100 % of ${layer.label}`}
          min={LEAST}
          max={GREATEST}
          decimalScale={3}
          step={1}
          hideControls
          value={look.reference}
          onChange={(value) => (typeof value === 'number' && value >= LEAST && value <= GREATEST && value !== look.reference ? onLook({ ...look, reference: value }) : undefined)}
        />
        <span>{unit}</span>
      </label>
      <div className={classes['reference']}>
        <span>Levels in</span>
        <SegmentedControl size="xs" aria-label={`Levels of ${layer.label}`} value={look.inPercent ? '%' : 'dose'} onChange={(value) => turn(value === '%')} data={[{ value: '%', label: '%' }, { value: 'dose', label: unit || 'relative' }]} />
      </div>
      <form
        className={classes['reference']}
        onSubmit={(event) => {
          event.preventDefault()
          add()
        }}
      >
        <NumberInput size="xs" aria-label={`Another level of ${layer.label}`} placeholder={look.inPercent ? 'Level, %' : `Level, ${unit || 'relative'}`} min={LEAST} max={GREATEST} decimalScale={2} hideControls value={wanted} onChange={setWanted} />
        <ActionIcon type="submit" variant="default" size="input-xs" aria-label="Add the level" disabled={!canAdd}>
          <IconPlus size={16} />
        </ActionIcon>
      </form>
      {layer.instance['30040050'] ? (
        <Button size="compact-sm" variant="default" aria-expanded={drawn} onClick={() => setDrawn(!drawn)}>
          {drawn ? 'Hide the histograms' : 'Dose-volume histograms'}
        </Button>
      ) : null}
      {drawn ? <Histograms layer={layer} structures={structures} /> : null}
    </div>
  )
}
