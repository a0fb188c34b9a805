import {
  addVolumesToViewports,
  cache,
  CONSTANTS,
  Enums,
  eventTarget,
  RenderingEngine,
  setVolumesForViewports,
  utilities,
  volumeLoader,
  type Types,
  type VolumeViewport3D,
} from '@cornerstonejs/core'
import { addTool, annotation, CrosshairsTool, Enums as ToolEnums, state, ToolGroupManager, TrackballRotateTool, type Types as ToolTypes } from '@cornerstonejs/tools'
import { countsOfSlices, countsOn } from '../measure/counting'
import { openValues } from '../measure/planeValues'
import { isCoarse } from '../pixels/coarse'
import { functionOf } from '../pixels/plain'
import { isLeastWhite } from '../pixels/values'
import { drawSvg } from '../export/svg'
import type { Shot } from '../export/planes'
import { along, cross, distance, dot, edgesOfPlane, subtract, vec3, type Vec3 } from '../geometry'
import { rangeOf, type WindowPreset } from '../presets'
import type { Stack } from '../stacks'
import { drawNow, fitQuietly, isTrueToSize, letGo, onPixelRatio, refit, squareUp } from '../surface'
import { watchMouse } from '@/lib/hands'
import { drawnBy, endGroup, TOOLS, withMouse, type ToolName } from '../tools'
import { COLOURS, COLOURS_NAMES, unitOf, type Blend } from './fusion'
import { layVolume, type Laid } from './lay'
import { PLANES, type PlaneId } from './planeIds'
import { scaleFor, type SharedCamera } from './sharedPlanes'
import { AT_FIRST, stepThrough, THINNEST, type Slab, type SlabMode } from './slab'
import { turned, turnedAbout } from './turn'
import type { Surface } from './surfaces'
import type { Missing, Uneven } from './volumes'

/** One colour a plane, at its edge and for its line on the others. */
export const PLANE_COLOUR: Record<PlaneId, string> = { axial: '#6fa4f2', sagittal: '#e8b35a', coronal: '#7fcf9a' }

const ORIENTATION: Record<PlaneId, Enums.OrientationAxis> = {
  axial: Enums.OrientationAxis.AXIAL,
  sagittal: Enums.OrientationAxis.SAGITTAL,
  coronal: Enums.OrientationAxis.CORONAL,
}

const BLEND: Record<SlabMode, Enums.BlendModes> = {
  thin: Enums.BlendModes.COMPOSITE,
  mip: Enums.BlendModes.MAXIMUM_INTENSITY_BLEND,
  minip: Enums.BlendModes.MINIMUM_INTENSITY_BLEND,
  average: Enums.BlendModes.AVERAGE_INTENSITY_BLEND,
}

/** Drawings that mean something on any plane. */
const DRAWINGS: readonly ToolName[] = ['length', 'bidirectional', 'angle', 'cobb', 'ellipse', 'rectangle', 'freehand', 'probe', 'arrow', 'text']
const HANDS: readonly ToolName[] = ['scroll', 'window', 'zoom', 'pan']
const CROSS = CrosshairsTool.toolName as string
const BALL = TrackballRotateTool.toolName as string
const { MouseBindings } = ToolEnums

/** What the first button does among planes: what a tool does, or move the cross. */
export type PlaneHand = ToolName | 'cross'

export function worksOnPlanes(tool: ToolName): boolean {
  return HANDS.includes(tool) || DRAWINGS.includes(tool)
}

function colourMap(name: Blend['colours']): string {
  return `wetread ${name}`
}

let begun = false
let made = 0

/** Without a graphics processor a body takes minutes to draw unless it is drawn coarsely. */
const COARSE = 8

/** From one sample to the next along a ray, in what is laid over. */
const STEP_MM = THINNEST / 4

/** What the names of surfaces in the body begin with. */
const SURFACE = 'surface:'

/** A place that others point at is shown on planes that are as near to it as this. */
const IN_PLANE_MM = 0.5

function drawsInSoftware(): boolean {
  const gl = document.createElement('canvas').getContext('webgl2')
  const info = gl?.getExtension('WEBGL_debug_renderer_info')
  const name: unknown = gl && info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : ''
  gl?.getExtension('WEBGL_lose_context')?.loseContext()
  return /swiftshader|llvmpipe|software|basic render/i.test(String(name))
}

/** Focus would take the keys away from the screen, and the second button zooms. */
function quieten(element: HTMLElement): void {
  element.removeAttribute('tabindex')
  element.oncontextmenu = (event) => event.preventDefault()
}

function begin(): void {
  if (begun) return
  begun = true
  addTool(CrosshairsTool)
  addTool(TrackballRotateTool)
  for (const name of COLOURS_NAMES)
    utilities.colormap.registerColormap({ ColorSpace: 'RGB', Name: colourMap(name), name: colourMap(name), RGBPoints: COLOURS[name].flat() } as never)
}

/** Gives the memory of a volume back, and of the slices that were made for it. */
function forget(volumeId: string, imageIds: readonly string[]): void {
  if (cache.getVolume(volumeId)) cache.removeVolumeLoadObject(volumeId)
  for (const imageId of imageIds) if (cache.getImageLoadObject(imageId)) cache.removeImageLoadObject(imageId, { force: true })
}

/** The value of the voxel in which a point lies; null: none, or it has not come yet. */
function valueAt(volumeId: string, point: Vec3 | null): number | null {
  const volume = cache.getVolume(volumeId)
  if (!volume?.imageData || !point) return null
  const [i = -1, j = -1, k = -1] = Array.from(volume.imageData.worldToIndex([...point] as Types.Point3), Math.round)
  const [columns, rows, layers] = volume.dimensions
  if (i < 0 || j < 0 || k < 0 || i >= columns || j >= rows || k >= layers) return null
  const value: unknown = volume.voxelManager?.getAtIJK(i, j, k)
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

/** Whether all slices of a volume that comes slice by slice have come, and none of them coarse. */
function isLoaded(volume: Types.IImageVolume): boolean {
  return volume.imageIds.every((imageId) => {
    const image = cache.getImage(imageId)
    return image !== undefined && !isCoarse(image)
  })
}

/** The value at a place between voxels, by how near it is to each; null: one of them has none. Half a voxel beyond the last it is theirs. */
function between(index: ArrayLike<number>, dimensions: ArrayLike<number>, voxel: (i: number, j: number, k: number) => number | null): number | null {
  const near: (readonly [at: number, part: number][])[] = []
  for (let axis = 0; axis < 3; axis++) {
    const [given, count] = [index[axis] ?? NaN, dimensions[axis] ?? 0]
    if (!(given > -0.5 - 1e-4 && given < count - 0.5 + 1e-4)) return null
    const at = Math.max(0, Math.min(count - 1, Math.abs(given - Math.round(given)) < 1e-4 ? Math.round(given) : given))
    const [below, part] = [Math.floor(at), at - Math.floor(at)]
    near.push(part === 0 ? [[below, 1]] : [[below, 1 - part], [below + 1, part]])
  }
  let sum = 0
  for (const [i, one] of near[0] ?? [])
    for (const [j, two] of near[1] ?? [])
      for (const [k, three] of near[2] ?? []) {
        const value = voxel(i, j, k)
        if (value === null) return null
        sum += value * one * two * three
      }
  return sum
}

/** How far apart rays look at a volume. Cornerstone's distance is right for thin planes, but in slabs leaps over what is a voxel thick. */
function stepBy(actor: unknown, thickness: number | null): void {
  const mapper = (actor as Types.VolumeActor).getMapper()
  const spacing = mapper?.getInputData()?.getSpacing() as number[] | undefined
  if (!mapper || !spacing) return
  mapper.setSampleDistance(thickness === null ? spacing.reduce((sum, side) => sum + side, 0) / 6 : stepThrough(spacing, thickness))
}

/** Three planes and a body, drawn of one volume. */
export class Scene {
  readonly id = `planes-${++made}`
  private volumeId = `cornerstoneStreamingImageVolume:${this.id}`
  /** Slices that were made here and that nobody else needs. */
  private made: readonly string[] = []
  private readonly stopWatching: () => void
  private readonly rendering: RenderingEngine
  private readonly flat: ToolTypes.IToolGroup
  private readonly solid: ToolTypes.IToolGroup
  /** What is laid over it, if anything. */
  private over: { volumeId: string; imageIds: readonly string[] } | null = null
  private layers = 0
  private surfacesAsked = 0
  private thick: Slab = AT_FIRST
  private hand: PlaneHand = 'cross'
  private ended = false
  private shown = false
  /** Whether a voxel of slices that were laid here is a scanner's; null: all are. */
  private isScanned: Laid['isScanned'] | null = null
  private closeValues: (() => void) | null = null
  /** The window to begin with, where the volume itself tells none. */
  /** By which windows are words of a range (PS3.3 C.11.2.1.2). */
  voiFunction = 'LINEAR'
  /** By what the planes are seen before a reader changes it. */
  private atFirst: { voiRange?: Types.VOIRange; invert?: true } = {}

  constructor() {
    begin()
    this.rendering = new RenderingEngine(this.id)
    const stops = [onPixelRatio(() => this.resize()), watchMouse(() => this.use(this.hand))]
    this.stopWatching = () => stops.forEach((stop) => stop())
    const flat = ToolGroupManager.createToolGroup(this.id)
    const solid = ToolGroupManager.createToolGroup(`${this.id}-body`)
    if (!flat || !solid) throw new Error('The planes could not make their tools.')
    this.flat = flat
    this.solid = solid
    for (const name of [...HANDS, ...DRAWINGS]) flat.addTool(drawnBy(name), TOOLS[name].config as never)
    const colour = (paneId: string) => PLANE_COLOUR[paneId.replace(`${this.id}-`, '') as PlaneId]
    flat.addTool(CROSS, {
      getReferenceLineColor: colour,
      getReferenceLineControllable: () => true,
      getReferenceLineDraggableRotatable: () => true,
      getReferenceLineSlabThicknessControlsOn: () => false,
      handleRadius: 5,
    } as never)
    for (const name of [BALL, drawnBy('zoom'), drawnBy('pan')]) solid.addTool(name)
    solid.setToolActive(BALL, { bindings: [{ mouseButton: MouseBindings.Primary }] })
    solid.setToolActive(drawnBy('zoom'), { bindings: [{ mouseButton: MouseBindings.Secondary }, { numTouchPoints: 2 }] })
    solid.setToolActive(drawnBy('pan'), { bindings: [{ mouseButton: MouseBindings.Auxiliary }] })
  }

  paneId(plane: PlaneId | 'body'): string {
    return `${this.id}-${plane}`
  }

  plane(plane: PlaneId): Types.IVolumeViewport | undefined {
    return this.ended ? undefined : (this.rendering.getViewport(this.paneId(plane)) as Types.IVolumeViewport | undefined)
  }

  private body(): Types.IVolumeViewport | undefined {
    return this.ended ? undefined : (this.rendering.getViewport(this.paneId('body')) as Types.IVolumeViewport | undefined)
  }

  /**
   * Makes the volume and draws the planes on their elements; `loaded` is told of its slices as they come. `uneven`: the
   * slices are laid on an even, straight grid first. Rejects where a slice cannot be had.
   */
  async open(stack: Stack, uneven: Uneven | null, elements: Record<PlaneId, HTMLDivElement>, loaded: (count: number) => void): Promise<void> {
    this.rendering.setViewports(
      PLANES.map((plane) => ({
        viewportId: this.paneId(plane),
        element: elements[plane],
        type: Enums.ViewportType.ORTHOGRAPHIC,
        defaultOptions: { orientation: ORIENTATION[plane], background: [0, 0, 0] as Types.Point3 },
      })),
    )
    for (const plane of PLANES) {
      quieten(elements[plane])
      this.flat.addViewport(this.paneId(plane), this.id)
    }
    const first = stack.frames[0]?.metadata
    if (first) this.voiFunction = functionOf(first)
    const range = uneven ? await this.straighten(stack, uneven, loaded) : await this.stream(stack, loaded)
    if (this.ended) return
    await setVolumesForViewports(
      this.rendering,
      [{ volumeId: this.volumeId }],
      PLANES.map((plane) => this.paneId(plane)),
    )
    if (this.ended) return
    this.shown = true
    this.tellValues(stack)
    this.atFirst = { ...(range && { voiRange: range }), ...(first && isLeastWhite(first) && { invert: true }) }
    for (const plane of PLANES) this.plane(plane)?.setProperties(this.atFirst)
    for (const plane of PLANES) elements[plane].addEventListener(Enums.Events.VOI_MODIFIED, this.shareWindow)
    this.use(this.hand)
    this.rendering.render()
  }

  private async stream(stack: Stack, loaded: (count: number) => void): Promise<undefined> {
    const imageIds = stack.frames.map((frame) => frame.imageId)
    const volume = await volumeLoader.createAndCacheVolume(this.volumeId, { imageIds })
    if (!this.ended) volume.load((...[progress]: unknown[]) => loaded((progress as { framesProcessed?: number }).framesProcessed ?? imageIds.length))
    return undefined
  }

  /** Makes the volume on a grid of its own; answers the window of the middle slice, which the grid knows nothing of. */
  private async straighten(stack: Stack, uneven: Uneven, loaded: (count: number) => void): Promise<Types.VOIRange | undefined> {
    const volumeId = `straightened-${this.id}`
    const laid = await layVolume(volumeId, stack, uneven.missing, () => this.ended, loaded)
    if (!laid) return undefined
    this.volumeId = volumeId
    this.made = [...this.made, ...laid.imageIds]
    this.isScanned = laid.isScanned
    return laid.window ? rangeOf(laid.window, this.voiFunction) : { lower: laid.least, upper: laid.most }
  }

  /** Gives what is drawn on the planes the values to count. */
  private tellValues(stack: Stack): void {
    const volume = cache.getVolume(this.volumeId)
    const { imageData, voxelManager } = volume ?? {}
    const space = stack.frameOfReferenceUid
    if (!volume || !imageData || !voxelManager || !space) return
    const { dimensions } = volume
    const [row, column, normal] = [0, 3, 6].map((from) => vec3(Array.from(volume.direction).slice(from, from + 3)))
    const [origin, spacing] = [vec3(Array.from(volume.origin)), vec3(Array.from(volume.spacing))]
    if (!row || !column || !normal || !origin || !spacing) return
    const counts = this.isScanned ? countsOfSlices([stack.frames[0]?.imageId ?? '']) : countsOn(`volumeId:${this.volumeId}`)
    const voxel = (i: number, j: number, k: number): number | null => {
      if (this.isScanned && !this.isScanned(i, j, k)) return null
      const value: unknown = voxelManager.getAtIJK(i, j, k)
      return typeof value === 'number' && Number.isFinite(value) && (!counts || counts(value, [i, j, k])) ? value : null
    }
    const indexOf = (point: Vec3) => imageData.worldToIndex([...point] as Types.Point3) as ArrayLike<number>
    const reached = (i: number, j: number, k: number) => (this.isScanned && !this.isScanned(i, j, k) ? null : 1)
    this.closeValues = openValues({
      frameOfReferenceUid: space,
      origin,
      spacing,
      axes: [row, column, normal],
      at: (point) => between(indexOf(point), dimensions, voxel),
      reaches: (point) => between(indexOf(point), dimensions, reached) !== null,
      slab: () => this.thick,
      isWhole: () => this.isScanned !== null || isLoaded(volume),
      unit: stack.modality === 'CT' ? 'HU' : stack.frames.every((frame) => unitOf(stack, frame.metadata).label === 'SUV') ? 'SUV' : '',
    })
  }

  /** Draws the body on its element, by a preset of Cornerstone's. */
  async openBody(element: HTMLDivElement, preset: string): Promise<void> {
    this.rendering.enableElement({
      viewportId: this.paneId('body'),
      element,
      type: Enums.ViewportType.VOLUME_3D,
      defaultOptions: { orientation: Enums.OrientationAxis.CORONAL, background: [0, 0, 0] },
    })
    quieten(element)
    this.solid.addViewport(this.paneId('body'), this.id)
    await setVolumesForViewports(this.rendering, [{ volumeId: this.volumeId }], [this.paneId('body')])
    if (this.ended) return
    if (drawsInSoftware()) (this.body() as VolumeViewport3D | undefined)?.setProperties({ sampleDistanceMultiplier: COARSE } as never)
    this.dress(preset)
    this.body()?.resetCamera()
    this.body()?.render()
  }

  /**
   * Draws another stack's values over the planes, as `blend` says once it is laid. Null where nobody waits any more.
   * Whether the two may be one picture is not asked here: see `judgeFusion`. Rejects with SliceMissing.
   */
  async layOver(stack: Stack, missing: readonly Missing[], loaded: (count: number) => void): Promise<Laid | null> {
    const volumeId = `over-${this.id}-${++this.layers}`
    const isMeant = () => !this.ended && this.over?.volumeId === volumeId
    this.takeOff()
    this.over = { volumeId, imageIds: [] }
    const laid = await layVolume(volumeId, stack, missing, () => !isMeant(), loaded)
    if (!laid || !isMeant()) {
      forget(volumeId, laid?.imageIds ?? [])
      return null
    }
    this.over = { volumeId, imageIds: laid.imageIds }
    await this.keepingCameras(() =>
      addVolumesToViewports(
        this.rendering,
        // Unseen until its colours are set: it is grey and opaque by itself.
        [{ volumeId, visibility: false }],
        PLANES.map((plane) => this.paneId(plane)),
      ),
    )
    if (!isMeant()) return null
    this.slab(this.thick)
    return laid
  }

  blend({ opacity, from, to, colours }: Blend): void {
    const { over } = this
    if (!over) return
    for (const plane of PLANES) {
      const viewport = this.plane(plane)
      const actor = viewport && (this.overOn(viewport)?.actor as Types.VolumeActor | undefined)
      if (!viewport || !actor) continue
      // A ray's step is the unit of opacity, so that it is as opaque as is said; and shorter than the thinnest slab.
      actor.getMapper()?.setSampleDistance(STEP_MM)
      actor.getProperty().setScalarOpacityUnitDistance(0, STEP_MM)
      const points = from > 0 ? ([[-1, 0], [from * 0.9999, 0], [from, 1], [from + to, 1]] as const) : ([[-1, 1], [to, 1]] as const)
      const steps = points.map(([value, part]) => ({ value, opacity: part }))
      viewport.setProperties({ colormap: { name: colourMap(colours), opacity, opacityMapping: steps } as never, voiRange: { lower: 0, upper: to } }, over.volumeId)
      actor.setVisibility(opacity > 0)
      viewport.render()
    }
  }

  takeOff(): void {
    const { over } = this
    if (!over || this.ended) return
    void this.keepingCameras(() => {
      for (const plane of PLANES) {
        const viewport = this.plane(plane)
        const above = viewport && this.overOn(viewport)
        if (above) viewport.removeVolumeActors([above.uid])
      }
    })
    this.over = null
    this.rendering.render()
    forget(over.volumeId, over.imageIds)
  }

  private overOn(viewport: Types.IVolumeViewport): Types.ActorEntry | undefined {
    return viewport.getActors().find((entry) => entry.referencedId === this.over?.volumeId)
  }

  /** What a reader sees stays where it is, though what is drawn has another size. */
  private async keepingCameras(change: () => unknown): Promise<void> {
    const before = PLANES.map((plane) => this.plane(plane)?.getCamera())
    await change()
    PLANES.forEach((plane, at) => {
      const camera = before[at]
      if (camera) this.plane(plane)?.setCamera(camera)
    })
  }

  /** The values where the planes meet: of the planes, and of what is laid over; null where there is none. */
  valuesAtCross(): { under: number | null; over: number | null } {
    const point = this.centre()
    return { under: valueAt(this.volumeId, point), over: this.over ? valueAt(this.over.volumeId, point) : null }
  }

  /** Draws surfaces in the body, and no others any more. */
  async showSurfaces(wanted: readonly { name: string; colour: string; surfaces: readonly Surface[] }[]): Promise<void> {
    const mine = (this.surfacesAsked += 1)
    const { actorOf } = await import('./surfaceActors')
    const body = this.body()
    if (!body?.getDefaultActor() || mine !== this.surfacesAsked) return
    const before = body.getActors().filter(({ uid }) => uid.startsWith(SURFACE)).map(({ uid }) => uid)
    if (before.length) body.removeActors(before)
    const camera = body.getCamera()
    for (const { name, colour, surfaces } of wanted)
      surfaces.forEach((surface, at) => {
        if (surface.triangles.length) body.addActor({ uid: `${SURFACE}${name}/${at}`, actor: actorOf(surface, colour) as never })
      })
    body.setCamera(camera)
    body.render()
  }

  /** Whether the body itself is seen, or surfaces alone. */
  veilBody(veiled: boolean): void {
    const body = this.body()
    const actor = body?.getDefaultActor()?.actor as Types.VolumeActor | undefined
    actor?.setVisibility(!veiled)
    body?.render()
  }

  closeBody(): void {
    if (this.ended || !this.body()) return
    this.solid.removeViewports(this.id, this.paneId('body'))
    this.rendering.disableElement(this.paneId('body'))
  }

  dress(preset: string): void {
    const body = this.body()
    const found = CONSTANTS.VIEWPORT_PRESETS.find((one) => one.name === preset)
    const actor = body?.getDefaultActor()?.actor
    if (!body || !found || !actor) return
    utilities.applyPreset(actor as Types.VolumeActor, found)
    body.render()
  }

  /** Turns the body by keys. */
  turnBody(degrees: number): void {
    const body = this.body()
    if (!body) return
    const { viewUp, viewPlaneNormal, position, focalPoint } = body.getCamera()
    const [up, normal, place, focus] = [vec3(viewUp), vec3(viewPlaneNormal), vec3(position), vec3(focalPoint)]
    if (!up || !normal || !place || !focus) return
    body.setCamera({
      viewPlaneNormal: [...turned(normal, up, degrees)],
      position: [...turnedAbout(place, focus, up, degrees)],
      // Cornerstone turns it about where it stood: without, it would turn twice as far, and away from the middle.
      focalPoint: [...focus],
    })
    body.render()
  }

  private readonly shareWindow = (event: Event): void => {
    const { viewportId, range, volumeId } = (event as CustomEvent<{ viewportId: string; range?: Types.VOIRange; volumeId?: string }>).detail
    // What is laid over has colours of its own.
    if (!range || (volumeId && volumeId !== this.volumeId)) return
    for (const plane of PLANES) {
      const other = this.plane(plane)
      const now = other?.getProperties()?.voiRange
      if (!other || other.id === viewportId || (now && now.lower === range.lower && now.upper === range.upper)) continue
      other.setProperties({ voiRange: range })
      other.render()
    }
  }

  /** Chooses what the first button, or one finger, does. */
  use(hand: PlaneHand): void {
    this.hand = hand
    if (!this.shown) return
    const own = [...HANDS, ...DRAWINGS]
    const bindings: Partial<Record<ToolName, ToolTypes.IToolBinding[]>> = {
      scroll: [{ mouseButton: MouseBindings.Wheel }],
      window: [{ numTouchPoints: 3 }],
      zoom: [{ numTouchPoints: 2 }],
    }
    withMouse(bindings)
    // The lines stay and can be dragged, whatever else the first button does.
    if (hand === 'cross') this.flat.setToolActive(CROSS, { bindings: [{ mouseButton: MouseBindings.Primary }] })
    else this.flat.setToolPassive(CROSS, { removeAllBindings: true })
    for (const name of own) {
      this.flat.setToolPassive(drawnBy(name), { removeAllBindings: true })
      const wanted = [...(bindings[name] ?? [])]
      if (name === hand) wanted.push({ mouseButton: MouseBindings.Primary })
      if (wanted.length) this.flat.setToolActive(drawnBy(name), { bindings: wanted })
    }
    this.rendering.render()
  }

  slab(slab: Slab): void {
    const { mode, thickness } = slab
    this.thick = slab
    for (const plane of PLANES) {
      const viewport = this.plane(plane)
      if (!viewport?.getActors().length) continue
      viewport.setBlendMode(BLEND[mode])
      // In a thin plane vtk.js reckons COMPOSITE by the length of the ray in it, and next to nothing would be seen; MIP of one step is its value.
      const above = this.overOn(viewport)
      if (above && mode === 'thin') viewport.setBlendMode(BLEND.mip, [above.uid])
      if (mode === 'thin') viewport.resetSlabThickness()
      // Cornerstone reckons a slab's thickness to each side of its middle.
      else viewport.setSlabThickness(thickness / 2)
      for (const { actor } of viewport.getActors()) stepBy(actor, mode === 'thin' ? null : thickness)
      viewport.render()
    }
  }

  setWindow(window: { center: number; width: number } | WindowPreset): void {
    const viewport = this.plane('axial')
    viewport?.setProperties({ voiRange: rangeOf(window, this.voiFunction) })
    viewport?.render()
  }

  range(): Types.VOIRange | undefined {
    return this.plane('axial')?.getProperties()?.voiRange
  }

  get isInverted(): boolean {
    return this.plane('axial')?.getProperties()?.invert === true
  }

  invert(): void {
    const invert = !this.isInverted
    for (const plane of PLANES) {
      const viewport = this.plane(plane)
      viewport?.setProperties({ invert })
      viewport?.render()
    }
  }

  private viewport(id: PlaneId | 'body'): Types.IVolumeViewport | undefined {
    return id === 'body' ? this.body() : this.plane(id)
  }

  /** From where a plane, or the body, is looked at; null: it is not drawn. */
  camera(id: PlaneId | 'body'): SharedCamera | null {
    const viewport = this.viewport(id)
    if (!this.shown || !viewport?.getActors().length) return null
    const { focalPoint, viewPlaneNormal, viewUp, parallelScale } = viewport.getCamera()
    const [focus, normal, up] = [vec3(focalPoint), vec3(viewPlaneNormal), vec3(viewUp)]
    const { clientWidth, clientHeight } = viewport.element
    if (!focus || !normal || !up || !parallelScale || !clientWidth || !clientHeight) return null
    return { focus, normal, up, half: [(parallelScale * clientWidth) / clientHeight, parallelScale] }
  }

  /** Whether all that `wanted` shows is seen, at the same place and no smaller than the pane's shape asks. */
  isSeen(id: PlaneId | 'body', wanted: SharedCamera): boolean {
    const [now, element] = [this.camera(id), this.viewport(id)?.element]
    if (!now || !element) return false
    const scale = scaleFor(wanted.half, element.clientWidth, element.clientHeight)
    return (
      Math.abs(now.half[1] / scale - 1) < 0.002 &&
      distance(now.focus, wanted.focus) < 0.02 &&
      distance(now.normal, wanted.normal) < 0.001 &&
      distance(now.up, wanted.up) < 0.001
    )
  }

  see(id: PlaneId | 'body', wanted: SharedCamera): void {
    const viewport = this.viewport(id)
    const { position, focalPoint } = viewport?.getCamera() ?? {}
    const [place, focus] = [vec3(position), vec3(focalPoint)]
    if (!viewport?.getActors().length || !place || !focus) return
    const { clientWidth, clientHeight } = viewport.element
    viewport.setCamera({
      viewPlaneNormal: [...wanted.normal],
      viewUp: [...wanted.up],
      focalPoint: [...wanted.focus],
      position: [...along(wanted.focus, wanted.normal, distance(place, focus))],
      parallelScale: scaleFor(wanted.half, clientWidth, clientHeight),
    })
    viewport.render()
  }

  /** The place in the patient under a place of the window, and its frame of reference. */
  placeAt(plane: PlaneId, x: number, y: number): { space: string; at: Vec3 } | null {
    const viewport = this.shown ? this.plane(plane) : undefined
    const space = viewport?.getFrameOfReferenceUID()
    if (!viewport || !space) return null
    const { left, top } = viewport.element.getBoundingClientRect()
    const at = vec3(viewport.canvasToWorld([x - left, y - top]))
    return at && { space, at }
  }

  /** Where a place is seen on a plane; null: it does not lie in it. */
  seenAt(plane: PlaneId, space: string | null, at: Vec3): readonly [number, number] | null {
    const viewport = this.shown ? this.plane(plane) : undefined
    const { viewPlaneNormal, focalPoint } = viewport?.getCamera() ?? {}
    const [normal, focus] = [vec3(viewPlaneNormal), vec3(focalPoint)]
    if (!viewport || !normal || !focus || viewport.getFrameOfReferenceUID() !== space || Math.abs(dot(normal, subtract(at, focus))) > IN_PLANE_MM) return null
    return viewport.worldToCanvas([...at])
  }

  /**
   * A plane, or the body, as it is drawn now; `mayShow` says which words of what is drawn on it may be seen, null: nothing is.
   * The lines of the other planes are no part of it.
   */
  shoot(id: PlaneId | 'body', mayShow: ((words: string) => boolean) | null): Shot | null {
    const viewport = this.viewport(id)
    const camera = this.camera(id)
    if (!viewport || !camera || !isTrueToSize(viewport)) return null
    const canvas = document.createElement('canvas')
    canvas.width = viewport.canvas.width
    canvas.height = viewport.canvas.height
    const context = canvas.getContext('2d')
    if (!context) return null
    context.drawImage(viewport.canvas, 0, 0)
    const ratio = canvas.width / viewport.element.clientWidth
    let leftOut = 0
    const drawn = mayShow && viewport.element.querySelector<SVGSVGElement>('.svg-layer')
    if (drawn) {
      const lines = annotation.state.getAnnotations(CROSS, viewport.element).map((one) => one.annotationUID ?? '')
      // Lines and handles bear no name of their own; Cornerstone knows them by whose they are.
      const nodes = Object.entries((state.svgNodeCache[`${viewport.id}:${viewport.renderingEngineId}`] ?? {}) as Record<string, { domRef: SVGElement }>)
      const hidden = nodes.flatMap(([key, { domRef }]) => (lines.some((uid) => uid && key.startsWith(uid)) ? [domRef] : []))
      for (const one of hidden) one.style.visibility = 'hidden'
      leftOut = drawSvg(context, drawn, { scale: ratio, enlarge: 1, mayShow })
      for (const one of hidden) one.style.visibility = ''
    }
    const row = cross(camera.up, camera.normal)
    if (id === 'body') return { canvas, ratio, edges: edgesOfPlane(row, camera.up), pixelsPerMillimetre: null, place: null, leftOut }
    const column = along([0, 0, 0], camera.up, -1)
    const position = vec3(viewport.canvasToWorld([0.5 / ratio, 0.5 / ratio]))
    const spacing = (2 * camera.half[1]) / canvas.height
    return { canvas, ratio, edges: edgesOfPlane(row, camera.up), pixelsPerMillimetre: 1 / spacing, place: position && { position, row, column, spacing }, leftOut }
  }

  setRange(lower: number, upper: number): void {
    const viewport = this.plane('axial')
    viewport?.setProperties({ voiRange: { lower, upper } })
    viewport?.render()
  }

  scroll(plane: PlaneId, steps: number): void {
    const viewport = this.plane(plane)
    if (viewport) utilities.scroll(viewport as unknown as Parameters<typeof utilities.scroll>[0], { delta: steps, volumeId: this.volumeId })
  }

  zoom(plane: PlaneId, factor: number): void {
    const viewport = this.plane(plane)
    viewport?.setZoom(viewport.getZoom() * factor)
    viewport?.render()
  }

  /** Where the planes meet: the point nearest to all three. */
  centre(): Vec3 | null {
    const cross = this.flat.getToolInstance(CROSS) as { toolCenter?: number[] } | undefined
    return vec3(cross?.toolCenter)
  }

  /** Lays the planes through a place. */
  goTo(point: Vec3): void {
    ;(this.flat.getToolInstance(CROSS) as { setToolCenter?: (point: number[]) => void } | undefined)?.setToolCenter?.([...point])
    this.rendering.render()
  }

  /** Turns the other two planes about the line that looks out of `plane`, where the planes meet. */
  turn(plane: PlaneId, degrees: number): void {
    const axis = vec3(this.plane(plane)?.getCamera().viewPlaneNormal)
    const centre = this.centre()
    if (!axis || !centre) return
    for (const other of PLANES) {
      if (other === plane) continue
      const viewport = this.plane(other)
      const camera = viewport?.getCamera()
      const [up, normal, place, focus] = [vec3(camera?.viewUp), vec3(camera?.viewPlaneNormal), vec3(camera?.position), vec3(camera?.focalPoint)]
      if (!viewport || !up || !normal || !place || !focus) continue
      viewport.setCamera({
        viewUp: [...turned(up, axis, degrees)],
        viewPlaneNormal: [...turned(normal, axis, degrees)],
        position: [...turnedAbout(place, centre, axis, degrees)],
        focalPoint: [...turnedAbout(focus, centre, axis, degrees)],
      })
    }
    this.rendering.render()
  }

  /** Brings a drawing onto the plane that looks its way, turned where none does, and the cross to its first point. */
  show(annotationUID: string): void {
    const one = annotation.state.getAnnotation(annotationUID)
    const [normal, up] = [vec3(one?.metadata?.viewPlaneNormal), vec3(one?.metadata?.viewUp)]
    const point = vec3((one?.data as { handles?: { points?: number[][] } } | undefined)?.handles?.points?.[0])
    if (!normal || !up || !point) return
    const likeness = (plane: PlaneId) => {
      const looks = vec3(this.plane(plane)?.getCamera().viewPlaneNormal)
      return looks ? Math.abs(dot(looks, normal)) : 0
    }
    const best = PLANES.reduce((a, b) => (likeness(b) > likeness(a) ? b : a))
    const viewport = this.plane(best)
    const { position, focalPoint } = viewport?.getCamera() ?? {}
    const [place, focus] = [vec3(position), vec3(focalPoint)]
    if (!viewport || !place || !focus) return
    // As nearly parallel as Cornerstone asks of a plane that something is drawn on.
    if (likeness(best) < 1 - 1e-4)
      viewport.setCamera({ viewPlaneNormal: [...normal], viewUp: [...up], focalPoint: [...point], position: [...along(point, normal, distance(place, focus))] })
    ;(this.flat.getToolInstance(CROSS) as { setToolCenter?: (point: number[]) => void } | undefined)?.setToolCenter?.([...point])
    this.rendering.render()
  }

  /** Straight planes through the middle again, with the scanner's window. */
  reset(): void {
    for (const plane of PLANES) {
      const viewport = this.plane(plane)
      if (!viewport) continue
      viewport.setOrientation(ORIENTATION[plane])
      viewport.resetProperties()
      viewport.setProperties(this.atFirst)
      viewport.resetCamera()
    }
    ;(this.flat.getToolInstance(CROSS) as { resetCrosshairs?: () => void } | undefined)?.resetCrosshairs?.()
    this.rendering.render()
  }

  /** Draws anew, before anything is painted, the planes that have another size; what a reader enlarged or moved stays so. */
  resize(): void {
    if (this.ended) return
    const viewports = this.rendering.getViewports()
    const changed = viewports.filter((viewport) =>
      refit(viewport, (one) => {
        const [camera, zoom] = [one.getCamera(), one.getZoom()]
        return () => {
          if (!one.getActors().length) return
          fitQuietly(one)
          const fitted = one.getCamera().parallelScale
          one.setCamera({ ...camera, ...(fitted && zoom > 0 ? { parallelScale: fitted / zoom } : {}) })
        }
      }),
    )
    if (!changed.length) return
    squareUp(viewports)
    drawNow(changed)
  }

  end(): void {
    this.ended = true
    this.closeValues?.()
    this.stopWatching()
    endGroup(this.flat)
    endGroup(this.solid)
    letGo(this.rendering)
    // Cornerstone's volumes listen for each of their slices to come, also for those that were here, and hold the volume so.
    ;(eventTarget as unknown as { listeners: Record<string, unknown[]> }).listeners[Enums.Events.IMAGE_CACHE_IMAGE_ADDED] = []
    forget(this.volumeId, this.made)
    if (this.over) forget(this.over.volumeId, this.over.imageIds)
  }
}

export const PLANE_DRAWN = Enums.Events.IMAGE_RENDERED
