import type { Types } from '@cornerstonejs/core'
import { ActionIcon, Button, Loader, SegmentedControl, Select, Slider, Tooltip } from '@mantine/core'
import { IconBlob, IconCrosshair, IconCube, IconRestore, IconX } from '@tabler/icons-react'
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type RefObject } from 'react'
import { flushSync } from 'react-dom'
import { formatPersonName } from '@/lib/personname'
import { formatDicomDate } from '@/lib/time'
import { showKeys, useKeys } from '@/lib/keys'
import { along, cross, edgesOfPlane, vec3, type EdgeLetters, type Vec3 } from '../geometry'
import { OverlaidOnPlane } from '../overlays/Overlaid'
import type { Cut } from '../overlays/solids'
import { ValuesHere } from '../overlays/ValuesHere'
import type { Shown as Laid } from '../overlays/useOverlays'
import { drawWashes } from '../overlays/wash'
import type { PlanesSource } from '../export/planes'
import { drawSvg } from '../export/svg'
import { PlanePointers } from '../Pointers'
import { presetsFor, windowOf } from '../presets'
import type { NamedPoint } from '../shared'
import { sameFrames, type Stack } from '../stacks'
import type { ViewerStudy } from '../study'
import type { HandName } from '../toolLabels'
import { isTrueToSize } from '../surface'
import { rememberPlanes } from '../measure/onPlane'
import { rounded } from '../measure/words'
import { patientOf, placeOnPaneOf, scaleBar } from '../view'
import { ColourBar, FusionBar, FusionMenu } from './FusionBar'
import { blendWords, isLaidOver, type Blend } from './fusion'
import { SliceMissing } from './lay'
import { looksFor } from './looks'
import { PLANES, type PlaneId } from './planeIds'
import { PLANE_COLOUR, PLANE_DRAWN, Scene, worksOnPlanes } from './scene'
import { AT_FIRST, nextMode, SLAB_LABEL, SLABS, slabWords, THICKEST, thicker, THINNEST, type Slab, type SlabMode } from './slab'
import { fusibleWith, useFusion, type Candidate } from './useFusion'
import { usePlanesTogether, type PlanesTogether } from './usePlanesTogether'
import { useSurfaces } from './useSurfaces'
import { judgeStack, unevenWords } from './volumes'
import classes from './volume.module.css'

export interface VolumeStageProps {
  study: ViewerStudy
  /** `PRIOR · 14 months`; null for the study that is read. */
  prior: string | null
  stack: Stack
  /** All that is open beside it, which may be fused with it. */
  others: readonly Candidate[]
  /** Chosen in the viewer's tool bar. */
  tool: HandName
  /** How it begins, as a hanging says. */
  slabAtFirst?: Slab | undefined
  /** The slab is another. */
  onSlab?: (slab: Slab) => void
  /** A drawing that is to be brought onto its plane; another object each time. */
  shown?: { uid: string } | null
  /** What is laid over the planes; null: nothing can be. */
  laid?: { shown: readonly Laid[]; chosen: { key: string; part: number } | null; words: string } | null
  /** A place that the planes are to go through; another object each time. */
  spot?: { point: Vec3 } | null
  /** Whether its keys for five slices are those of the hanging's stages. */
  staged?: boolean
  /** What of them can leave, asked when it is to. */
  leaving?: RefObject<(() => PlanesSource | null) | null>
  /** Where they are looked at together with others. */
  together?: PlanesTogether | undefined
  /** Where the others point. */
  pointers?: readonly NamedPoint[] | undefined
  onClose: () => void
}

const TOO_MUCH = 'The planes could not be drawn; the images are safe. This browser may have too little graphics memory.'

/** What is said of a plane as it was drawn. */
interface Seen {
  edges: EdgeLetters
  pixelsPerMillimetre: number
  cut: Cut
  toCanvas: ReturnType<typeof placeOnPaneOf>
}

const TITLE: Record<PlaneId, string> = { axial: 'Axial', sagittal: 'Sagittal', coronal: 'Coronal' }

/** Planes through a volume, straight and oblique, as slabs, and the body itself. */
export function VolumeStage({ study, prior, stack: given, others, tool, slabAtFirst, onSlab, shown = null, laid = null, spot = null, staged = false, leaving, together, pointers, onClose }: VolumeStageProps) {
  const elements = useRef<Partial<Record<PlaneId, HTMLDivElement>>>({})
  const bodyElement = useRef<HTMLDivElement>(null)
  const [scene, setScene] = useState<Scene | null>(null)
  const [ready, setReady] = useState(false)
  const [fault, setFault] = useState<string | null>(null)
  const [loaded, setLoaded] = useState(0)
  const [seen, setSeen] = useState<Partial<Record<PlaneId, Seen>>>({})
  const [window, setWindow] = useState<{ center: number; width: number } | null>(null)
  const [crossed, setCrossed] = useState<ReturnType<Scene['valuesAtCross']>>({ under: null, over: null })
  const [active, setActive] = useState<PlaneId>('axial')
  const [slab, setSlab] = useState<Slab>(slabAtFirst ?? AT_FIRST)
  const [crossing, setCrossing] = useState(true)
  const [body, setBody] = useState(false)
  /** The body is on its element. */
  const [bodied, setBodied] = useState(false)
  const [veiled, setVeiled] = useState(false)
  const [bodyEdges, setBodyEdges] = useState<EdgeLetters | null>(null)
  const [chosen, setChosen] = useState<Stack | null>(null)
  // A study that is asked for anew, because something was kept on it, is the same pictures: its planes stay as they were turned.
  const [asked, setAsked] = useState(given)
  if (asked !== given && !sameFrames(asked, given)) setAsked(given)
  // What shows where lies over what shows shape, whichever of them was opened.
  const stack = chosen && isLaidOver(asked) ? chosen : asked
  const over = chosen && (stack === chosen ? asked : chosen)
  const choices = fusibleWith(asked, others, study)
  const uneven = useMemo(() => {
    const judged = judgeStack(stack)
    return judged.isVolume ? judged.uneven : null
  }, [stack])
  const fusion = useFusion(scene, ready, stack, over)
  const { fused } = fusion
  const reblend = (change: (blend: Blend) => Partial<Blend>) => fused && fusion.setBlend({ ...fused.blend, ...change(fused.blend) })
  const looks = looksFor(stack.modality)
  const [look, setLook] = useState(looks[0]?.preset ?? '')

  useEffect(() => {
    const given = elements.current
    const { axial, sagittal, coronal } = given
    if (!axial || !sagittal || !coronal) return
    const all = { axial, sagittal, coronal }
    rememberPlanes(stack)
    const made = new Scene()
    // Read at the moment of drawing, and on the screen before the plane is.
    const heard = PLANES.map((plane) => {
      const drawn = () => {
        const viewport = made.plane(plane)
        const camera = viewport?.getCamera()
        const [up, toViewer, scale] = [vec3(camera?.viewUp), vec3(camera?.viewPlaneNormal), camera?.parallelScale]
        const there = viewport && viewport.getActors().length > 0 && isTrueToSize(viewport) && up && toViewer && scale
        const next = there ? seenOf(viewport, all[plane], { up, toViewer, scale }) : undefined
        const range = made.range()
        const values = made.valuesAtCross()
        flushSync(() => {
          setCrossed((before) => (before.under === values.under && before.over === values.over ? before : values))
          setSeen((before) => ({ ...before, [plane]: next }))
          setWindow((before) => (range ? same(before, windowOf(range, made.voiFunction)) : null))
        })
      }
      all[plane].addEventListener(PLANE_DRAWN, drawn)
      return { plane, drawn }
    })
    const size = new ResizeObserver(() => made.resize())
    for (const plane of PLANES) size.observe(all[plane])
    let gone = false
    made
      .open(stack, uneven, all, setLoaded)
      .then(() => !gone && setReady(true))
      .catch((error: unknown) => !gone && setFault(error instanceof SliceMissing ? error.message : TOO_MUCH))
    setScene(made)
    return () => {
      gone = true
      size.disconnect()
      for (const { plane, drawn } of heard) all[plane].removeEventListener(PLANE_DRAWN, drawn)
      setScene(null)
      setReady(false)
      made.end()
    }
  }, [stack, uneven])

  useEffect(() => {
    if (!scene || !ready) return
    scene.use(crossing || tool === 'locate' || !worksOnPlanes(tool) ? 'cross' : tool)
  }, [scene, ready, crossing, tool])
  // A tool that is chosen in the bar is meant.
  const before = useRef(tool)
  useEffect(() => {
    if (before.current !== tool) setCrossing(false)
    before.current = tool
  }, [tool])
  useEffect(() => {
    if (ready) scene?.slab(slab)
  }, [scene, ready, slab])
  useEffect(() => {
    if (ready && shown) scene?.show(shown.uid)
  }, [scene, ready, shown])
  const told = useRef(onSlab)
  useEffect(() => {
    told.current = onSlab
  })
  useEffect(() => {
    told.current?.(slab)
  }, [slab])
  useEffect(() => {
    if (ready && spot) scene?.goTo(spot.point)
  }, [scene, ready, spot])
  useEffect(() => {
    const element = bodyElement.current
    if (!scene || !ready || !body || !element) return
    // Where the body is looked at from, said in each frame that is painted.
    const drawn = () => {
      const from = scene.camera('body')
      const next = from && edgesOfPlane(cross(from.up, from.normal), from.up)
      setBodyEdges((before) => (JSON.stringify(before) === JSON.stringify(next) ? before : next))
    }
    element.addEventListener(PLANE_DRAWN, drawn)
    scene.openBody(element, look).then(() => setBodied(true), () => setFault(TOO_MUCH))
    return () => {
      element.removeEventListener(PLANE_DRAWN, drawn)
      setBodyEdges(null)
      setBodied(false)
      scene.closeBody()
    }
    // The look changes by `dress`.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [scene, ready, body])
  useEffect(() => {
    if (body) scene?.dress(look)
  }, [scene, body, look])

  const surfaces = useSurfaces(scene, stack, laid?.shown, bodied)
  useEffect(() => {
    if (bodied) scene?.veilBody(veiled && surfaces.count > 0)
  }, [scene, bodied, veiled, surfaces.count])

  const chosenKey = chosen?.key ?? null
  usePlanesTogether({
    together,
    scene,
    ready,
    chosen: { slab, look: body ? look : null, fused: chosenKey, blend: fused?.blend ?? null },
    choose: (wanted) => {
      setSlab(wanted.slab)
      setBody(wanted.look !== null)
      if (wanted.look !== null && looks.some((one) => one.preset === wanted.look)) setLook(wanted.look)
      if (wanted.fused !== chosenKey) setChosen(choices.find((one) => one.judged.fits && one.stack.key === wanted.fused)?.stack ?? null)
      if (wanted.blend && fused) fusion.setBlend(wanted.blend)
    },
    elementOf: (id) => (id === 'body' ? bodyElement.current : elements.current[id]),
  })

  const leave = (): PlanesSource | null => {
    if (!scene || !ready) return null
    return {
      study,
      stacks: [stack, ...(fused && over ? [over] : [])],
      window: [window ? `W ${Math.round(window.width)} · C ${Math.round(window.center)}` : null, fused ? `${over?.modality} ${blendWords(fused.blend, fused.unit)}` : null].filter(Boolean).join(' · '),
      choices: [
        ...[active, ...PLANES.filter((plane) => plane !== active)].map((plane) => ({
          id: plane,
          title: `${TITLE[plane]} plane`,
          slab,
          shoot: (marks: boolean, mayShow: (words: string) => boolean) => {
            const shot = scene.shoot(plane, marks ? mayShow : null)
            const over = marks ? elements.current[plane]?.parentElement?.querySelector<SVGSVGElement>('[data-testid=laid]') : null
            const context = shot?.canvas.getContext('2d')
            if (!shot || !over || !context) return shot
            drawWashes(context, over.parentElement ?? over, shot.ratio)
            drawSvg(context, over, { scale: shot.ratio, enlarge: 1, mayShow: () => false })
            return { ...shot, laid: true }
          },
        })),
        ...(body ? [{ id: 'body', title: `Body: ${looks.find((one) => one.preset === look)?.label ?? ''}`, slab: null, shoot: () => scene.shoot('body', null) }] : []),
      ],
    }
  }
  // Before what is wished by a key is done, which an effect of the same drawing does.
  useLayoutEffect(() => {
    if (!leaving) return
    leaving.current = leave
    return () => {
      leaving.current = null
    }
  })

  const nudge = (center: number, width: number) =>
    window && scene?.setWindow({ center: window.center + center * window.width, width: Math.max(1, window.width * (1 + width)) })
  const step = (by: 1 | -1) => setActive(PLANES[(PLANES.indexOf(active) + by + PLANES.length) % PLANES.length] ?? 'axial')
  const reset = () => {
    setSlab(AT_FIRST)
    scene?.reset()
  }
  useKeys('Planes', [
    { keys: 'ArrowDown', label: 'Next slice of the plane', run: () => scene?.scroll(active, 1) },
    { keys: 'ArrowUp', label: 'Previous slice of the plane', run: () => scene?.scroll(active, -1) },
    { keys: staged ? 'Shift+PageDown' : 'PageDown', label: 'Five slices on', run: () => scene?.scroll(active, 5) },
    { keys: staged ? 'Shift+PageUp' : 'PageUp', label: 'Five slices back', run: () => scene?.scroll(active, -5) },
    { keys: 'ArrowRight', label: 'Turn the other planes right', run: () => scene?.turn(active, -5) },
    { keys: 'ArrowLeft', label: 'Turn the other planes left', run: () => scene?.turn(active, 5) },
    { keys: 'b', label: 'Next plane', run: () => step(1) },
    { keys: 'n', label: 'Slab: thin, MIP, MinIP, average', run: () => setSlab(nextMode(slab)) },
    { keys: 'Shift+ArrowUp', label: 'Thicker slab', run: () => setSlab(thicker(slab, 2)) },
    { keys: 'Shift+ArrowDown', label: 'Thinner slab', run: () => setSlab(thicker(slab, -2)) },
    { keys: 'Shift+ArrowRight', label: 'Turn the body right', run: () => scene?.turnBody(-10), disabled: !body },
    { keys: 'Shift+ArrowLeft', label: 'Turn the body left', run: () => scene?.turnBody(10), disabled: !body },
    { keys: 'Shift+X', label: 'Move the cross', run: () => setCrossing(!crossing) },
    { keys: 'Shift+D', label: 'Show or hide the body', run: () => setBody(!body) },
    { keys: '[', label: 'Narrower window', run: () => nudge(0, -0.1) },
    { keys: ']', label: 'Wider window', run: () => nudge(0, 0.1) },
    { keys: ',', label: 'Lower window: brighter', run: () => nudge(-0.05, 0) },
    { keys: '.', label: 'Higher window: darker', run: () => nudge(0.05, 0) },
    { keys: '+', label: 'Larger', run: () => scene?.zoom(active, 1.2) },
    { keys: '-', label: 'Smaller', run: () => scene?.zoom(active, 1 / 1.2) },
    { keys: 'v', label: 'Invert', run: () => scene?.invert() },
    { keys: 'r', label: 'Straight planes through the middle', run: reset },
    { keys: 'Shift+F', label: 'Fuse with another series, or not', run: () => setChosen(chosen ? null : (choices.find((one) => one.judged.fits)?.stack ?? null)), disabled: !choices.some((one) => one.judged.fits) },
    { keys: '>', label: 'Fusion: more of what lies over', run: () => reblend(({ opacity }) => ({ opacity: Math.min(1, opacity + 0.1) })), disabled: !fused },
    { keys: '<', label: 'Fusion: less of what lies over', run: () => reblend(({ opacity }) => ({ opacity: Math.max(0, opacity - 0.1) })), disabled: !fused },
    { keys: 'Escape', label: 'Back to the images', run: onClose },
    ...presetsFor(stack.modality, stack.bodyPart).map((preset, at) => ({
      keys: String(at + 1),
      label: `Window: ${preset.label}`,
      run: () => scene?.setWindow(preset),
    })),
  ])

  // Whose they are is told as it is known now.
  const patient = patientOf(stack === asked ? given : stack)
  const words = slabWords(slab)
  const overJudged = over ? judgeStack(over) : null
  const notes = [
    ...(uneven ? unevenWords(uneven) : []),
    ...(over && overJudged?.isVolume && overJudged.uneven ? unevenWords(overJudged.uneven).map((words) => `${over.modality}: ${words}`) : []),
    ...(fused?.unit.reason ? [`${over?.modality}: no SUV, ${fused.unit.reason}`] : []),
    ...(fusion.fault ? [fusion.fault] : []),
  ]
  return (
    <section className={classes['stage']} aria-label="Planes" data-testid="planes" data-ready={ready || undefined} data-loaded={loaded}>
      <div className={classes['bar']} role="toolbar" aria-label="Planes">
        <Tooltip label={`Move the cross (${showKeys('Shift+X')}); drag a line to move it, its dot to turn it`} openDelay={400}>
          <ActionIcon variant={crossing ? 'light' : 'subtle'} aria-label="Move the cross" aria-pressed={crossing} onClick={() => setCrossing(!crossing)}>
            <IconCrosshair size={20} />
          </ActionIcon>
        </Tooltip>
        <SegmentedControl
          size="xs"
          aria-label="Slab"
          value={slab.mode}
          onChange={(mode) => setSlab({ ...slab, mode: mode as SlabMode })}
          data={SLABS.map((mode) => ({ value: mode, label: SLAB_LABEL[mode].split(' ')[0] ?? mode }))}
        />
        {slab.mode === 'thin' ? null : (
          <div className={classes['thickness']}>
            <Slider
              aria-label="Thickness of the slab"
              thumbLabel="Thickness of the slab"
              min={THINNEST}
              max={THICKEST}
              step={2}
              value={slab.thickness}
              onChange={(thickness) => setSlab({ ...slab, thickness })}
              label={null}
              size="sm"
            />
            <span>{slab.thickness} mm</span>
          </div>
        )}
        <Tooltip label={`Show the body (${showKeys('Shift+D')})`} openDelay={400}>
          <ActionIcon variant={body ? 'light' : 'subtle'} aria-label="Show the body" aria-pressed={body} onClick={() => setBody(!body)}>
            <IconCube size={20} />
          </ActionIcon>
        </Tooltip>
        {body ? (
          <Select
            size="xs"
            aria-label="How the body is drawn"
            className={classes['look']}
            data={looks.map((one) => ({ value: one.preset, label: one.label }))}
            value={look}
            onChange={(next) => next && setLook(next)}
            allowDeselect={false}
          />
        ) : null}
        {body && surfaces.count ? (
          <Tooltip label="Segments alone, without the body around them" openDelay={400}>
            <ActionIcon variant={veiled ? 'light' : 'subtle'} aria-label="Segments alone" aria-pressed={veiled} onClick={() => setVeiled(!veiled)}>
              <IconBlob size={20} />
            </ActionIcon>
          </Tooltip>
        ) : null}
        <Tooltip label={`Straight planes through the middle (${showKeys('r')})`} openDelay={400}>
          <ActionIcon variant="subtle" aria-label="Straight planes through the middle" onClick={reset}>
            <IconRestore size={20} />
          </ActionIcon>
        </Tooltip>
        <FusionMenu choices={choices} chosen={chosen?.key ?? null} onChoose={setChosen} />
        <span className={classes['room']} />
        {over && fusion.loaded !== null ? (
          <span className={classes['progress']} role="status">
            {over.modality}: {fusion.loaded} of {over.length} slices
          </span>
        ) : null}
        {!fault && loaded < stack.length ? (
          <span className={classes['progress']} role="status">
            {loaded} of {stack.length} slices
          </span>
        ) : null}
        <Button variant="subtle" size="compact-sm" leftSection={<IconX size={16} />} onClick={onClose}>
          Back to the images
        </Button>
      </div>
      {fused ? <FusionBar fused={fused} onBlend={fusion.setBlend} onStop={() => setChosen(null)} /> : null}
      {notes.length ? (
        <p className={classes['uneven']} role="note">
          {notes.join(' · ')}
        </p>
      ) : null}
      <div className={classes['planes']} data-body={body || undefined}>
        {PLANES.map((plane) => (
          <section
            key={plane}
            aria-label={TITLE[plane]}
            className={classes['plane']}
            data-plane={plane}
            data-active={plane === active || undefined}
            onPointerDownCapture={() => setActive(plane)}
            onWheelCapture={() => setActive(plane)}
          >
            <div
              className={classes['canvas']}
              data-testid={`plane-${plane}`}
              ref={(element) => {
                if (element) elements.current[plane] = element
              }}
            />
            {seen[plane] && laid?.shown.length ? <OverlaidOnPlane shown={laid.shown} cut={seen[plane].cut} stack={stack} toCanvas={seen[plane].toCanvas} chosen={laid.chosen} /> : null}
            <div className={classes['who']}>
              {prior ? <strong className={classes['prior']}>{prior}</strong> : null}
              <span dir="auto">{patient.name ? formatPersonName(patient.name) : patient.id}</span>
              {plane === 'axial' ? (
                <>
                  <span>{patient.name ? patient.id : null}</span>
                  <span>{[formatDicomDate(study.study_date), stack.label].filter(Boolean).join(' · ')}</span>
                </>
              ) : (
                <span>{formatDicomDate(study.study_date)}</span>
              )}
            </div>
            <div className={classes['what']}>
              <strong style={{ color: PLANE_COLOUR[plane] }}>{TITLE[plane]}</strong>
              {words ? <span>{words}</span> : null}
              {laid && plane === 'axial' ? <span>{laid.words}</span> : null}
              {seen[plane] && laid?.shown.length ? (
                <ValuesHere shown={laid.shown} stack={stack} element={() => elements.current[plane]} toWorld={(x, y) => vec3(scene?.plane(plane)?.canvasToWorld([x, y]))} stamp={seen[plane]} />
              ) : null}
              {fused ? (
                <span className={classes['over']}>
                  {plane === 'axial' ? fused.label : over?.modality} · {blendWords(fused.blend, fused.unit)}
                </span>
              ) : null}
            </div>
            {window ? (
              <span className={classes['window']}>
                W {Math.round(window.width)} · C {Math.round(window.center)}
                {plane === 'axial' && crossed.under !== null ? (
                  <span data-testid="at-cross">
                    {' · At the cross '}
                    {Math.round(crossed.under)}
                    {stack.modality === 'CT' ? ' HU' : ''}
                    {fused ? `, ${crossed.over === null ? 'none' : rounded(crossed.over)}${fused.unit.label ? ` ${fused.unit.label}` : ''}` : ''}
                  </span>
                ) : null}
              </span>
            ) : null}
            {fused && plane === 'axial' ? <ColourBar blend={fused.blend} unit={fused.unit} /> : null}
            {seen[plane] ? <Ruled seen={seen[plane]} /> : null}
            {pointers && scene && ready ? <PlanePointers scene={scene} plane={plane} pointers={pointers} /> : null}
          </section>
        ))}
        {body ? (
          <div className={classes['plane']} data-plane="body" data-surfaces={surfaces.count || undefined}>
            <div className={classes['canvas']} ref={bodyElement} data-testid="plane-body" />
            <div className={classes['who']}>
              <span dir="auto">{patient.name ? formatPersonName(patient.name) : patient.id}</span>
              <span>{formatDicomDate(study.study_date)}</span>
            </div>
            {bodyEdges ? <Letters edges={bodyEdges} /> : null}
            <span className={classes['window']}>{['Body: not for measuring', surfaces.count ? `${surfaces.count} surface${surfaces.count === 1 ? '' : 's'} of segments` : null, surfaces.words].filter(Boolean).join(' · ')}</span>
          </div>
        ) : null}
      </div>
      {!ready && !fault ? <Loader className={classes['busy']} size="sm" aria-label="Laying planes through the slices" /> : null}
      {fault ? (
        <p className={classes['fault']} role="alert">
          {fault}
        </p>
      ) : null}
    </section>
  )
}

function Letters({ edges }: { edges: EdgeLetters }) {
  return (
    <div className={classes['edges']} aria-hidden>
      <span data-edge="top">{edges.top}</span>
      <span data-edge="right">{edges.right}</span>
      <span data-edge="bottom">{edges.bottom}</span>
      <span data-edge="left">{edges.left}</span>
    </div>
  )
}

/** The letters at a plane's edges and its scale. */
function Ruled({ seen: { edges, pixelsPerMillimetre } }: { seen: Seen }) {
  const bar = scaleBar(pixelsPerMillimetre, 90)
  return (
    <>
      <Letters edges={edges} />
      {bar ? (
        <span className={classes['scale']} style={{ width: bar.length_px }}>
          {bar.units >= 10 ? `${Number((bar.units / 10).toFixed(2))} cm` : `${Number(bar.units.toFixed(2))} mm`}
        </span>
      ) : null}
    </>
  )
}

function seenOf(viewport: Types.IVolumeViewport, element: HTMLElement, { up, toViewer, scale }: { up: Vec3; toViewer: Vec3; scale: number }): Seen {
  const right = cross(up, toViewer)
  const focus: Vec3 = vec3(viewport.getCamera().focalPoint) ?? [0, 0, 0]
  const pixelsPerMillimetre = element.clientHeight / (2 * scale)
  const [across, high] = [element.clientWidth / (2 * pixelsPerMillimetre), scale]
  return {
    edges: edgesOfPlane(right, up),
    pixelsPerMillimetre,
    cut: { origin: focus, row: right, column: along([0, 0, 0], up, -1), normal: toViewer, thickness: 0, seen: [-across, -high, across, high], fine: 1 / pixelsPerMillimetre },
    toCanvas: placeOnPaneOf(viewport),
  }
}

function same<T extends { center: number; width: number }>(before: T | null, next: T): T {
  return before && before.center === next.center && before.width === next.width ? before : next
}
