import {
  cache,
  Enums,
  eventTarget,
  getConfiguration,
  init as initCore,
  RenderingEngine,
  setConfiguration,
  type StackViewport,
  type Types,
} from '@cornerstonejs/core'
import { init as initLoader, wadors } from '@cornerstonejs/dicom-image-loader'
import {
  addTool,
  annotation,
  Enums as ToolEnums,
  init as initTools,
  ToolGroupManager,
  type Types as ToolTypes,
} from '@cornerstonejs/tools'
import { beginOpening, endOpening } from './calm'
import { fittingScaleOf } from './camera'
import { isAtChestWall, toChestWall } from './chestWall'
import { drawWithPictures } from './drawings'
import { forgetGreys, giveGreys, greysOn, layTable, tableOn, windowChanged, type GreysOf } from './pixels/voiTable'
import { watchLink } from './pixels/beforehand'
import { bytesForPictures } from './pixels/budget'
import { fetching, isAborted } from './pixels/fetching'
import { Prefetching, type Count } from './pixels/prefetching'
import { registerLoader } from './pixels/loader'
import { Remembered, whenForgotten } from './pixels/remembered'
import { Showing, type Quality } from './pixels/showing'
import { withPhotometric } from './pixels/values'
import { warmUp } from './pixels/warmUp'
import type { Stack } from './stacks'
import { registerSubtraction } from './subtract/pictures'
import { rehearse } from './rehearsal'
import { drawNow, drawOnlyPictures, fitQuietly, letGo, onPixelRatio, refit, squareUp } from './surface'
import { watchMouse } from '@/lib/hands'
import { load, save } from '@/lib/storage'
import { drawnBy, endGroup, TOOL_NAMES, TOOLS, withMouse, type ToolName } from './tools'

/** Of the memory for pictures a part as large as this is for their compressed beginnings beside it. */
const PART_FOR_BEGINNINGS = 8

/** So long nothing else is fetched for the sake of the first picture. */
const FIRST_MS = 1_500

let begun = false

function begin(): void {
  if (begun) return
  begun = true
  initCore()
  // One drawing context for all panes: they are drawn one after the other and copied, and of seven, which Cornerstone makes
  // at once for each engine, the first picture would wait for all.
  const { rendering, ...others } = getConfiguration()
  setConfiguration({ ...others, rendering: { ...rendering, webGlContextCount: 1 } })
  initLoader({
    maxWebWorkers: Math.max(2, Math.min(6, (navigator.hardwareConcurrency || 2) - 1)),
  })
  registerLoader()
  registerSubtraction()
  watchLink(warmUp)
  initTools()
  drawWithPictures()
  const bytes = bytesForPictures((navigator as { deviceMemory?: number }).deviceMemory, window.matchMedia('(pointer: coarse)').matches)
  cache.setMaxCacheSize(bytes)
  fetching.limit(bytes / PART_FOR_BEGINNINGS)
  // Cornerstone's cache throws once more, where nobody can catch it, what was stopped because nobody looks at it any more.
  window.addEventListener('unhandledrejection', (event) => (isAborted(event.reason) ? event.preventDefault() : undefined))
  whenForgotten((imageId, left) => {
    fetching.forget(imageId)
    wadors.metaDataManager.remove(imageId)
    // Removing leaves the name behind.
    if (!left) wadors.metaDataManager.purge()
  })
  for (const name of TOOL_NAMES) addTool(TOOLS[name].tool)
  const style = annotation.config.style.getDefaultToolStyles()
  annotation.config.style.setDefaultToolStyles({
    ...style,
    global: {
      ...style.global,
      color: 'rgb(255, 221, 87)',
      colorHighlighted: 'rgb(120, 200, 255)',
      colorSelected: 'rgb(120, 200, 255)',
      textBoxColor: 'rgb(255, 221, 87)',
      textBoxColorHighlighted: 'rgb(120, 200, 255)',
      textBoxColorSelected: 'rgb(120, 200, 255)',
      textBoxLinkLineColor: 'rgb(255, 221, 87)',
      textBoxFontFamily: 'IBM Plex Sans Variable, system-ui, sans-serif',
      textBoxFontSize: '13px',
      lineWidth: '1.5',
    },
  })
}

const { MouseBindings } = ToolEnums

/** How large the pane of the last picture was in a window of which size. */
interface PaneSize {
  window: readonly [number, number]
  pane: readonly [number, number]
}

/** How large the next pane is likely to be. */
function paneSize(): { width: number; height: number } {
  const { innerWidth, innerHeight } = window
  const before = load<PaneSize | null>('viewer-pane', null)
  const [width, height] = before?.window[0] === innerWidth && before.window[1] === innerHeight ? before.pane : [innerWidth * 0.8, innerHeight * 0.8]
  return { width: Math.min(innerWidth, Math.round(width)), height: Math.min(innerHeight, Math.round(height)) }
}

function keepPaneSize({ clientWidth, clientHeight }: HTMLElement): void {
  const { innerWidth, innerHeight } = window
  save('viewer-pane', { window: [innerWidth, innerHeight], pane: [clientWidth, clientHeight] } satisfies PaneSize)
}

export interface Place {
  zoom: number
  pan: Types.Point2
  viewUp: Types.Point3 | undefined
  flipHorizontal: boolean
  flipVertical: boolean
}

function placeOf(viewport: StackViewport): Place {
  const { viewUp, flipHorizontal, flipVertical } = viewport.getCamera()
  return {
    zoom: viewport.getZoom(),
    pan: viewport.getPan(),
    viewUp,
    flipHorizontal: flipHorizontal === true,
    flipVertical: flipVertical === true,
  }
}

/** How a reader left a picture: to be put back when its stack comes with more pictures. */
export interface Left {
  place: Place
  /** Null: by the scanner's table, or as the picture itself says. */
  voiRange: Types.VOIRange | null
  invert: boolean
  /** By what a presentation state says; null: none does. */
  greys: GreysOf | null
}

/** What was asked to be shown in a pane. */
interface Hung {
  key: string
  imageIds: ReadonlySet<string>
  left: Left | null
  /** A picture of it has come, and its camera stands; before that a zoom read from it means nothing. */
  placed: boolean
}

export function leftOf(viewport: StackViewport): Left {
  const { voiRange, invert } = viewport.getProperties()
  return { place: placeOf(viewport), voiRange: tableOn(viewport) ? null : (voiRange ?? null), invert: invert === true, greys: greysOn(viewport) }
}

export function putBack(viewport: StackViewport, { place, voiRange, invert, greys }: Left): void {
  viewport.setProperties({ ...(voiRange ? { voiRange } : {}), invert })
  if (greys) giveGreys(viewport, greys)
  const { zoom, pan, viewUp, flipHorizontal, flipVertical } = place
  viewport.resetCamera()
  viewport.setCamera({ flipHorizontal, flipVertical })
  if (viewUp) viewport.setCamera({ viewUp })
  if (Math.abs(zoom - 1) > 0.01) viewport.setZoom(zoom)
  if (Math.hypot(pan[0], pan[1]) > 1) viewport.setPan(pan)
}

/** Asks a person for words; null: none. */
export type AskWords = (before: string, done: (words: string | null) => void) => void

let made = 0
let ended = 0

/** One viewer's drawing: viewports on screen elements, tools on mouse and fingers, pictures fetched ahead. */
export class Engine {
  readonly id = `viewer-${++made}`
  private readonly rendering: RenderingEngine
  private readonly group: ToolTypes.IToolGroup
  private tool: ToolName | null = 'window'
  private ended = false
  private readonly hung = new Map<string, Hung>()
  private readonly stopWatching: () => void
  private prefetching: Prefetching | null = null
  private readonly remembered = new Remembered()
  private readonly described = new WeakSet<Stack>()
  /** How many pictures of a stack it was last told are here. */
  private readonly told = new Map<string, string>()
  private readonly showing = new Map<string, Showing>()
  /** How many pictures that are looked at are on their way. */
  private awaited = 0
  /** The first picture that was asked for was shown, or cannot be: until then nothing is in its way. */
  private opened = false
  private rehearsal: { stop: () => void } | null = null
  /** Asked for the words of an arrow or a text. */
  askWords: AskWords = (_, done) => done(null)

  constructor() {
    begin()
    this.rendering = new RenderingEngine(this.id)
    const group = ToolGroupManager.createToolGroup(this.id)
    if (!group) throw new Error('The viewer could not make its tools.')
    this.group = group
    const asks = {
      getTextCallback: (done: (words: string | null) => void) => this.askWords('', done),
      changeTextCallback: (data: { label?: string; data?: { label?: string } }, _: unknown, done: (words: string | null) => void) =>
        this.askWords(data.data?.label ?? data.label ?? '', done),
    }
    for (const name of TOOL_NAMES)
      group.addTool(drawnBy(name), { ...TOOLS[name].config, ...(name === 'arrow' || name === 'text' || name === 'spine' ? asks : {}) } as never)
    this.bind()
    const stops = [onPixelRatio(() => this.resize()), watchMouse(() => this.bind())]
    this.stopWatching = () => stops.forEach((stop) => stop())
  }

  /** Has all that pictures are drawn by made ready, before there is one. */
  rehearse(): void {
    this.rehearsal = rehearse(this.rendering, paneSize())
  }

  endRehearsal(): void {
    this.rehearsal?.stop()
    this.rehearsal = null
  }

  private bind(): void {
    const { group, tool } = this
    const bindings: Partial<Record<ToolName, ToolTypes.IToolBinding[]>> = {
      scroll: [{ mouseButton: MouseBindings.Wheel }],
      window: [{ numTouchPoints: 3 }],
      zoom: [{ numTouchPoints: 2 }],
    }
    withMouse(bindings)
    for (const name of TOOL_NAMES) {
      // What has been drawn can always be seen and moved.
      group.setToolPassive(drawnBy(name), { removeAllBindings: true })
      const wanted = [...(bindings[name] ?? [])]
      if (name === tool) wanted.push({ mouseButton: MouseBindings.Primary })
      if (wanted.length) group.setToolActive(drawnBy(name), { bindings: wanted })
    }
  }

  private describe(stack: Stack): void {
    const { frames, beneath = [] } = stack
    if (this.described.has(stack)) return
    this.described.add(stack)
    for (const one of beneath) this.describe(one)
    this.remembered.hold(frames)
    for (const frame of frames) wadors.metaDataManager.add(frame.imageId, withPhotometric(frame.metadata) as never)
  }

  /** Chooses what the first button, or one finger, does; null: nothing. */
  use(tool: ToolName | null): void {
    this.tool = tool
    this.bind()
  }

  /** Puts a viewport on an element; `close` takes it off again. `wholly`: no picture is shown on it before all of it is here. */
  open(paneId: string, element: HTMLDivElement, wholly = false): StackViewport {
    this.rendering.enableElement({
      viewportId: paneId,
      element,
      type: Enums.ViewportType.STACK,
      defaultOptions: { background: [0, 0, 0] },
    })
    // Focus on the picture would take every key away from the screen: Cornerstone swallows what it hears there.
    element.removeAttribute('tabindex')
    const viewport = this.rendering.getViewport(paneId) as StackViewport
    drawOnlyPictures(viewport)
    if (!wholly) this.showing.set(paneId, new Showing(viewport, (is) => this.await(is)))
    element.addEventListener(Enums.Events.STACK_NEW_IMAGE, () => {
      this.place(paneId)
      layTable(viewport)
      const hung = this.hung.get(paneId)
      if (hung) this.prefetching?.moved(hung.key, viewport.getCurrentImageIdIndex())
    })
    element.addEventListener(Enums.Events.VOI_MODIFIED, () => windowChanged(viewport))
    this.group.addViewport(paneId, this.id)
    return viewport
  }

  close(paneId: string): void {
    this.hung.delete(paneId)
    this.showing.get(paneId)?.end()
    this.showing.delete(paneId)
    if (this.ended) return
    this.group.removeViewports(this.id, paneId)
    this.rendering.disableElement(paneId)
    squareUp(this.rendering.getViewports())
    this.rendering.render()
  }

  viewport(paneId: string): StackViewport | undefined {
    return this.rendering.getViewport(paneId) as StackViewport | undefined
  }

  /**
   * The picture that a pane draws; null while that is not yet one of the stack that was asked for. Cornerstone also says
   * that it has drawn where a pane was resized and is still empty, or still holds the stack before.
   */
  imageOn(paneId: string): string | null {
    const [hung, imageId] = [this.hung.get(paneId), this.viewport(paneId)?.getCornerstoneImage()?.imageId]
    return hung?.placed && imageId && hung.imageIds.has(imageId) ? imageId : null
  }

  private letOthersCome(): void {
    this.opened = true
    endOpening()
    this.prefetching?.run()
  }

  private await(is: boolean): void {
    this.awaited += is ? 1 : -1
    if (!this.awaited) this.prefetching?.run()
  }

  /** How good the picture is that a pane draws. */
  qualityOn(paneId: string): Quality {
    return this.showing.get(paneId)?.quality ?? 'full'
  }

  /** Asks once more for the rest of a coarse picture. */
  sharpen(paneId: string): void {
    this.showing.get(paneId)?.again()
  }

  /** The window, or the table, that the scanner wrote, and no inversion. */
  asScanned(paneId: string): void {
    const viewport = this.viewport(paneId)
    if (!viewport || !this.imageOn(paneId)) return
    forgetGreys(viewport)
    viewport.resetProperties()
    layTable(viewport)
    viewport.render()
  }

  /** Pictures that are made here are made otherwise now: what is seen is made anew, and measured again; `rewindow`: and seen by its own window. */
  renew(paneId: string, imageIds: readonly string[], rewindow: boolean): void {
    const drawn = new Set(imageIds)
    for (const one of annotation.state.getAllAnnotations()) if (drawn.has(one.metadata?.referencedImageId ?? '')) one.invalidated = true
    const viewport = this.viewport(paneId)
    if (!viewport) return
    const again = () => {
      const { invert } = viewport.getProperties()
      this.asScanned(paneId)
      viewport.setProperties({ invert })
    }
    if (rewindow) viewport.element.addEventListener(Enums.Events.STACK_NEW_IMAGE, again, { once: true })
    this.showing.get(paneId)?.renew()
  }

  /** Goes to a picture of the stack in a pane; nothing where it is there or on its way. */
  goTo(paneId: string, index: number): void {
    const viewport = this.viewport(paneId)
    if (viewport?.getImageIds().length && viewport.getTargetImageIdIndex() !== index) void viewport.setImageIdIndex(index)
  }

  /**
   * Shows a stack from image `index` on; rejects where that picture cannot be had and no other has been asked for meanwhile.
   * `keep`: the same stack with more pictures, so the reader's window and place stay; `place`: the same with other values.
   */
  async show(paneId: string, stack: Stack, index: number, keep: boolean | 'place'): Promise<void> {
    this.describe(stack)
    const viewport = this.viewport(paneId)
    if (!viewport) return
    const before = this.hung.get(paneId)
    const imageIds = stack.frames.map((frame) => frame.imageId)
    const left = keep ? (before?.placed ? leftOf(viewport) : (before?.left ?? null)) : null
    const hung: Hung = { key: stack.key, imageIds: new Set(imageIds), left: left && keep === 'place' ? { ...left, voiRange: null, greys: null } : left, placed: false }
    this.hung.set(paneId, hung)
    // What is drawn meanwhile, or if the picture cannot be had, must not be the stack before under this one's words.
    if (keep !== true) {
      viewport.removeAllActors()
      forgetGreys(viewport)
    }
    await viewport.setStack(imageIds, index)
    this.letOthersCome()
    if (this.ended || this.viewport(paneId) !== viewport || this.hung.get(paneId) !== hung || hung.placed) return
    // A reader who goes on before the first picture has come is not told of that one, but of the one that is waited for.
    if (viewport.getCurrentImageIdIndex() !== index) return
    if (keep === true) this.place(paneId)
    viewport.render()
    // Cornerstone does not say by its promise that a picture could not be loaded.
    throw new Error('The picture could not be loaded.')
  }

  /** The first picture of what hangs in a pane has come, whichever it is: it fits the pane, or is as the reader left it. */
  private place(paneId: string): void {
    const [hung, viewport] = [this.hung.get(paneId), this.viewport(paneId)]
    if (!hung || hung.placed || !viewport?.getActors().length) return
    if (!hung.imageIds.has(viewport.getCornerstoneImage()?.imageId ?? '')) return
    hung.placed = true
    if (!this.opened) keepPaneSize(viewport.element)
    this.opened = true
    if (hung.left) putBack(viewport, hung.left)
    else {
      viewport.resetCamera()
      toChestWall(viewport)
    }
  }

  /** Draws anew, before anything is painted, the panes that have another size; what a reader enlarged or moved stays so. */
  resize(): void {
    if (this.ended) return
    const viewports = this.rendering.getViewports() as StackViewport[]
    const changed = viewports.filter((viewport) => refit(viewport, (one) => this.keepPart(one)))
    if (!changed.length) return
    squareUp(viewports)
    drawNow(changed)
  }

  /** As much of the picture is seen in a pane of another size, about the same middle. */
  private keepPart(viewport: StackViewport): () => void {
    if (!this.hung.get(viewport.id)?.placed) return () => undefined
    const camera = viewport.getCamera()
    const before = fittingScaleOf(viewport, viewport.sWidth, viewport.sHeight)
    const atChestWall = isAtChestWall(viewport, viewport.sWidth, viewport.sHeight)
    return () => {
      const after = fittingScaleOf(viewport, viewport.sWidth, viewport.sHeight)
      const part = before && after ? after / before : 1
      // Cornerstone tells enlargement against the camera that it keeps of the last time it fitted a picture to its pane.
      fitQuietly(viewport)
      viewport.setCamera({ ...camera, parallelScale: (camera.parallelScale ?? after ?? 1) * part })
      if (atChestWall) toChestWall(viewport)
    }
  }

  /**
   * Fetches the pictures of stacks ahead of the eye, nearest to their readers first; a newer call takes the place of this
   * one. `loaded` is told now and then how many of a stack's pictures are there.
   */
  prefetch(stacks: readonly { stack: Stack; from: number; seen: boolean }[], loaded: (stack: Stack, count: Count) => void): void {
    this.prefetching?.stop()
    for (const { stack } of stacks) this.describe(stack)
    const news = (stack: Stack, count: Count) => {
      const words = `${count.full}/${count.coarse}`
      // Of a stack nobody was told of nothing is here; to say so would draw the whole screen anew.
      if ((this.told.get(stack.key) ?? '0/null') === words) return
      this.told.set(stack.key, words)
      loaded(stack, count)
    }
    this.prefetching = new Prefetching(stacks, news, {
      waits: () => this.awaited > 0,
      holds: () => !this.opened,
    })
    // Where nothing of a stack is seen, a paper is.
    if (!this.opened) setTimeout(() => this.letOthersCome(), FIRST_MS)
  }

  end(): void {
    this.ended = true
    ended += 1
    this.endRehearsal()
    this.stopWatching()
    this.prefetching?.stop()
    for (const one of this.showing.values()) one.end()
    this.showing.clear()
    endGroup(this.group)
    letGo(this.rendering)
    // Another patient's measurements and pictures never stay behind.
    annotation.state.removeAllAnnotations()
    cache.purgeCache()
    this.remembered.release()
  }
}

let spare: Engine | null = null

/**
 * Makes an engine, and has the decoders come, before there is anything to draw: a page just loaded waits for that otherwise.
 * `idle`: there is time for a rehearsal.
 */
export function prepare(idle: boolean): void {
  if (spare || made > ended) return
  spare = new Engine()
  if (idle) spare.rehearse()
  warmUp()
}

/** The engine that was prepared, or another. Throws where this browser cannot draw. */
export function takeEngine(): Engine {
  const engine = spare ?? new Engine()
  spare = null
  engine.endRehearsal()
  beginOpening()
  return engine
}

export type { Count, Quality, StackViewport, ToolName }
export const EVENTS = Enums.Events
export { eventTarget }
