import { ActionIcon, Button, Menu, Slider, Tooltip } from '@mantine/core'
import { IconArrowDown, IconArrowLeft, IconArrowRight, IconArrowsMove, IconArrowUp, IconPhotoMinus, IconPhotoPlus, IconX, type Icon } from '@tabler/icons-react'
import { showKeys, useKeys } from '@/lib/keys'
import type { Stack } from '../stacks'
import { isRun } from './mask'
import type { Subtraction } from './types'
import type { Subtracting } from './useSubtraction'
import classes from './subtract.module.css'

/** A tenth of a pixel: what an eye sees of an edge that does not match. */
const STEP = 0.1
const KEPT_STEP = 0.1

interface BarProps {
  subtracting: Subtracting
  how: Subtraction
  /** The stack of the pane with the keys. */
  stack: Stack
  /** What was subtracted from the picture that is seen; null: nothing. */
  words: string | null
  /** Whether a drag moves the mask. */
  dragging: boolean
  onDrag: (dragging: boolean) => void
}

/** The keys of subtraction, whether it is on or not. */
export function useSubtractionKeys(subtracting: Subtracting, run: boolean, on: boolean): void {
  const { can, toggle, maskHere, move, still, keep } = subtracting
  const off = !on
  useKeys('Images: subtraction', [
    { keys: 'Shift+Q', label: 'Subtraction on or off', run: toggle, disabled: can !== true },
    { keys: '&', label: 'Subtract this image as the mask', run: () => maskHere(false), disabled: !run },
    { keys: '|', label: 'Average this image into the mask, or no more', run: () => maskHere(true), disabled: !run || off },
    { keys: 'Alt+Shift+ArrowLeft', label: 'Move the mask left by a tenth of a pixel', run: () => move({ right: -STEP, down: 0 }), disabled: off },
    { keys: 'Alt+Shift+ArrowRight', label: 'Move the mask right by a tenth of a pixel', run: () => move({ right: STEP, down: 0 }), disabled: off },
    { keys: 'Alt+Shift+ArrowUp', label: 'Move the mask up by a tenth of a pixel', run: () => move({ right: 0, down: -STEP }), disabled: off },
    { keys: 'Alt+Shift+ArrowDown', label: 'Move the mask down by a tenth of a pixel', run: () => move({ right: 0, down: STEP }), disabled: off },
    { keys: 'Alt+Shift+Home', label: 'Put the mask back where it was made', run: still, disabled: off },
    { keys: 'Alt+Shift+PageUp', label: 'Keep more of the anatomy', run: () => keep(subtracting.keptNow + KEPT_STEP), disabled: off },
    { keys: 'Alt+Shift+PageDown', label: 'Keep less of the anatomy', run: () => keep(subtracting.keptNow - KEPT_STEP), disabled: off },
  ])
}

/** What is subtracted in the pane with the keys, and how. */
export function SubtractionBar({ subtracting, how, stack, words, dragging, onDrag }: BarProps) {
  const { candidates, move, still, keep, maskHere, device } = subtracting
  const run = isRun(stack.beneath?.[0] ?? stack)
  const { right, down } = how.shift
  const moved = right !== 0 || down !== 0
  return (
    <div className={classes['bar']} role="toolbar" aria-label="Subtraction">
      <strong className={classes['what']}>{words ? `Subtracted: ${words}` : 'This image is not subtracted'}</strong>
      {run ? (
        <>
          <Tool label="Subtract this image as the mask" keys="&" icon={IconPhotoMinus} onClick={() => maskHere(false)} />
          <Tool label="Average this image into the mask" keys="|" icon={IconPhotoPlus} onClick={() => maskHere(true)} />
        </>
      ) : null}
      {device && how.mask.kind !== 'device' ? (
        <Button variant="subtle" size="compact-sm" onClick={device}>
          The device's mask
        </Button>
      ) : null}
      {candidates.length ? (
        <Menu position="bottom-start" withinPortal>
          <Menu.Target>
            <Button variant={how.mask.kind === 'series' ? 'light' : 'subtle'} size="compact-sm">
              Another series
            </Button>
          </Menu.Target>
          <Menu.Dropdown className={classes['choices']}>
            {candidates.map(({ stack: other, fit }) => (
              <Menu.Item
                key={other.key}
                disabled={!fit.fits}
                aria-current={(how.mask.kind === 'series' && how.mask.stack === other.key) || undefined}
                onClick={() => subtracting.series(other)}
              >
                {[other.seriesNumber, other.label].filter((word) => word !== null).join(' · ')}
                {fit.fits ? fit.pictures < stack.length ? <small>{`${fit.pictures} of ${stack.length} images have a partner`}</small> : null : <small>Does not fit: {fit.reason}</small>}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      ) : null}
      <span className={classes['gap']} />
      <span className={classes['shift']} role="group" aria-label="Mask shift">
        <Tool label="Move the mask by dragging" icon={IconArrowsMove} pressed={dragging} onClick={() => onDrag(!dragging)} />
        <Tool label="Move the mask left" keys="Alt+Shift+ArrowLeft" icon={IconArrowLeft} onClick={() => move({ right: -STEP, down: 0 })} />
        <Tool label="Move the mask right" keys="Alt+Shift+ArrowRight" icon={IconArrowRight} onClick={() => move({ right: STEP, down: 0 })} />
        <Tool label="Move the mask up" keys="Alt+Shift+ArrowUp" icon={IconArrowUp} onClick={() => move({ right: 0, down: -STEP })} />
        <Tool label="Move the mask down" keys="Alt+Shift+ArrowDown" icon={IconArrowDown} onClick={() => move({ right: 0, down: STEP })} />
        <output aria-label="Mask shift in pixels">
          x {signed(right)} · y {signed(down)} px
        </output>
        <Tool label="Put the mask back" keys="Alt+Shift+Home" icon={IconX} disabled={!moved} onClick={still} />
      </span>
      <span className={classes['kept']}>
        <span>Anatomy</span>
        <Slider size="sm" label={null} thumbLabel="Part of the anatomy that is kept" min={0} max={100} step={5} value={Math.round(how.kept * 100)} onChange={(value) => keep(value / 100)} />
        <output>{Math.round(how.kept * 100)} %</output>
      </span>
      <span className={classes['room']} />
      <Tool label="Subtraction off" keys="Shift+Q" icon={IconX} onClick={subtracting.toggle} />
    </div>
  )
}

function signed(value: number): string {
  return `${value > 0 ? '+' : value < 0 ? '−' : ''}${Math.abs(value).toFixed(1)}`
}

function Tool({ label, keys, icon: Sign, pressed, disabled, onClick }: { label: string; keys?: string; icon: Icon; pressed?: boolean; disabled?: boolean; onClick: () => void }) {
  return (
    <Tooltip label={keys ? `${label} (${showKeys(keys)})` : label} openDelay={400}>
      <ActionIcon variant={pressed ? 'light' : 'subtle'} aria-label={label} aria-pressed={pressed} disabled={disabled} onClick={onClick}>
        <Sign size={18} />
      </ActionIcon>
    </Tooltip>
  )
}
