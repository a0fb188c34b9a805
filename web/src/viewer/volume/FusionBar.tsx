import { ActionIcon, Button, Menu, Select, Slider, Tooltip } from '@mantine/core'
import { IconBlendMode, IconX } from '@tabler/icons-react'
import { showKeys } from '@/lib/keys'
import type { Stack } from '../stacks'
import { COLOURS_NAMES, gradientOf, roundUp, spoken, type Blend, type ColoursName } from './fusion'
import type { Fused, Fusible } from './useFusion'
import classes from './volume.module.css'

/** Chooses what is laid over the planes, or under them; what must not be is there, with why. */
export function FusionMenu({ choices, chosen, onChoose }: { choices: readonly Fusible[]; chosen: string | null; onChoose: (stack: Stack | null) => void }) {
  if (!choices.length) return null
  return (
    <Menu position="bottom-start" withinPortal={false} shadow="md">
      <Menu.Target>
        <Tooltip label={`Fuse with another series (${showKeys('Shift+F')})`} openDelay={400}>
          <Button variant={chosen ? 'light' : 'subtle'} size="compact-sm" aria-pressed={chosen !== null} leftSection={<IconBlendMode size={18} />}>
            Fuse
          </Button>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown className={classes['choices']}>
        {choices.map(({ stack, label, judged }) => (
          <Menu.Item key={stack.key} disabled={!judged.fits} onClick={() => onChoose(stack)} aria-current={stack.key === chosen || undefined}>
            {label}
            {judged.fits ? null : <small>Not fused: {judged.reason}</small>}
          </Menu.Item>
        ))}
        {chosen ? (
          <Menu.Item leftSection={<IconX size={14} />} onClick={() => onChoose(null)}>
            One series alone
          </Menu.Item>
        ) : null}
      </Menu.Dropdown>
    </Menu>
  )
}

/** How what is laid over is drawn. */
export function FusionBar({ fused, onBlend, onStop }: { fused: Fused; onBlend: (blend: Blend) => void; onStop: () => void }) {
  const { blend, unit, most } = fused
  const said = unit.label ? ` ${unit.label}` : ''
  const top = unit.label === 'SUV' ? Math.max(20, Math.min(100, roundUp(most))) : roundUp(most)
  const step = unit.label === 'SUV' ? 0.5 : top / 40
  return (
    <div className={classes['bar']} role="toolbar" aria-label="Fusion">
      <strong className={classes['fused']}>{fused.label}</strong>
      <Ruler label="Blend" value={Math.round(blend.opacity * 100)} min={0} max={100} step={5} words={`${Math.round(blend.opacity * 100)} %`} onChange={(value) => onBlend({ ...blend, opacity: value / 100 })} />
      <Ruler label="Brightest at" value={blend.to} min={step} max={top} step={step} words={`${spoken(blend.to)}${said}`} onChange={(to) => onBlend({ ...blend, to, from: Math.min(blend.from, to) })} />
      <Ruler label="Shown from" value={blend.from} min={0} max={top} step={step} words={`${spoken(blend.from)}${said}`} onChange={(from) => onBlend({ ...blend, from, to: Math.max(blend.to, from) })} />
      <Select size="xs" aria-label="Colours" className={classes['look']} data={COLOURS_NAMES} value={blend.colours} onChange={(next) => next && onBlend({ ...blend, colours: next as ColoursName })} allowDeselect={false} />
      <span className={classes['room']} />
      <Tooltip label="One series alone" openDelay={400}>
        <ActionIcon variant="subtle" aria-label="One series alone" onClick={onStop}>
          <IconX size={18} />
        </ActionIcon>
      </Tooltip>
    </div>
  )
}

function Ruler({ label, words, ...rest }: { label: string; words: string; value: number; min: number; max: number; step: number; onChange: (value: number) => void }) {
  return (
    <div className={classes['ruler']}>
      <span>{label}</span>
      <Slider size="sm" label={null} thumbLabel={label} {...rest} />
      <output>{words}</output>
    </div>
  )
}

/** What the colours mean. */
export function ColourBar({ blend, unit }: Pick<Fused, 'blend' | 'unit'>) {
  const part = blend.to > 0 ? Math.min(1, blend.from / blend.to) : 0
  return (
    <div className={classes['colours']} data-testid="colour-bar">
      <span>
        {spoken(blend.to)} {unit.label}
      </span>
      <i style={{ background: gradientOf(blend.colours) }}>{part > 0 ? <b style={{ height: `${part * 100}%` }} /> : null}</i>
      <span>0</span>
    </div>
  )
}
