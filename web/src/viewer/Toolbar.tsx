import { ActionIcon, Menu, Tooltip } from '@mantine/core'
import {
  IconAdjustments,
  IconArrowsMove,
  IconColumns2,
  IconContrast,
  IconContrastFilled,
  IconEraser,
  IconLayoutGrid,
  IconLayoutSidebar,
  IconLink,
  IconLinkOff,
  IconPlayerPause,
  IconPlayerPlay,
  IconRestore,
  IconRuler2,
  IconSquare,
  IconStack2,
  IconStar,
  IconZoomIn,
  type Icon,
} from '@tabler/icons-react'
import { showKeys, useKeys, type KeyBinding } from '@/lib/keys'
import type { ToolName } from './engine'
import type { WindowPreset } from './presets'
import classes from './viewer.module.css'

export type Layout = 1 | 2 | 4

export interface ToolbarProps {
  tool: ToolName
  layout: Layout
  linked: boolean
  playing: boolean
  isKey: boolean
  thumbnails: boolean
  presets: readonly WindowPreset[]
  can: { compare: boolean; mark: boolean; play: boolean; window: boolean }
  on: {
    tool: (tool: ToolName) => void
    layout: (layout: Layout) => void
    compare: () => void
    link: () => void
    play: () => void
    mark: () => void
    invert: () => void
    reset: () => void
    erase: () => void
    thumbnails: () => void
    preset: (preset: WindowPreset) => void
    scanner: () => void
    scroll: (images: number) => void
    end: (last: boolean) => void
    series: (step: 1 | -1) => void
    zoom: (factor: number) => void
    pan: (right: number, down: number) => void
    nudge: (center: number, width: number) => void
    pane: (step: 1 | -1) => void
  }
}

const TOOLS: readonly { name: ToolName; label: string; key: string; icon: Icon }[] = [
  { name: 'scroll', label: 'Scroll', key: 's', icon: IconStack2 },
  { name: 'window', label: 'Window', key: 'w', icon: IconContrast },
  { name: 'zoom', label: 'Zoom', key: 'z', icon: IconZoomIn },
  { name: 'pan', label: 'Pan', key: 'p', icon: IconArrowsMove },
  { name: 'length', label: 'Length', key: 'l', icon: IconRuler2 },
]

/** The viewer's tools: at the top by mouse, at the bottom within the thumbs' reach by touch; all of them by key. */
export function Toolbar({ tool, layout, linked, playing, isKey, thumbnails, presets, can, on }: ToolbarProps) {
  const presetKeys: KeyBinding[] = presets.slice(0, 9).map((preset, at) => ({
    keys: String(at + 1),
    label: `Window: ${preset.label} (W ${preset.width} C ${preset.center})`,
    run: () => on.preset(preset),
  }))
  useKeys('Images', [
    ...TOOLS.map(({ name, label, key }) => ({ keys: key, label, run: () => on.tool(name) })),
    { keys: 'ArrowDown', label: 'Next image', run: () => on.scroll(1) },
    { keys: 'ArrowUp', label: 'Previous image', run: () => on.scroll(-1) },
    { keys: 'PageDown', label: 'Five images on', run: () => on.scroll(5) },
    { keys: 'PageUp', label: 'Five images back', run: () => on.scroll(-5) },
    { keys: 'Home', label: 'First image', run: () => on.end(false) },
    { keys: 'End', label: 'Last image', run: () => on.end(true) },
    { keys: 'ArrowRight', label: 'Next series', run: () => on.series(1) },
    { keys: 'ArrowLeft', label: 'Previous series', run: () => on.series(-1) },
    { keys: '+', label: 'Larger', run: () => on.zoom(1.2) },
    { keys: '=', label: 'Larger', run: () => on.zoom(1.2) },
    { keys: '-', label: 'Smaller', run: () => on.zoom(1 / 1.2) },
    { keys: 'Shift+ArrowLeft', label: 'Move the image left', run: () => on.pan(-40, 0) },
    { keys: 'Shift+ArrowRight', label: 'Move the image right', run: () => on.pan(40, 0) },
    { keys: 'Shift+ArrowUp', label: 'Move the image up', run: () => on.pan(0, -40) },
    { keys: 'Shift+ArrowDown', label: 'Move the image down', run: () => on.pan(0, 40) },
    { keys: '[', label: 'Narrower window', run: () => on.nudge(0, -0.1), disabled: !can.window },
    { keys: ']', label: 'Wider window', run: () => on.nudge(0, 0.1), disabled: !can.window },
    { keys: ',', label: 'Lower window: brighter', run: () => on.nudge(-0.05, 0), disabled: !can.window },
    { keys: '.', label: 'Higher window: darker', run: () => on.nudge(0.05, 0), disabled: !can.window },
    { keys: '0', label: "Window: the scanner's own", run: on.scanner, disabled: !can.window },
    { keys: 'v', label: 'Invert', run: on.invert },
    { keys: 'r', label: 'Reset', run: on.reset },
    { keys: 'c', label: 'Compare with a prior', run: on.compare, disabled: !can.compare },
    { keys: 'x', label: 'Link or unlink scrolling', run: on.link, disabled: layout === 1 },
    { keys: 'k', label: 'Mark or unmark as key image', run: on.mark, disabled: !can.mark },
    { keys: 'Space', label: 'Play or stop', run: on.play, disabled: !can.play },
    { keys: 'e', label: 'Remove measurements', run: on.erase },
    { keys: 't', label: 'Show or hide series', run: on.thumbnails },
    { keys: 'b', label: 'Next pane', run: () => on.pane(1), disabled: layout === 1 },
    ...presetKeys,
  ])
  return (
    <div className={classes['toolbar']} role="toolbar" aria-label="Image tools">
      <Tool label="Series" keys="t" icon={IconLayoutSidebar} pressed={thumbnails} onClick={on.thumbnails} />
      <span className={classes['gap']} />
      {TOOLS.map(({ name, label, key, icon }) => (
        <Tool key={name} label={label} keys={key} icon={icon} pressed={tool === name} onClick={() => on.tool(name)} />
      ))}
      <span className={classes['gap']} />
      <Menu withinPortal position="bottom-start">
        <Menu.Target>
          <ActionIcon variant="subtle" aria-label="Window presets" title="Window presets" disabled={!can.window}>
            <IconAdjustments size={20} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={on.scanner} rightSection={<kbd>0</kbd>}>
            As the scanner wrote
          </Menu.Item>
          {presets.map((preset, at) => (
            <Menu.Item key={preset.label} onClick={() => on.preset(preset)} rightSection={<kbd>{at + 1}</kbd>}>
              {preset.label} · W {preset.width} C {preset.center}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Tool label="Invert" keys="v" icon={IconContrastFilled} onClick={on.invert} />
      <Tool label="Reset" keys="r" icon={IconRestore} onClick={on.reset} />
      <Tool label="Remove measurements" keys="e" icon={IconEraser} onClick={on.erase} />
      {can.play ? (
        <Tool label={playing ? 'Stop' : 'Play'} keys="Space" icon={playing ? IconPlayerPause : IconPlayerPlay} pressed={playing} onClick={on.play} />
      ) : null}
      <span className={classes['gap']} />
      <Tool label="Compare with a prior" keys="c" icon={IconColumns2} onClick={on.compare} disabled={!can.compare} />
      <Tool
        label={linked ? 'Scrolling is linked' : 'Scrolling is not linked'}
        keys="x"
        icon={linked ? IconLink : IconLinkOff}
        pressed={linked && layout > 1}
        disabled={layout === 1}
        onClick={on.link}
      />
      <Menu withinPortal position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="subtle" aria-label="Layout" title="Layout">
            {layout === 1 ? <IconSquare size={20} /> : layout === 2 ? <IconColumns2 size={20} /> : <IconLayoutGrid size={20} />}
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconSquare size={16} />} onClick={() => on.layout(1)}>
            One
          </Menu.Item>
          <Menu.Item leftSection={<IconColumns2 size={16} />} onClick={() => on.layout(2)}>
            Two side by side
          </Menu.Item>
          <Menu.Item leftSection={<IconLayoutGrid size={16} />} onClick={() => on.layout(4)}>
            Four
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {can.mark ? <Tool label={isKey ? 'Unmark the key image' : 'Mark as key image'} keys="k" icon={IconStar} pressed={isKey} onClick={on.mark} /> : null}
    </div>
  )
}

function Tool(props: { label: string; keys: string; icon: Icon; pressed?: boolean; disabled?: boolean; onClick: () => void }) {
  const { label, keys, icon: Sign, pressed, disabled, onClick } = props
  return (
    <Tooltip label={`${label} (${showKeys(keys)})`} openDelay={400}>
      <ActionIcon
        variant={pressed ? 'light' : 'subtle'}
        aria-label={label}
        aria-pressed={pressed}
        disabled={disabled}
        onClick={onClick}
      >
        <Sign size={20} />
      </ActionIcon>
    </Tooltip>
  )
}
