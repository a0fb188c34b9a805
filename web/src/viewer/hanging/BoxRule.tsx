import { Button, Checkbox, NumberInput, Select, TextInput } from '@mantine/core'
import type { Stack } from '../stacks'
import { AS_SCANNED } from './looks'
import classes from './hanging.module.css'
import type { Box, Selector } from './types'
import { PLANE_LABEL } from './words'

export const SIDES = [
  { value: 'L', label: 'LEFT' },
  { value: 'R', label: 'RIGHT' },
  { value: 'B', label: 'BOTH SIDES' },
]
const SHOWS = [
  { value: '0', label: 'Current study' },
  ...[1, 2, 3, 4].map((number) => ({ value: String(number), label: number === 1 ? 'Prior 1 (most telling)' : `Prior ${number}` })),
]
const TURNS = [0, 90, 180, 270].map((value) => ({ value: String(value), label: value ? `${value}° clockwise` : 'Not turned' }))
const CONTRAST = [
  { value: 'yes', label: 'With' },
  { value: 'no', label: 'Without' },
]

export interface BoxRuleProps {
  box: Box | null
  /** What the rule finds in the study that is open; null: nothing, and `missing` says why. */
  found: Stack | null
  missing: string
  readOnly: boolean
  onChange: (box: Box | null) => void
}

/** The rule of one box: which series of which study, and how it is shown. */
export function BoxRule({ box, found, missing, readOnly, onChange }: BoxRuleProps) {
  if (!box)
    return (
      <div className={classes['rule']}>
        <p className={classes['note']}>This box stays empty.</p>
        {readOnly ? null : (
          <Button size="xs" variant="default" onClick={() => onChange({ ...AS_SCANNED, selector: { is_localizer: false, occurrence: 1 } })}>
            Give it a rule
          </Button>
        )}
      </div>
    )
  const asked = box.selector
  const ask = (change: Partial<Selector>) => onChange({ ...box, selector: { ...asked, ...change } })
  const number = (value: string | number) => (typeof value === 'number' ? value : null)
  return (
    <fieldset className={classes['rule']} disabled={readOnly} aria-label="Rule of the box">
      <p className={classes['finds']} data-none={found === null || undefined} role="status">
        {found ? `Finds ${[found.seriesNumber, found.label].filter((one) => one !== null).join(' · ')} (${found.length})` : missing}
      </p>
      <div className={classes['pair']}>
        <Select size="xs" label="Study" data={SHOWS} value={String(box.abstract_prior_value ?? 0)} allowDeselect={false} onChange={(value) => onChange({ ...box, abstract_prior_value: Number(value) || null })} />
        <TextInput size="xs" label="Modality" value={asked.modality ?? ''} maxLength={16} onChange={(event) => ask({ modality: event.currentTarget.value.toUpperCase() || null })} />
      </div>
      <TextInput size="xs" label="Words of the series description" value={asked.series_description ?? ''} maxLength={64} onChange={(event) => ask({ series_description: event.currentTarget.value || null })} />
      <div className={classes['pair']}>
        <Select size="xs" label="Plane" clearable data={Object.entries(PLANE_LABEL).map(([value, label]) => ({ value, label: label.charAt(0).toUpperCase() + label.slice(1) }))} value={asked.plane ?? null} onChange={(value) => ask({ plane: value as Selector['plane'] })} />
        <Select size="xs" label="Contrast" clearable data={CONTRAST} value={asked.contrast_bolus == null ? null : asked.contrast_bolus ? 'yes' : 'no'} onChange={(value) => ask({ contrast_bolus: value === null ? null : value === 'yes' })} />
        <Select size="xs" label="Side" clearable data={SIDES} value={asked.image_laterality ?? null} onChange={(value) => ask({ image_laterality: value as Selector['image_laterality'] })} />
        <TextInput size="xs" label="View position" value={asked.view_position ?? ''} maxLength={16} onChange={(event) => ask({ view_position: event.currentTarget.value.toUpperCase() || null })} />
        <TextInput
          size="xs"
          label="Scanning sequence"
          value={asked.scanning_sequence?.join(' ') ?? ''}
          maxLength={40}
          onChange={(event) => ask({ scanning_sequence: event.currentTarget.value.trim() ? event.currentTarget.value.toUpperCase().split(/\s+/).filter(Boolean) : null })}
        />
        <TextInput size="xs" label="Kernel" value={asked.convolution_kernel ?? ''} maxLength={64} onChange={(event) => ask({ convolution_kernel: event.currentTarget.value || null })} />
        <NumberInput size="xs" label="Slices from, mm" min={0} max={1000} value={asked.slice_thickness_min ?? ''} onChange={(value) => ask({ slice_thickness_min: number(value) })} />
        <NumberInput size="xs" label="Slices to, mm" min={0} max={1000} value={asked.slice_thickness_max ?? ''} onChange={(value) => ask({ slice_thickness_max: number(value) })} />
        <NumberInput size="xs" label="Of several, number" min={1} max={99} value={asked.occurrence} onChange={(value) => ask({ occurrence: number(value) ?? 1 })} />
        <Select size="xs" label="Turned" data={TURNS} allowDeselect={false} value={String(box.image_rotation)} onChange={(value) => onChange({ ...box, image_rotation: (Number(value) || 0) as Box['image_rotation'] })} />
        <NumberInput size="xs" label="Window width" min={1} value={box.window?.window_width ?? ''} placeholder="Scanner's" onChange={(value) => onChange({ ...box, window: windowOf(number(value), box.window?.window_center ?? 40) })} />
        <NumberInput size="xs" label="Window centre" value={box.window?.window_center ?? ''} placeholder="Scanner's" disabled={!box.window} onChange={(value) => onChange({ ...box, window: windowOf(box.window?.window_width ?? null, number(value) ?? 0) })} />
      </div>
      <div className={classes['row']}>
        <Checkbox size="xs" label="Mirrored" checked={box.image_horizontal_flip} onChange={(event) => onChange({ ...box, image_horizontal_flip: event.currentTarget.checked })} />
        <Checkbox size="xs" label="Inverted" checked={box.show_grayscale_inverted} onChange={(event) => onChange({ ...box, show_grayscale_inverted: event.currentTarget.checked })} />
        <Checkbox size="xs" label="1 : 1 pixels" checked={box.presentation_pixel_magnification_ratio === 1} onChange={(event) => onChange({ ...box, presentation_pixel_magnification_ratio: event.currentTarget.checked ? 1 : null })} />
        <Checkbox size="xs" label="Localiser" checked={asked.is_localizer} onChange={(event) => ask({ is_localizer: event.currentTarget.checked })} />
      </div>
      {readOnly ? null : (
        <Button size="xs" variant="default" onClick={() => onChange(null)}>
          Leave this box empty
        </Button>
      )}
    </fieldset>
  )
}

function windowOf(width: number | null, center: number): Box['window'] {
  return width ? { window_width: width, window_center: center } : null
}
