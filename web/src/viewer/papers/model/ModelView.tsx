import { ActionIcon, Loader, Tooltip } from '@mantine/core'
import { IconArrowsMaximize, IconListDetails, IconMinus, IconPlus } from '@tabler/icons-react'
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react'
import { css, paletteColour, type Rgb } from '../../overlays/colours'
import { edgesOfPlane, type Vec3 } from '../../geometry'
import { scaleBar } from '../../view'
import viewer from '../../viewer.module.css'
import { STORAGE } from '../kinds'
import { formatOf, type PaperViewProps } from '../paper'
import papers from '../papers.module.css'
import { tellMoved, type Places } from '../places'
import { canDraw, Drawn } from './drawn'
import { factsOf, lengthWords, type ModelFacts } from './facts'
import { FRONT, rightOf, rolled, zoomed, type Look } from './look'
import classes from './model.module.css'
import type { Material, Model } from './read'
import { useModel } from './useModel'

const DEGREES_A_PIXEL = 0.45
const STEP_DEGREES = 15
const WHEEL = 0.0015
const BAR_PX = 120
const MTL_CLASS = `${STORAGE}104.5`

/** Where a patient is looked at from, by letter, when the model's numbers are places in one; without, the sides of a box. */
const SIDES: readonly { letter: string; patient: string; box: string; from: Vec3; up: Vec3 }[] = [
  { letter: 'A', patient: 'From the front', box: 'Side 1', from: [0, -1, 0], up: [0, 0, 1] },
  { letter: 'P', patient: 'From behind', box: 'Side 2', from: [0, 1, 0], up: [0, 0, 1] },
  { letter: 'R', patient: 'From the right', box: 'Side 3', from: [-1, 0, 0], up: [0, 0, 1] },
  { letter: 'L', patient: 'From the left', box: 'Side 4', from: [1, 0, 0], up: [0, 0, 1] },
  { letter: 'H', patient: 'From above', box: 'Side 5', from: [0, 0, 1], up: [0, -1, 0] },
  { letter: 'F', patient: 'From below', box: 'Side 6', from: [0, 0, -1], up: [0, -1, 0] },
]

/** An encapsulated model (PS3.3 A.85): its surface to be turned and looked at from all sides; of MTL its materials. */
export default function ModelView({ paper, onHands }: PaperViewProps) {
  const format = formatOf(paper)
  const facts = useMemo(() => factsOf(paper.instance, paper.path.slice(0, paper.path.indexOf('/instances/')), MTL_CLASS), [paper.instance, paper.path])
  const [attempt, setAttempt] = useState(0)
  const opened = useModel(paper, format, facts, attempt)
  if (opened.state === 'failed')
    return (
      <div className={papers['note']} role="alert">
        <p>{opened.words}</p>
        <button type="button" onClick={() => setAttempt(attempt + 1)}>
          Try again
        </button>
      </div>
    )
  if (opened.state === 'loading') return <Loader className={viewer['busy']} size="sm" aria-label="Opening the model" />
  if (!opened.model) return <Materials materials={opened.materials} />
  return <Surface key={paper.key} title={paper.title} format={format} facts={facts} model={opened.model} materials={opened.materials} lacking={opened.lacking} pictures={opened.pictures} onHands={onHands} />
}

interface SurfaceProps extends Pick<PaperViewProps, 'onHands'> {
  title: string
  format: string
  facts: ModelFacts
  model: Model
  materials: readonly Material[]
  lacking: boolean
  /** By the names of materials. */
  pictures: ReadonlyMap<string, ImageData>
}

interface Part {
  name: string
  colour: Rgb
  opacity: number
  shown: boolean
}

function Surface({ title, format, facts, model, materials, lacking, pictures, onHands }: SurfaceProps) {
  const [box, setBox] = useState<HTMLDivElement | null>(null)
  const [drawn, setDrawn] = useState<Drawn | null>(null)
  const [failed, setFailed] = useState(false)
  const [look, setLook] = useState<Look>(FRONT)
  const [opacity, setOpacity] = useState(facts.opacity)
  const [parts, setParts] = useState<readonly Part[]>(() => partsOf(model, materials, facts, pictures))
  const [listed, setListed] = useState(false)
  const [scale, setScale] = useState(0)

  useEffect(() => {
    if (!box) return
    let made: Drawn | null = null
    try {
      if (!canDraw()) throw new Error('no WebGL')
      const drawing = (made = new Drawn(box, model, groundOf(box)))
      model.solids.forEach((solid, at) => {
        const picture = coveredBy(solid, pictures)
        if (picture) drawing.cover(at, picture)
      })
      setDrawn(made)
    } catch {
      setFailed(true)
    }
    return () => {
      setDrawn(null)
      made?.end()
    }
  }, [box, model, pictures])
  const [room, setRoom] = useState({ width: 0, height: 0 })
  useLayoutEffect(() => {
    if (!box) return
    const measure = () => setRoom({ width: box.clientWidth, height: box.clientHeight })
    measure()
    const watch = new ResizeObserver(measure)
    watch.observe(box)
    return () => watch.disconnect()
  }, [box])
  useLayoutEffect(() => {
    if (!drawn) return
    drawn.resize(room.width, room.height)
    drawn.show(look)
    setScale(drawn.pixels)
    tellMoved(box)
  }, [drawn, box, room, look])
  useLayoutEffect(() => {
    drawn?.paint(parts.map((one) => ({ colour: [one.colour[0] / 255, one.colour[1] / 255, one.colour[2] / 255], opacity: one.opacity * opacity, shown: one.shown })))
  }, [drawn, parts, opacity])

  const now = useRef({ look, drawn })
  useLayoutEffect(() => {
    now.current = { look, drawn }
  })
  const places = useMemo<Places>(
    () => ({
      where: () => [...now.current.look.from, ...now.current.look.up, ...now.current.look.pan, now.current.look.zoom],
      goTo: (told) => {
        const next = lookFrom(told)
        if (next) setLook(next)
      },
      point: (x, y) => now.current.drawn?.placeAt(x, y) ?? null,
      seenAt: (at) => now.current.drawn?.seenAt(at) ?? null,
    }),
    [],
  )
  useEffect(() => {
    onHands({
      places,
      step: (by) => setLook((before) => rolled(before, (Math.abs(by) >= 5 ? 3 * Math.sign(by) : by) * STEP_DEGREES, 0)),
      end: (last) => setLook((before) => ({ ...before, ...sideOf(last ? 'P' : 'A') })),
      zoom: (factor) => setLook((before) => zoomed(before, factor)),
      fit: () => setLook(FRONT),
    })
    return () => onHands(null)
  }, [onHands, places])
  useEffect(() => {
    if (!box) return
    const wheel = (event: WheelEvent) => {
      event.preventDefault()
      setLook((before) => zoomed(before, Math.exp(-event.deltaY * WHEEL)))
    }
    box.addEventListener('wheel', wheel, { passive: false })
    return () => box.removeEventListener('wheel', wheel)
  }, [box])

  const fingers = useRef(new Map<number, readonly [number, number]>())
  const pressed = (event: PointerEvent) => {
    event.currentTarget.setPointerCapture(event.pointerId)
    fingers.current.set(event.pointerId, [event.clientX, event.clientY])
  }
  const moved = (event: PointerEvent) => {
    const before = fingers.current.get(event.pointerId)
    if (!before) return
    const [x, y] = [event.clientX - before[0], event.clientY - before[1]]
    const other = [...fingers.current].find(([id]) => id !== event.pointerId)?.[1]
    fingers.current.set(event.pointerId, [event.clientX, event.clientY])
    if (other) {
      const apart = (at: readonly [number, number]) => Math.hypot(at[0] - other[0], at[1] - other[1])
      const factor = apart([event.clientX, event.clientY]) / Math.max(1, apart(before))
      setLook((one) => moveBy(zoomed(one, factor), x / 2, y / 2, scale))
    } else if (event.buttons & 6 || event.shiftKey) setLook((one) => moveBy(one, x, y, scale))
    else setLook((one) => rolled(one, x * DEGREES_A_PIXEL, y * DEGREES_A_PIXEL))
  }
  const lifted = (event: PointerEvent) => fingers.current.delete(event.pointerId)
  const byKey = (event: KeyboardEvent) => {
    const turn: Partial<Record<string, readonly [number, number]>> = { ArrowLeft: [-STEP_DEGREES, 0], ArrowRight: [STEP_DEGREES, 0], ArrowUp: [0, -STEP_DEGREES], ArrowDown: [0, STEP_DEGREES] }
    const by = turn[event.key]
    if (!by || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return
    event.preventDefault()
    event.stopPropagation()
    setLook((before) => rolled(before, ...by))
  }

  const edges = facts.inPatient && !facts.mirrored ? edgesOfPlane(rightOf(look), look.up) : null
  const bar = facts.unit && scale ? scaleBar(scale / facts.unit.mm, BAR_PX) : null
  const size = [0, 1, 2].map((axis) => (model.most[axis] ?? 0) - (model.least[axis] ?? 0))
  const told = [
    format,
    `${model.triangles.toLocaleString('en')} triangle${model.triangles === 1 ? '' : 's'}`,
    facts.unit ? `${size.map((one) => lengthWords(one * (facts.unit?.mm ?? 1))).join(' × ')} mm` : 'No unit of length is told: not to scale',
    facts.inPatient ? null : 'In no Frame of Reference: sides are not those of the patient',
    model.skipped ? `${model.skipped.toLocaleString('en')} damaged triangles are left out` : null,
    lacking ? 'Its materials could not be fetched' : null,
    model.solids.some((solid) => materials.some((one) => one.name === solid.material && one.picture) && !coveredBy(solid, pictures)) ? 'Pictures on its surface are not drawn: they are not among what it names here' : null,
  ].filter(Boolean)
  if (failed)
    return (
      <p className={papers['note']} role="alert">
        This browser draws nothing in three dimensions (WebGL). The model is safe in the archive; it can be saved and opened elsewhere.
      </p>
    )
  const sides = SIDES.map((side) => ({ ...side, label: facts.inPatient ? side.patient : side.box, sign: facts.inPatient ? side.letter : side.box.slice(-1) }))
  return (
    <div className={classes['view']} data-testid="model" data-triangles={model.triangles}>
      <div className={classes['bar']} role="toolbar" aria-label="Model">
        {sides.map((side) => (
          <Act key={side.letter} label={side.label} icon={<b>{side.sign}</b>} onClick={() => setLook((before) => ({ ...before, from: side.from, up: side.up, pan: [0, 0] }))} />
        ))}
        <Act label="Smaller" icon={<IconMinus size={18} />} onClick={() => setLook(zoomed(look, 1 / 1.25))} />
        <Act label="Larger" icon={<IconPlus size={18} />} onClick={() => setLook(zoomed(look, 1.25))} />
        <Act label="All of it" icon={<IconArrowsMaximize size={18} />} onClick={() => setLook({ ...look, pan: [0, 0], zoom: 1 })} />
        <label className={classes['opacity']}>
          <span>Opacity</span>
          <input type="range" min={5} max={100} value={Math.round(opacity * 100)} aria-valuetext={`${Math.round(opacity * 100)} %`} onChange={(event) => setOpacity(Number(event.target.value) / 100)} />
        </label>
        <Act label="Parts and colours" icon={<IconListDetails size={18} />} pressed={listed} onClick={() => setListed(!listed)} />
      </div>
      <div className={classes['floor']}>
        {/* Its keys turn it. */}
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions, jsx-a11y/no-noninteractive-tabindex */}
        <div className={classes['stage']} tabIndex={0} role="group" aria-label={`${title}, turned by the arrow keys`} onKeyDown={byKey}>
          {/* What the pointer does, the keys of the group around it do. */}
          {/* eslint-disable-next-line jsx-a11y/no-static-element-interactions */}
          <div ref={setBox} className={classes['room']} data-testid="model-canvas" onPointerDown={pressed} onPointerMove={moved} onPointerUp={lifted} onPointerCancel={lifted} onContextMenu={(event) => event.preventDefault()} />
          {facts.caution ? (
            <strong className={classes['caution']} role="alert">
              {facts.caution}
            </strong>
          ) : null}
          {edges ? (
            <div className={viewer['edges']} aria-hidden>
              <span data-edge="top">{edges.top}</span>
              <span data-edge="right">{edges.right}</span>
              <span data-edge="bottom">{edges.bottom}</span>
              <span data-edge="left">{edges.left}</span>
            </div>
          ) : null}
          {bar ? (
            <span className={`${viewer['scale']} ${classes['scale']}`} style={{ width: bar.length_px }}>
              {bar.units >= 10 ? `${bar.units / 10} cm` : `${bar.units} mm`}
            </span>
          ) : null}
        </div>
        {listed ? (
          <aside className={classes['parts']} aria-label="Parts">
            <ol>
              {parts.map((part, at) => {
                const change = (to: Partial<Part>) => setParts(parts.map((one, each) => (each === at ? { ...one, ...to } : one)))
                return (
                  <li key={at}>
                    <label>
                      <input type="checkbox" checked={part.shown} onChange={(event) => change({ shown: event.target.checked })} />
                      <span dir="auto">{part.name}</span>
                    </label>
                    <input type="color" aria-label={`Colour of ${part.name}`} value={hex(part.colour)} onChange={(event) => change({ colour: rgbOf(event.target.value) })} />
                  </li>
                )
              })}
            </ol>
          </aside>
        ) : null}
      </div>
      <p className={classes['told']}>{told.join(' · ')}</p>
    </div>
  )
}

/** The picture that lies on a solid, where its corners say where. */
function coveredBy({ material, places }: Model['solids'][number], pictures: SurfaceProps['pictures']): ImageData | undefined {
  return material !== null && places ? pictures.get(material) : undefined
}

function partsOf(model: Model, materials: readonly Material[], facts: ModelFacts, pictures: SurfaceProps['pictures']): Part[] {
  return model.solids.map((solid, at) => {
    const material = materials.find((one) => one.name === solid.material)
    // A picture is seen in its own colours where no other is told.
    const told = material?.colour ?? (coveredBy(solid, pictures) ? ([1, 1, 1] as const) : facts.colour)
    const colour: Rgb = told ? [Math.round(255 * told[0]), Math.round(255 * told[1]), Math.round(255 * told[2])] : paletteColour(at + 1)
    return { name: solid.name || solid.material || (model.solids.length > 1 ? `Part ${at + 1}` : 'Surface'), colour, opacity: material?.opacity ?? 1, shown: true }
  })
}

function sideOf(letter: string): Pick<Look, 'from' | 'up'> {
  const side = SIDES.find((one) => one.letter === letter)
  return side ? { from: side.from, up: side.up } : FRONT
}

function moveBy(look: Look, x: number, y: number, scale: number): Look {
  return scale ? { ...look, pan: [look.pan[0] - x / scale, look.pan[1] + y / scale] } : look
}

/** How another page says that it looks; null where that is no way to look. */
function lookFrom(told: readonly number[]): Look | null {
  const [fx = 0, fy = 0, fz = 0, ux = 0, uy = 0, uz = 0, px = 0, py = 0, zoom = 1] = told
  const straight = (x: number, y: number, z: number) => Math.abs(Math.hypot(x, y, z) - 1) < 0.01
  const isSquare = Math.abs(fx * ux + fy * uy + fz * uz) < 0.01
  return straight(fx, fy, fz) && straight(ux, uy, uz) && isSquare ? zoomed({ from: [fx, fy, fz], up: [ux, uy, uz], pan: [px, py], zoom }, 1) : null
}

function Materials({ materials }: { materials: readonly Material[] }) {
  return (
    <div className={classes['materials']} data-testid="materials">
      <p>The materials of a model. It is drawn where the model itself is opened.</p>
      <ul>
        {materials.map((one, at) => (
          <li key={at}>
            <i style={{ background: one.colour ? css([Math.round(255 * one.colour[0]), Math.round(255 * one.colour[1]), Math.round(255 * one.colour[2])]) : 'none' }} />
            <span dir="auto">{one.name}</span>
            <span>{[one.colour ? null : 'No colour is told', one.opacity < 1 ? `Opacity ${Math.round(100 * one.opacity)} %` : null, one.picture ? 'With a picture on it' : null].filter(Boolean).join(' · ')}</span>
          </li>
        ))}
      </ul>
    </div>
  )
}

function hex(colour: Rgb): string {
  return `#${colour.map((one) => one.toString(16).padStart(2, '0')).join('')}`
}

function rgbOf(text: string): Rgb {
  const value = Number.parseInt(text.slice(1), 16)
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255]
}

/** The ground that pictures lie on, as the tokens name it. */
function groundOf(element: HTMLElement): readonly [number, number, number] {
  const context = document.createElement('canvas').getContext('2d')
  if (!context) return [0, 0, 0]
  context.fillStyle = getComputedStyle(element).getPropertyValue('--film-ground').trim()
  const [red, green, blue] = rgbOf(String(context.fillStyle))
  return [red / 255, green / 255, blue / 255]
}

function Act({ label, icon, pressed, onClick }: { label: string; icon: ReactNode; pressed?: boolean; onClick: () => void }) {
  return (
    <Tooltip label={label} openDelay={400}>
      <ActionIcon variant={pressed ? 'light' : 'subtle'} aria-label={label} aria-pressed={pressed} onClick={onClick}>
        {icon}
      </ActionIcon>
    </Tooltip>
  )
}
