import { ActionIcon, Menu, Tooltip } from '@mantine/core'
import { IconChevronLeft, IconChevronRight, IconDeviceDesktopPlus, IconDeviceFloppy, IconEdit, IconLayoutBoardSplit } from '@tabler/icons-react'
import { showKeys, useKeys } from '@/lib/keys'
import type { Hanging } from '../useHanging'
import { owner } from './choose'
import classes from './hanging.module.css'
import type { Protocol } from './types'
import { definitionWords, ownerWords } from './words'

export interface HangingMenuProps {
  hanging: Pick<Hanging, 'applied' | 'fitting' | 'hangBy' | 'step'>
  protocols: readonly Protocol[]
  /** Whether this person may keep protocols. */
  mayKeep: boolean
  onSave: () => void
  onEdit: (protocol: Protocol) => void
  /** Opens a further window of the case; absent where this is one, or there is no case. */
  onWindow?: (() => void) | undefined
}

/** What hangs and why, the stages, and what else fits: in the tool bar. */
export function HangingMenu({ hanging, protocols, mayKeep, onSave, onEdit, onWindow }: HangingMenuProps) {
  const { applied, fitting } = hanging
  const stages = applied?.protocol.display_sets ?? []
  const label = stages[applied?.stage ?? 0]?.display_set_label
  const changed = applied !== null && applied.ruled.length < (stages[applied.stage]?.image_boxes.length ?? 0)
  const kept = protocols.find((one) => one.hanging_protocol_pk === applied?.protocol.hanging_protocol_pk)
  const others = protocols.filter((one) => !fitting.includes(one))
  const next = () => {
    // After the last that fits comes what is built in, and then the first again.
    const at = fitting.findIndex((one) => one.hanging_protocol_pk === applied?.protocol.hanging_protocol_pk)
    hanging.hangBy(applied === null ? (fitting[0] ?? null) : at < 0 ? null : (fitting[at + 1] ?? null))
  }
  useKeys('Hanging', [
    { keys: 'PageDown', label: 'Next stage of the hanging', run: () => hanging.step(1), disabled: stages.length < 2 },
    { keys: 'PageUp', label: 'Previous stage of the hanging', run: () => hanging.step(-1), disabled: stages.length < 2 },
    { keys: 'Shift+T', label: 'Next hanging that fits', run: next, disabled: fitting.length === 0 },
    { keys: 'Shift+S', label: 'Save this layout as a hanging protocol', run: onSave, disabled: !mayKeep },
    { keys: 'Shift+E', label: 'Edit the hanging protocol', run: () => kept && onEdit(kept), disabled: !kept || !mayKeep },
    { keys: 'Shift+D', label: 'Further window of this case', run: () => onWindow?.(), disabled: !onWindow },
  ])
  const name = applied?.protocol.name ?? 'Built in'
  const why = !applied
    ? fitting.length
      ? 'Chosen by hand instead of what fits'
      : 'No kept protocol fits this study'
    : `${kept ? `${ownerWords(kept)}: ` : ''}${definitionWords(applied.protocol.hanging_protocol_definition)}`
  return (
    <div className={classes['menu']} data-testid="hanging" data-stage={applied ? applied.stage + 1 : undefined}>
      {stages.length > 1 ? (
        <Tooltip label={`Previous stage (${showKeys('PageUp')})`} openDelay={400}>
          <ActionIcon variant="subtle" aria-label="Previous stage" className={classes['step']} onClick={() => hanging.step(-1)}>
            <IconChevronLeft size={18} />
          </ActionIcon>
        </Tooltip>
      ) : null}
      <Menu withinPortal position="bottom-end" width={340}>
        <Menu.Target>
          <button type="button" className={classes['chip']} aria-label={`Hanging: ${name}`} title={`Hanging: ${name}. ${why}`}>
            <IconLayoutBoardSplit size={18} aria-hidden />
            <span className={classes['name']}>{name}</span>
            {stages.length > 1 ? (
              <span className={classes['count']}>
                {(applied?.stage ?? 0) + 1}/{stages.length}
              </span>
            ) : null}
          </button>
        </Menu.Target>
        <Menu.Dropdown className={classes['dropdown']}>
          <div className={classes['why']}>
            <strong dir="auto">{name}</strong>
            <span>{why}</span>
            {changed ? <span>Panes were changed by hand since</span> : null}
          </div>
          {stages.length > 1 ? (
            <>
              <Menu.Label>Stages</Menu.Label>
              {stages.map((stage, at) => (
                <Menu.RadioItem
                  key={at}
                  value={String(at)}
                  checked={at === applied?.stage}
                  closeMenuOnClick
                  rightSection={at === ((applied?.stage ?? 0) + 1) % stages.length ? <kbd>{showKeys('PageDown')}</kbd> : undefined}
                  onClick={() => applied && hanging.hangBy(applied.protocol, at)}
                >
                  {stage.display_set_label ?? `${stage.rows} × ${stage.columns}`}
                </Menu.RadioItem>
              ))}
            </>
          ) : label ? (
            <Menu.Label>{label}</Menu.Label>
          ) : null}
          <Menu.Label>Fits this study</Menu.Label>
          {fitting.map((one) => (
            <Choice key={one.hanging_protocol_pk} protocol={one} on={one === kept} onUse={() => hanging.hangBy(one)} />
          ))}
          <Menu.RadioItem value="built-in" checked={applied === null} closeMenuOnClick onClick={() => hanging.hangBy(null)}>
            Built in
          </Menu.RadioItem>
          {others.length ? (
            <>
              <Menu.Label>Made for other studies</Menu.Label>
              {others.slice(0, 8).map((one) => (
                <Choice key={one.hanging_protocol_pk} protocol={one} on={one === kept} onUse={() => hanging.hangBy(one)} />
              ))}
            </>
          ) : null}
          {mayKeep || onWindow ? <Menu.Divider /> : null}
          {mayKeep ? (
            <Menu.Item leftSection={<IconDeviceFloppy size={16} />} rightSection={<kbd>{showKeys('Shift+S')}</kbd>} onClick={onSave}>
              Save this layout as protocol
            </Menu.Item>
          ) : null}
          {mayKeep && kept ? (
            <Menu.Item leftSection={<IconEdit size={16} />} rightSection={<kbd>{showKeys('Shift+E')}</kbd>} onClick={() => onEdit(kept)}>
              {kept.may_change ? `Edit “${kept.name}”` : `Look at “${kept.name}”`}
            </Menu.Item>
          ) : null}
          {onWindow ? (
            <Menu.Item leftSection={<IconDeviceDesktopPlus size={16} />} rightSection={<kbd>{showKeys('Shift+D')}</kbd>} onClick={onWindow}>
              Further window of this case
            </Menu.Item>
          ) : null}
        </Menu.Dropdown>
      </Menu>
      {stages.length > 1 ? (
        <Tooltip label={`Next stage (${showKeys('PageDown')})`} openDelay={400}>
          <ActionIcon variant="subtle" aria-label="Next stage" className={classes['step']} onClick={() => hanging.step(1)}>
            <IconChevronRight size={18} />
          </ActionIcon>
        </Tooltip>
      ) : null}
    </div>
  )
}

function Choice({ protocol, on, onUse }: { protocol: Protocol; on: boolean; onUse: () => void }) {
  return (
    <Menu.RadioItem value={String(protocol.hanging_protocol_pk)} checked={on} closeMenuOnClick onClick={onUse}>
      <span className={classes['choice']}>
        <span dir="auto">{protocol.name}</span>
        <small>
          {definitionWords(protocol.hanging_protocol_definition)}
          {owner(protocol) === 0 ? '' : ` · ${ownerWords(protocol)}`}
        </small>
      </span>
    </Menu.RadioItem>
  )
}
