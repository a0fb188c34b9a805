import {
  cache,
  CONSTANTS,
  Enums,
  imageLoader,
  RenderingEngine,
  setVolumesForViewports,
  utilities,
  volumeLoader,
  type Types,
  type VolumeViewport3D,
} from '@cornerstonejs/core'
import { addTool, CrosshairsTool, Enums as ToolEnums, ToolGroupManager, TrackballRotateTool, type Types as ToolTypes } from '@cornerstonejs/tools'
import { vec3, type Vec3 } from '../geometry'
import { functionOf } from '../pixels/loader'
import { rangeOf, type WindowPreset } from '../presets'
import type { Stack } from '../stacks'
import { drawNow, fitQuietly, onPixelRatio, refit, squareUp } from '../surface'
import { drawnBy, TOOLS, type ToolName } from '../tools'
import { gridOver, layersOf, type Values } from './resample'
import type { Slab, SlabMode } from './slab'
import { turned, turnedAbout } from './turn'
import type { Uneven } from './volumes'

export const PLANES = ['axial', 'sagittal', 'coronal'] as const
export type PlaneId = (typeof PLANES)[number]

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

/** Drawings that mean something on any plane; regions would be counted on the thin plane, whatever the slab shows. */
const DRAWINGS: readonly ToolName[] = ['length', 'bidirectional', 'angle', 'cobb', 'arrow', 'text']
const HANDS: readonly ToolName[] = ['scroll', 'window', 'zoom', 'pan']
const CROSS = CrosshairsTool.toolName as string
const BALL = TrackballRotateTool.toolName as string
const { MouseBindings } = ToolEnums

/** What the first button does among planes: what a tool does, or move the cross. */
export type PlaneHand = ToolName | 'cross'

export function worksOnPlanes(tool: ToolName): boolean {
  return HANDS.includes(tool) || DRAWINGS.includes(tool)
}

let begun = false
let made = 0

const SLICES_AT_ONCE = 6
/** After working for so long, the screen gets a turn. */
const REST_MS = 25

/** Without a graphics processor a body takes minutes to draw unless it is drawn coarsely. */
const COARSE = 8

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
}

/** A slice without which a volume would say what is not so. */
export class SliceMissing extends Error {
  constructor(index: number) {
    super(`Image ${index + 1} could not be loaded, and planes without it would be wrong. It is safe in the archive; try again.`)
  }
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
  private hand: PlaneHand = 'cross'
  private ended = false
  private shown = false
  /** The window to begin with, where the volume itself tells none. */
  private atFirst: Types.VOIRange | undefined

  constructor() {
    begin()
    this.rendering = new RenderingEngine(this.id)
    this.stopWatching = onPixelRatio(() => this.resize())
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
    const range = uneven ? await this.straighten(stack, uneven, loaded) : await this.stream(stack, loaded)
    if (this.ended) return
    await setVolumesForViewports(
      this.rendering,
      [{ volumeId: this.volumeId }],
      PLANES.map((plane) => this.paneId(plane)),
    )
    if (this.ended) return
    this.shown = true
    if (range) for (const plane of PLANES) this.plane(plane)?.setProperties({ voiRange: range })
    this.atFirst = range
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
    const images: Types.IImage[] = []
    let [count, next] = [0, 0]
    const fetching = async () => {
      for (let at = next++; at < stack.frames.length && !this.ended; at = next++) {
        try {
          images[at] = await imageLoader.loadAndCacheImage(stack.frames[at]?.imageId ?? '', { requestType: Enums.RequestType.Prefetch, priority: 0 })
        } catch {
          throw new SliceMissing(at)
        }
        loaded(++count)
      }
    }
    await Promise.all(Array.from({ length: SLICES_AT_ONCE }, fetching))
    if (this.ended) return undefined
    const grid = gridOver(stack.frames.flatMap((frame) => (frame.plane ? [frame.plane] : [])), uneven.missing)
    // Air, where the units know it: where there is nothing it is black.
    const outside = images.reduce((least, image) => Math.min(least, image.minPixelValue), stack.modality === 'CT' ? -1024 : 0)
    const most = images.reduce((greatest, image) => Math.max(greatest, image.maxPixelValue), -Infinity)
    const whole = images.every((image) => !(image.getPixelData() instanceof Float32Array)) && outside >= -32768 && most <= 32767
    const size = grid.columns * grid.rows
    const scalarData = whole ? new Int16Array(size * grid.layers.length) : new Float32Array(size * grid.layers.length)
    const valuesOf = (index: number): Values => {
      const image = images[index] as Types.IImage
      return { columns: image.columns, rows: image.rows, data: image.getPixelData() as ArrayLike<number> }
    }
    let [layer, rested] = [0, performance.now()]
    for (const values of layersOf(grid, valuesOf, outside)) {
      const from = layer++ * size
      if (whole) for (let at = 0; at < size; at++) scalarData[from + at] = Math.round(values[at] ?? outside)
      else scalarData.set(values, from)
      if (performance.now() - rested < REST_MS) continue
      // The screen answers meanwhile.
      await new Promise((resolve) => setTimeout(resolve))
      if (this.ended) return undefined
      rested = performance.now()
    }
    this.volumeId = `straightened-${this.id}`
    const { row, column, normal, origin, spacing } = grid
    const first = stack.frames[0]?.metadata
    const volume = volumeLoader.createLocalVolume(this.volumeId, {
      scalarData,
      dimensions: [grid.columns, grid.rows, grid.layers.length],
      spacing: [...spacing],
      origin: [...origin],
      direction: [...row, ...column, ...normal] as unknown as Types.Mat3,
      metadata: {
        BitsAllocated: whole ? 16 : 32,
        BitsStored: whole ? 16 : 32,
        HighBit: whole ? 15 : 31,
        SamplesPerPixel: 1,
        PhotometricInterpretation: images[0]?.photometricInterpretation ?? 'MONOCHROME2',
        PixelRepresentation: 1,
        Modality: stack.modality ?? 'OT',
        ImageOrientationPatient: [...row, ...column],
        PixelSpacing: [spacing[1], spacing[0]],
        FrameOfReferenceUID: stack.frameOfReferenceUid ?? '',
        Columns: grid.columns,
        Rows: grid.rows,
        voiLut: [],
        VOILUTFunction: first ? functionOf(first) : 'LINEAR',
        SeriesInstanceUID: stack.seriesInstanceUid,
      } as never,
    })
    this.made = volume.imageIds
    const middle = images[Math.floor(images.length / 2)]
    const [center, width] = [middle?.windowCenter, middle?.windowWidth].map((value) => (Array.isArray(value) ? Number(value[0]) : Number(value)))
    return center !== undefined && width !== undefined && Number.isFinite(center) && width > 0 ? rangeOf({ center, width }) : { lower: outside, upper: most }
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
    })
    body.render()
  }

  private readonly shareWindow = (event: Event): void => {
    const { viewportId, range } = (event as CustomEvent<{ viewportId: string; range: Types.VOIRange }>).detail
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
      zoom: [{ mouseButton: MouseBindings.Secondary }, { numTouchPoints: 2 }],
      pan: [{ mouseButton: MouseBindings.Auxiliary }],
    }
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

  slab({ mode, thickness }: Slab): void {
    for (const plane of PLANES) {
      const viewport = this.plane(plane)
      if (!viewport?.getActors().length) continue
      viewport.setBlendMode(BLEND[mode])
      if (mode === 'thin') viewport.resetSlabThickness()
      // Cornerstone reckons a slab's thickness to each side of its middle.
      else viewport.setSlabThickness(thickness / 2)
      viewport.render()
    }
  }

  setWindow(window: { center: number; width: number } | WindowPreset): void {
    const viewport = this.plane('axial')
    viewport?.setProperties({ voiRange: rangeOf(window) })
    viewport?.render()
  }

  range(): Types.VOIRange | undefined {
    return this.plane('axial')?.getProperties()?.voiRange
  }

  invert(): void {
    for (const plane of PLANES) {
      const viewport = this.plane(plane)
      viewport?.setProperties({ invert: !viewport.getProperties()?.invert })
      viewport?.render()
    }
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

  /** Straight planes through the middle again, with the scanner's window. */
  reset(): void {
    for (const plane of PLANES) {
      const viewport = this.plane(plane)
      if (!viewport) continue
      viewport.setOrientation(ORIENTATION[plane])
      viewport.resetProperties()
      if (this.atFirst) viewport.setProperties({ voiRange: this.atFirst })
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
    this.stopWatching()
    ToolGroupManager.destroyToolGroup(this.id)
    ToolGroupManager.destroyToolGroup(`${this.id}-body`)
    this.rendering.destroy()
    if (cache.getVolume(this.volumeId)) cache.removeVolumeLoadObject(this.volumeId)
    for (const imageId of this.made) if (cache.getImageLoadObject(imageId)) cache.removeImageLoadObject(imageId, { force: true })
  }
}

export const PLANE_DRAWN = Enums.Events.IMAGE_RENDERED
