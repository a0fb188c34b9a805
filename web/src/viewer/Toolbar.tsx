import { ActionIcon, Menu, Tooltip } from '@mantine/core'
import {
  IconAdjustments,
  IconAngle,
  IconArrowBackUp,
  IconArrowsMove,
  IconArrowUpRight,
  IconBlob,
  IconCube3dSphere,
  IconChevronDown,
  IconCircle,
  IconColumns2,
  IconContrast,
  IconCrosshair,
  IconDimensions,
  IconFlipHorizontal,
  IconFlipVertical,
  IconFocus2,
  IconLasso,
  IconLayersSubtract,
  IconLayoutSidebar,
  IconLetterT,
  IconLink,
  IconLinkOff,
  IconListNumbers,
  IconLungs,
  IconMinus,
  IconPlayerPause,
  IconPlayerPlay,
  IconPlus,
  IconRectangle,
  IconRestore,
  IconRotateClockwise,
  IconRuler2,
  IconStack2,
  IconStar,
  IconVectorBezier2,
  IconWindowMaximize,
  IconZoomIn,
  IconZoomScan,
  type Icon,
} from '@tabler/icons-react'
import { Fragment, memo, useEffect, useState, type ReactNode } from 'react'
import { showKeys, useKeys, type KeyBinding } from '@/lib/keys'
import { useCalm } from './calm'
import { cells, type Layout } from './layout'
import { LayoutPicker } from './LayoutPicker'
import { LINKS, LINK_LABEL, type LinkKind, type Links } from './links'
import { comePlanes } from './planesLater'
import type { WindowPreset } from './presets'
import { OVERLAY_KEYS } from './overlays/keys'
import { alike } from './steady'
import { MEASURING, TOOL_KEY, TOOL_LABEL, type HandName } from './toolLabels'
import type { ToolName } from './tools'
import classes from './viewer.module.css'

export interface ToolbarProps {
  /** What stands at the end. */
  children?: ReactNode
  tool: HandName
  layout: Layout
  links: Links
  /** Whether planes are laid through the series. */
  planes: boolean
  /** Pictures a second; null: it stands still. */
  playing: number | null
  isKey: boolean
  thumbnails: boolean
  /** Whether the list of measurements is shown, and how many there are. */
  measurements: { shown: boolean; count: number }
  /** What is laid over pictures: whether the list of it is shown, and any of it on the pictures; null: there is nothing. */
  overlays: { shown: boolean; on: boolean; count: number } | null
  presets: readonly WindowPreset[]
  /** Whether what is shown is a difference. */
  subtracted: boolean
  /** What hangs and why. */
  hanging?: ReactNode
  /** Whether the hanging has stages, whose keys Page Down and Page Up are then. */
  staged?: boolean
  can: {
    compare: boolean
    mark: boolean
    keep: boolean
    play: boolean
    /** Whether what is shown has a pace of its own to be changed, whether it plays or not. */
    pace?: boolean
    window: boolean
    /** Why nothing can be subtracted; true: something may; null: nothing is shown. */
    subtract: true | string | null
    /** Why no planes can be laid through the series; true: they can; null: nothing is shown. */
    planes: true | string | null
  }
  on: {
    tool: (tool: HandName) => void
    layout: (layout: Layout) => void
    compare: () => void
    link: (kind: LinkKind) => void
    play: () => void
    rate: (by: number) => void
    mark: () => void
    invert: () => void
    rotate: (quarters: 1 | -1) => void
    mirror: (axis: 'horizontal' | 'vertical') => void
    fit: () => void
    oneToOne: () => void
    planes: () => void
    subtract: () => void
    marks: () => void
    maximise: () => void
    reset: () => void
    place: () => void
    removeSelected: () => void
    removeAll: () => void
    undo: () => void
    redo: () => void
    nextMeasurement: (step: 1 | -1) => void
    measurements: () => void
    overlays: () => void
    overlayList: () => void
    overlayStep: (by: 1 | -1) => void
    keep: () => void
    insert: () => void
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

const HANDS: readonly HandName[] = ['scroll', 'window', 'zoom', 'pan', 'magnify']

const ICON: Record<HandName, Icon> = {
  scroll: IconStack2,
  window: IconContrast,
  zoom: IconZoomIn,
  pan: IconArrowsMove,
  magnify: IconZoomScan,
  locate: IconCrosshair,
  region: IconWindowMaximize,
  length: IconRuler2,
  angle: IconAngle,
  cobb: IconVectorBezier2,
  bidirectional: IconDimensions,
  ellipse: IconCircle,
  rectangle: IconRectangle,
  freehand: IconLasso,
  probe: IconFocus2,
  arrow: IconArrowUpRight,
  text: IconLetterT,
  ratio: IconLungs,
  spine: IconListNumbers,
}

function useToolKeys({ layout, playing, presets, overlays, staged = false, can, on }: ToolbarProps): void {
  const panes = cells(layout)
  const presetKeys: KeyBinding[] = presets.slice(0, 9).map((preset, at) => ({
    keys: String(at + 1),
    label: `Window: ${preset.label} (W ${preset.width} C ${preset.center})`,
    run: () => on.preset(preset),
  }))
  useKeys('Images: measure', [
    ...MEASURING.map((name) => ({ keys: TOOL_KEY[name], label: TOOL_LABEL[name], run: () => on.tool(name) })),
    { keys: 'Enter', label: 'Set the points of the chosen tool by keys', run: on.place },
    { keys: 'Delete', label: 'Remove the chosen measurement', run: on.removeSelected },
    { keys: 'Backspace', label: 'Remove the chosen measurement', run: on.removeSelected },
    { keys: 'e', label: 'Remove all measurements', run: on.removeAll },
    { keys: 'Mod+Z', label: 'Undo', run: on.undo },
    { keys: 'Mod+Shift+Z', label: 'Do again', run: on.redo },
    { keys: 'Shift+M', label: 'Show or hide the measurements', run: on.measurements },
    { keys: 'Shift+K', label: 'Keep measurements, presentation and key images in the archive', run: on.keep, disabled: !can.keep },
    { keys: 'Shift+I', label: 'Put the measurements into the report', run: on.insert, disabled: !can.keep },
    { keys: 'j', label: 'Next measurement', run: () => on.nextMeasurement(1) },
    { keys: 'Shift+J', label: 'Previous measurement', run: () => on.nextMeasurement(-1) },
  ])
  useKeys('Images: segmentations and structures', [
    { keys: OVERLAY_KEYS.show, label: 'Show or hide segmentations and structures', run: on.overlays, disabled: !overlays },
    { keys: OVERLAY_KEYS.list, label: 'List of segmentations and structures', run: on.overlayList, disabled: !overlays },
    { keys: OVERLAY_KEYS.next, label: 'Next segment or region, where it is largest', run: () => on.overlayStep(1), disabled: !overlays },
    { keys: OVERLAY_KEYS.before, label: 'Previous segment or region, where it is largest', run: () => on.overlayStep(-1), disabled: !overlays },
  ])
  useKeys('Images: window and view', [
    ...[...HANDS, 'region' as const].map((name) => ({ keys: TOOL_KEY[name], label: TOOL_LABEL[name], run: () => on.tool(name) })),
    { keys: '[', label: 'Narrower window', run: () => on.nudge(0, -0.1), disabled: !can.window },
    { keys: ']', label: 'Wider window', run: () => on.nudge(0, 0.1), disabled: !can.window },
    { keys: ',', label: 'Lower window: brighter', run: () => on.nudge(-0.05, 0), disabled: !can.window },
    { keys: '.', label: 'Higher window: darker', run: () => on.nudge(0.05, 0), disabled: !can.window },
    { keys: '0', label: "Window: the scanner's own", run: on.scanner, disabled: !can.window },
    ...presetKeys,
    { keys: 'v', label: 'Invert', run: on.invert },
    { keys: '>', label: 'Turn right', run: () => on.rotate(1) },
    { keys: '<', label: 'Turn left', run: () => on.rotate(-1) },
    { keys: 'h', label: 'Mirror left to right', run: () => on.mirror('horizontal') },
    { keys: 'Shift+H', label: 'Mirror top to bottom', run: () => on.mirror('vertical') },
    { keys: 'g', label: 'Fit the pane', run: on.fit },
    { keys: 'Shift+G', label: 'One image pixel on one screen pixel', run: on.oneToOne },
    { keys: '+', label: 'Larger', run: () => on.zoom(1.2) },
    { keys: '=', label: 'Larger', run: () => on.zoom(1.2) },
    { keys: '-', label: 'Smaller', run: () => on.zoom(1 / 1.2) },
    { keys: 'Shift+ArrowLeft', label: 'Move the image left', run: () => on.pan(-40, 0) },
    { keys: 'Shift+ArrowRight', label: 'Move the image right', run: () => on.pan(40, 0) },
    { keys: 'Shift+ArrowUp', label: 'Move the image up', run: () => on.pan(0, -40) },
    { keys: 'Shift+ArrowDown', label: 'Move the image down', run: () => on.pan(0, 40) },
    { keys: 'y', label: 'Show or hide overlays and shutters', run: on.marks },
    { keys: 'r', label: 'Reset', run: on.reset },
  ])
  useKeys('Images', [
    { keys: 'ArrowDown', label: 'Next image', run: () => on.scroll(1) },
    { keys: 'ArrowUp', label: 'Previous image', run: () => on.scroll(-1) },
    { keys: staged ? 'Shift+PageDown' : 'PageDown', label: 'Five images on', run: () => on.scroll(5) },
    { keys: staged ? 'Shift+PageUp' : 'PageUp', label: 'Five images back', run: () => on.scroll(-5) },
    { keys: 'Home', label: 'First image', run: () => on.end(false) },
    { keys: 'End', label: 'Last image', run: () => on.end(true) },
    { keys: 'ArrowRight', label: 'Next series', run: () => on.series(1) },
    { keys: 'ArrowLeft', label: 'Previous series', run: () => on.series(-1) },
    { keys: 'Space', label: 'Play or stop', run: on.play, disabled: !can.play },
    { keys: 'Alt+ArrowUp', label: 'Play faster', run: () => on.rate(1), disabled: playing === null && !can.pace },
    { keys: 'Alt+ArrowDown', label: 'Play slower', run: () => on.rate(-1), disabled: playing === null && !can.pace },
    { keys: 'k', label: 'Mark or unmark as key image', run: on.mark, disabled: !can.mark },
    { keys: 'c', label: 'Compare with a prior', run: on.compare, disabled: !can.compare },
    { keys: 'x', label: 'Link or unlink scrolling', run: () => on.link('scroll'), disabled: panes === 1 },
    { keys: TOOL_KEY.locate, label: TOOL_LABEL.locate, run: () => on.tool('locate'), disabled: panes === 1 },
    { keys: 'b', label: 'Next pane', run: () => on.pane(1), disabled: panes === 1 },
    { keys: 'Shift+B', label: 'This pane alone, or all panes', run: on.maximise, disabled: panes === 1 },
    { keys: 'Shift+P', label: 'Planes through the series (MPR, slabs, 3D)', run: on.planes, disabled: can.planes === null },
    { keys: 't', label: 'Show or hide series', run: on.thumbnails },
  ])
}

/** The viewer's tools, not drawn anew for each picture that is scrolled: at the top by mouse, at the bottom within the thumbs' reach by touch; all of them by key. */
export const Toolbar = memo(function Toolbar(props: ToolbarProps) {
  const { tool, layout, links, playing, isKey, thumbnails, planes, measurements, presets, can, on } = props
  const panes = cells(layout)
  const linked = LINKS.some((kind) => links[kind])
  const [measuring, setMeasuring] = useState<ToolName>('length')
  useToolKeys(props)
  const shownMeasuring = MEASURING.find((name) => name === tool) ?? measuring
  const isCalm = useCalm()
  useEffect(() => {
    // What fails is asked for again, and told of, when planes are shown.
    if (isCalm) comePlanes().catch(() => undefined)
  }, [isCalm])
  // The keys are there at once; to draw all buttons takes as long as half a picture, which comes first.
  // What is given with keys of its own is there from the first, and the same after.
  const given = [<Fragment key="hanging">{props.hanging}</Fragment>, <Fragment key="end">{props.children}</Fragment>]
  if (!isCalm)
    return (
      <div className={classes['toolbar']} role="toolbar" aria-label="Image tools" aria-busy>
        {given}
      </div>
    )
  return (
    <div className={classes['toolbar']} role="toolbar" aria-label="Image tools">
      <Tool label="Series" keys="t" icon={IconLayoutSidebar} pressed={thumbnails} onClick={on.thumbnails} />
      <span className={classes['gap']} />
      {HANDS.map((name) => (
        <Tool key={name} label={TOOL_LABEL[name]} keys={TOOL_KEY[name]} icon={ICON[name]} pressed={tool === name} onClick={() => on.tool(name)} />
      ))}
      <Menu withinPortal position="bottom-start">
        <Menu.Target>
          <ActionIcon variant="subtle" aria-label="Window presets" title="Window presets" disabled={!can.window}>
            <IconAdjustments size={20} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Item label="Window by region" keys="Shift+W" icon={IconWindowMaximize} onClick={() => on.tool('region')} />
          <Item label="As the scanner wrote" keys="0" onClick={on.scanner} />
          {presets.map((preset, at) => (
            <Item key={preset.label} label={`${preset.label} · W ${preset.width} C ${preset.center}`} keys={String(at + 1)} onClick={() => on.preset(preset)} />
          ))}
        </Menu.Dropdown>
      </Menu>
      <Menu withinPortal position="bottom-start">
        <Menu.Target>
          <ActionIcon variant="subtle" aria-label="Turn and fit" title="Turn and fit">
            <IconRotateClockwise size={20} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Item label="Turn right" keys=">" icon={IconRotateClockwise} onClick={() => on.rotate(1)} />
          <Item label="Turn left" keys="<" icon={IconArrowBackUp} onClick={() => on.rotate(-1)} />
          <Item label="Mirror left to right" keys="h" icon={IconFlipVertical} onClick={() => on.mirror('horizontal')} />
          <Item label="Mirror top to bottom" keys="Shift+H" icon={IconFlipHorizontal} onClick={() => on.mirror('vertical')} />
          <Item label="Invert" keys="v" icon={IconContrast} onClick={on.invert} />
          <Menu.Divider />
          <Item label="Fit the pane" keys="g" onClick={on.fit} />
          <Item label="1 : 1 pixels" keys="Shift+G" onClick={on.oneToOne} />
          <Item label="Overlays and shutters" keys="y" onClick={on.marks} />
        </Menu.Dropdown>
      </Menu>
      <Tool label="Reset" keys="r" icon={IconRestore} onClick={on.reset} />
      <span className={classes['gap']} />
      <div className={classes['split']}>
        <Tool
          label={TOOL_LABEL[shownMeasuring]}
          keys={TOOL_KEY[shownMeasuring]}
          icon={ICON[shownMeasuring]}
          pressed={tool === shownMeasuring}
          onClick={() => on.tool(shownMeasuring)}
        />
        <Menu withinPortal position="bottom-start">
          <Menu.Target>
            <ActionIcon variant="subtle" aria-label="More measuring tools" title="More measuring tools">
              <IconChevronDown size={14} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            {MEASURING.map((name) => (
              <Item
                key={name}
                label={TOOL_LABEL[name]}
                keys={TOOL_KEY[name]}
                icon={ICON[name]}
                onClick={() => {
                  setMeasuring(name)
                  on.tool(name)
                }}
              />
            ))}
            <Menu.Divider />
            <Item label="Set points by keys" keys="Enter" onClick={on.place} />
            <Item label="Remove the chosen one" keys="Delete" onClick={on.removeSelected} />
            <Item label="Remove all" keys="e" onClick={on.removeAll} />
          </Menu.Dropdown>
        </Menu>
      </div>
      <Tool label="Undo" keys="Mod+Z" icon={IconArrowBackUp} onClick={on.undo} />
      <Tool
        label={measurements.count ? `Measurements: ${measurements.count}` : 'Measurements'}
        keys="Shift+M"
        icon={IconListNumbers}
        pressed={measurements.shown}
        onClick={on.measurements}
      />
      {props.overlays ? (
        <Tool label={`Segmentations and structures: ${props.overlays.count}`} keys={OVERLAY_KEYS.list} icon={IconBlob} lit={props.overlays.on} pressed={props.overlays.shown} onClick={on.overlayList} />
      ) : null}
      {/* A film has a button of its own. */}
      {can.play && !can.pace ? (
        <Tool label={playing === null ? 'Play' : 'Stop'} keys="Space" icon={playing === null ? IconPlayerPlay : IconPlayerPause} pressed={playing !== null} onClick={on.play} />
      ) : null}
      {can.play && playing !== null ? (
        <span className={classes['rate']}>
          <Tool label="Play slower" keys="Alt+ArrowDown" icon={IconMinus} onClick={() => on.rate(-1)} />
          <span aria-label={`${playing} images a second`}>{playing}/s</span>
          <Tool label="Play faster" keys="Alt+ArrowUp" icon={IconPlus} onClick={() => on.rate(1)} />
        </span>
      ) : null}
      <span className={classes['gap']} />
      <Tool label="Compare with a prior" keys="c" icon={IconColumns2} onClick={on.compare} disabled={!can.compare} />
      <Menu withinPortal position="bottom-end" closeOnItemClick={false}>
        <Menu.Target>
          <ActionIcon
            variant={linked && panes > 1 ? 'light' : 'subtle'}
            aria-label="What panes do together"
            title="What panes do together"
            data-lit={(linked && panes > 1) || undefined}
            disabled={panes === 1}
          >
            {linked ? <IconLink size={20} /> : <IconLinkOff size={20} />}
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {LINKS.map((kind) => (
            <Menu.CheckboxItem key={kind} checked={links[kind]} rightSection={kind === 'scroll' ? <kbd>X</kbd> : undefined} onChange={() => on.link(kind)}>
              {LINK_LABEL[kind]}
            </Menu.CheckboxItem>
          ))}
          <Menu.Divider />
          <Item label={TOOL_LABEL.locate} keys={TOOL_KEY.locate} icon={IconCrosshair} onClick={() => on.tool('locate')} />
        </Menu.Dropdown>
      </Menu>
      <Tool
        label={typeof can.planes === 'string' ? `No planes: ${can.planes}` : 'Planes and 3D'}
        keys="Shift+P"
        icon={IconCube3dSphere}
        pressed={planes}
        disabled={can.planes !== true}
        onClick={on.planes}
      />
      <Tool
        label={typeof can.subtract === 'string' ? `No subtraction: ${can.subtract}` : 'Subtraction'}
        keys="Shift+Q"
        icon={IconLayersSubtract}
        pressed={props.subtracted}
        disabled={can.subtract !== true}
        onClick={on.subtract}
      />
      {given[0]}
      <LayoutPicker layout={layout} onLayout={on.layout} />
      {can.mark ? <Tool label={isKey ? 'Unmark the key image' : 'Mark as key image'} keys="k" icon={IconStar} pressed={isKey} onClick={on.mark} /> : null}
      {given[1]}
    </div>
  )
}, alike)

function Item(props: { label: string; keys: string; icon?: Icon; onClick: () => void }) {
  const { label, keys, icon: Sign, onClick } = props
  return (
    <Menu.Item onClick={onClick} leftSection={Sign ? <Sign size={16} /> : undefined} rightSection={<kbd>{showKeys(keys)}</kbd>}>
      {label}
    </Menu.Item>
  )
}

function Tool(props: { label: string; keys: string; icon: Icon; pressed?: boolean; lit?: boolean; disabled?: boolean; onClick: () => void }) {
  const { label, keys, icon: Sign, pressed, disabled, onClick } = props
  return (
    <Tooltip label={`${label} (${showKeys(keys)})`} openDelay={400}>
      <ActionIcon
        variant={pressed ? 'light' : 'subtle'}
        aria-label={label}
        aria-pressed={pressed}
        data-lit={props.lit || undefined}
        disabled={disabled}
        onClick={onClick}
      >
        <Sign size={20} />
      </ActionIcon>
    </Tooltip>
  )
}
