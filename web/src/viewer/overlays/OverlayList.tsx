import { Button, Slider, TextInput } from '@mantine/core'
import { IconEye, IconEyeOff, IconX } from '@tabler/icons-react'
import { memo, useState } from 'react'
import { later } from '@/lib/later'
import { showKeys } from '@/lib/keys'
import { OVERLAY_KEYS } from './keys'
import type { Layer, Part } from './layers'
import { kindOfDose, partOfLevel, WASH } from './dose'
import { structuresNamedBy } from './dvh'
import { listName, type LayerView, type Overlays } from './useOverlays'
import classes from './overlays.module.css'

const KIND = { segmentation: 'Segmentation', structures: 'RT structures', dose: 'RT dose', surfaces: 'Surface segmentation', heights: 'Height map' } as const
const DoseLegend = later(() => import('./DoseLegend'))

/** A longer list can be searched. */
const MANY = 12

/** `1250 ml`, `38.4 ml`, `0.732 ml`. */
export function millilitres(volume_mm3: number): string {
  const ml = volume_mm3 / 1000
  return `${ml >= 100 ? Math.round(ml) : Number(ml.toPrecision(3))} ml`
}

/** What can be laid over the pictures, with its segments and regions: a hundred of them are not drawn anew for each picture that is scrolled. */
export const OverlayList = memo(
  function OverlayList({ overlays }: { overlays: Overlays }) {
    const { views } = overlays
    return (
      <aside className={classes['list']} aria-label={listName(views)}>
        <h3>
          {listName(views)} <span>{views.length || ''}</span>
        </h3>
        {views.length ? (
          views.map((view) => <LayerPart key={view.layer.key} view={view} overlays={overlays} />)
        ) : (
          <p>None on the studies that are open.</p>
        )}
      </aside>
    )
  },
  // All that its buttons do goes by these two.
  (before, now) => before.overlays.views === now.overlays.views && before.overlays.chosen === now.overlays.chosen,
)

function LayerPart({ view, overlays }: { view: LayerView; overlays: Overlays }) {
  const { layer, seen, content, note } = view
  const [wanted, setWanted] = useState('')
  const words = wanted.trim().toLowerCase()
  const parts = words ? layer.parts.filter((part) => `${part.label} ${part.meaning ?? ''}`.toLowerCase().includes(words)) : layer.parts
  const percent = Math.round(seen.opacity * 100)
  const maker = makerOf(layer)
  return (
    <section className={classes['layer']} aria-label={layer.label}>
      <div className={classes['head']}>
        <Eye on={seen.on} label={`Show ${layer.label}`} disabled={layer.fault !== null} onClick={() => overlays.toggle(layer.key)} />
        <div className={classes['name']}>
          <strong dir="auto">{layer.label}</strong>
          <span>
            {layer.kind === 'dose' ? kindOfDose(layer.instance) : `${KIND[layer.kind]} · ${layer.parts.length}`}
          </span>
          {maker ? <span dir="auto">{maker}</span> : null}
        </div>
      </div>
      {layer.fault ? (
        <p role="alert">It cannot be shown: {layer.fault}</p>
      ) : note ? (
        <p role="note">{note}</p>
      ) : null}
      {seen.on && content && content.done < 1 && !content.fault ? <p role="status">{Math.round(content.done * 100)} % of it is here</p> : null}
      {content?.fault ? (
        <p role="alert">
          Not all of it is shown. {content.fault}{' '}
          <Button size="compact-xs" variant="default" onClick={() => overlays.again(layer.key)}>
            Try again
          </Button>
        </p>
      ) : null}
      {content?.notes.map((one) => (
        <p key={one} role="note">
          {one}
        </p>
      ))}
      {seen.on && layer.fault === null ? (
        <>
          {layer.kind === 'heights' ? null : (
            <div className={classes['opacity']}>
              <span>{layer.kind === 'dose' ? 'Colours' : 'Fill'}</span>
              <Slider aria-label={`Fill of ${layer.label}`} thumbLabel={`Fill of ${layer.label}`} size="sm" min={0} max={100} step={5} value={percent} onChange={(value) => overlays.setOpacity(layer.key, value / 100)} label={null} />
              <output>{percent} %</output>
            </div>
          )}
          <div className={classes['choice']}>
            <Button size="compact-sm" variant="default" onClick={() => overlays.showParts(layer.key, true)}>
              All
            </Button>
            <Button size="compact-sm" variant="default" onClick={() => overlays.showParts(layer.key, false)}>
              None
            </Button>
          </div>
        </>
      ) : null}
      {view.look ? <DoseLegend view={view} look={view.look} most={content?.dose?.most ?? null} structures={overlays.views.find((one) => one.layer.key === structuresNamedBy(layer.instance))?.layer} onLook={(next) => overlays.setLook(layer.key, next)} /> : null}
      {layer.kind !== 'dose' && layer.parts.length > MANY ? <TextInput size="xs" aria-label={`Find in ${layer.label}`} placeholder="Find" value={wanted} onChange={(event) => setWanted(event.currentTarget.value)} /> : null}
      {layer.fault === null && (layer.kind !== 'dose' || view.look) ? (
        <ul>
          {parts.map((part) => (
            <PartRow key={part.number} part={part} saysMaker={maker === null} view={view} overlays={overlays} />
          ))}
        </ul>
      ) : null}
      {words && !parts.length ? <p>None is called that.</p> : null}
    </section>
  )
}

/** Who or what made all of it; null: that differs, or is not told. */
function makerOf({ parts }: Layer): string | null {
  const made = parts[0]?.made ?? null
  return parts.length > 1 && parts.every((part) => part.made === made) ? made : null
}

function PartRow({ part, saysMaker, view: { layer, seen, content, note, look }, overlays }: { part: Part; saysMaker: boolean; view: LayerView; overlays: Overlays }) {
  const onRemove = look && part.number !== WASH ? () => overlays.setLook(layer.key, { ...look, levels: look.levels.filter((level) => partOfLevel(level) !== part.number) }) : null
  const on = seen.on && !seen.hidden.has(part.number)
  const form = content?.forms.get(part.number)
  const whole = content?.done === 1
  const volume = whole && form?.volume != null ? (form.volume > 0 ? millilitres(form.volume) : 'Empty') : null
  const isChosen = overlays.chosen?.key === layer.key && overlays.chosen.part === part.number
  return (
    <li className={classes['part']} data-part={part.number} data-off={!on || undefined} data-chosen={isChosen || undefined}>
      <Eye on={on} label={`Show ${part.label}`} colour={content?.colours?.get(part.number) ?? part.colour} onClick={() => overlays.togglePart(layer.key, part.number)} />
      <button
        type="button"
        className={classes['name']}
        disabled={note !== null}
        onClick={() => overlays.go(layer.key, part.number)}
        aria-label={`Go to ${part.label}`}
        title={`Go to where it is largest; the next by ${showKeys(OVERLAY_KEYS.next)}`}
      >
        <strong dir="auto">{part.label}</strong>
        {layer.kind === 'dose' ? (
          <span data-number>{[part.meaning, volume].filter(Boolean).join(' · ')}</span>
        ) : (
          <>
            <span data-number>{[part.number, volume].filter((one) => one !== null).join(' · ')}</span>
            {part.meaning && part.meaning !== part.label ? <span dir="auto">{part.meaning}</span> : null}
          </>
        )}
        {saysMaker && part.made ? <span dir="auto">{part.made}</span> : null}
        {form?.missing ? <span role="note">{form.missing}</span> : null}
      </button>
      {onRemove ? (
        <button type="button" className={classes['eye']} aria-label={`Remove ${part.label}`} onClick={onRemove}>
          <IconX size={14} aria-hidden />
        </button>
      ) : null}
    </li>
  )
}

function Eye({ on, label, colour, disabled, onClick }: { on: boolean; label: string; colour?: string; disabled?: boolean; onClick: () => void }) {
  const Sign = on ? IconEye : IconEyeOff
  return (
    <button type="button" className={classes['eye']} aria-label={label} aria-pressed={on} disabled={disabled} onClick={onClick}>
      {colour ? <span className={classes['swatch']} style={{ background: colour }} /> : null}
      <Sign size={16} aria-hidden />
    </button>
  )
}
