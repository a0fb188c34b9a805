import { eventTarget, Enums } from '@cornerstonejs/core'
import { Enums as ToolEnums, utilities } from '@cornerstonejs/tools'
import { createElement, type ReactElement } from 'react'
import { flushSync } from 'react-dom'
import { createRoot } from 'react-dom/client'
import { bytesOf } from '../bulk'
import { extentOf, fit } from '../camera'
import type { DicomJson } from '../dicom'
import { leftOf, putBack, type Engine, type Left, type StackViewport } from '../engine'
import { cross, vec3 } from '../geometry'
import { graphicsOf } from '../keep/presentation'
import { Overlaid } from '../overlays/Overlaid'
import type { Shown as Laid } from '../overlays/useOverlays'
import { drawWashes } from '../overlays/wash'
import { Drawn } from '../presentation/Drawn'
import { overlaysOf, painted } from '../presentation/overlays'
import { shuttersOf } from '../presentation/shutters'
import type { Frame, Stack } from '../stacks'
import { drawNow } from '../surface'
import { viewOf, type ToPane, type View } from '../view'
import { drawSvg } from './svg'

/** Beyond this no browser draws: a picture that is larger is drawn smaller, and says so. */
const SIDE_MAX_PX = 8192
/** Words are as large as on a screen of this height. */
const READABLE_PX = 640
const OVERLAY_COLOUR = [141, 232, 168] as const
const LOADING_MS = 60_000

/** `screen`: as the pane shows it, of its size. `image`: all of it, by its own pixels. */
export type Size = 'screen' | 'image'

export interface Wish {
  size: Size
  /** Measurements and what else was drawn by hand. */
  measurements: boolean
  /** What the device lays over; shutters stay, for they hide what was never to be seen. */
  overlays: boolean
  /** What is laid over the pictures of others: segmentations and structures. */
  laid: readonly Laid[]
  /** An object's graphics that are shown over the pictures; null: none. */
  graphics: DicomJson | null
  /** Words that may stand on the picture. */
  mayShow: (words: string) => boolean
}

/** A picture as it leaves, without margins. */
export interface Taken {
  canvas: HTMLCanvasElement
  view: View
  frame: Frame
  index: number
  /** Pixels of the canvas a pixel of the screen. */
  ratio: number
  /** Less than 1 where a picture was larger than can be drawn. */
  reduced: number
  /** Texts that name the patient and were left out. */
  leftOut: number
}

let made = 0

/** Draws pictures of a stack where nobody sees it, so that what is read stays as it is. */
export class Offstage {
  private readonly id = `offstage-${++made}`
  private readonly element = document.createElement('div')
  private readonly viewport: StackViewport
  private readonly look: Left | null
  private begun = false
  private reduced = 1

  /** `like`: the pane whose window, turning, enlargement and size it takes. */
  constructor(
    private readonly engine: Engine,
    private readonly stack: Stack,
    like: { viewport: StackViewport; shows: boolean },
    private readonly wish: Wish,
  ) {
    const { clientWidth, clientHeight } = like.viewport.element
    Object.assign(this.element.style, { position: 'fixed', left: '-20000px', top: '0', width: `${clientWidth}px`, height: `${clientHeight}px` })
    this.element.setAttribute('aria-hidden', 'true')
    this.element.dataset['offstage'] = this.id
    document.body.append(this.element)
    this.viewport = engine.open(this.id, this.element, true)
    const left = like.shows ? leftOf(like.viewport) : null
    // Where each picture has its own window, the first one's is not laid on all.
    this.look = left && like.viewport.getProperties().isComputedVOI ? { ...left, voiRange: null } : left
  }

  async take(index: number): Promise<Taken> {
    const frame = this.stack.frames[index]
    if (!frame) throw new Error('There is no such image.')
    await this.show(index, frame)
    // The sizes of a stack's pictures may differ.
    if (this.wish.size === 'image') this.sizeToImage()
    drawNow([this.viewport])
    const view = viewOf(this.viewport, this.stack, frame.imageId, this.element)
    if (!view) throw new Error(`Image ${index + 1} could not be drawn.`)
    if (this.wish.measurements) await this.annotated()
    const canvas = document.createElement('canvas')
    canvas.width = this.viewport.canvas.width
    canvas.height = this.viewport.canvas.height
    const context = canvas.getContext('2d')
    if (!context) throw new Error('This browser has no memory for the picture.')
    context.drawImage(this.viewport.canvas, 0, 0)
    const ratio = canvas.width / this.element.clientWidth
    if (this.wish.laid.length) this.drawLaid(context, frame, view, ratio)
    if (view.toPane) await this.drawMarks(context, frame, view.toPane, ratio)
    const leftOut = this.drawOver(context, frame, view, ratio)
    return { canvas, view, frame, index, ratio, reduced: this.reduced, leftOut }
  }

  end(): void {
    this.engine.close(this.id)
    this.element.remove()
  }

  /** Full quality or nothing: waits until the picture has come, and tells where it cannot be had. */
  private async show(index: number, frame: Frame): Promise<void> {
    const missing = new Promise<never>((_, reject) => {
      const failed = (event: Event) => {
        if ((event as CustomEvent<{ imageId?: string }>).detail?.imageId === frame.imageId) reject(new Error(`Image ${index + 1} could not be loaded.`))
      }
      eventTarget.addEventListener(Enums.Events.IMAGE_LOAD_ERROR, failed)
      setTimeout(() => {
        eventTarget.removeEventListener(Enums.Events.IMAGE_LOAD_ERROR, failed)
        reject(new Error(`Image ${index + 1} did not come.`))
      }, LOADING_MS)
    })
    missing.catch(() => undefined)
    const coming = this.begun ? this.viewport.setImageIdIndex(index) : this.engine.show(this.id, this.stack, index, false)
    await Promise.race([coming, missing])
    if (this.viewport.getCornerstoneImage()?.imageId !== frame.imageId) throw new Error(`Image ${index + 1} could not be loaded.`)
    if (this.begun) return
    this.begun = true
    if (this.look) putBack(this.viewport, this.wish.size === 'image' ? { ...this.look, place: { ...this.look.place, zoom: 1, pan: [0, 0] } } : this.look)
  }

  private sizeToImage(): void {
    const image = this.viewport.getImageData()
    const camera = this.viewport.getCamera()
    const [up, toViewer] = [vec3(camera.viewUp), vec3(camera.viewPlaneNormal)]
    if (!image || !up || !toViewer) throw new Error('The picture has no size.')
    const extent = extentOf(image, cross(up, toViewer), up)
    const unit = Math.min(image.spacing[0] ?? 1, image.spacing[1] ?? 1)
    const [width, height] = [(2 * extent.halfRight) / unit, (2 * extent.halfUp) / unit]
    this.reduced = Math.min(1, SIDE_MAX_PX / Math.max(width, height))
    const screen = window.devicePixelRatio || 1
    const style = { width: `${Math.round(width * this.reduced) / screen}px`, height: `${Math.round(height * this.reduced) / screen}px` }
    Object.assign(this.element.style, style)
    this.engine.resize()
    fit(this.viewport)
  }

  private async annotated(): Promise<void> {
    const drawn = new Promise<void>((done) => {
      this.element.addEventListener(ToolEnums.Events.ANNOTATION_RENDERED, () => done(), { once: true })
      setTimeout(done, 400) // a picture on which nothing is drawn tells nothing
    })
    utilities.triggerAnnotationRender(this.element)
    await drawn
  }

  private async drawMarks(context: CanvasRenderingContext2D, frame: Frame, toPane: ToPane, ratio: number): Promise<void> {
    context.save()
    context.scale(ratio, ratio)
    context.transform(...toPane)
    context.imageSmoothingEnabled = false
    for (const overlay of this.wish.overlays ? overlaysOf(frame.metadata, frame.frameNumber) : []) {
      const plane = document.createElement('canvas')
      Object.assign(plane, { width: overlay.columns, height: overlay.rows })
      const pixels = painted(overlay, await bytesOf(overlay.data), OVERLAY_COLOUR)
      plane.getContext('2d')?.putImageData(new ImageData(pixels, overlay.columns, overlay.rows), 0, 0)
      context.drawImage(plane, overlay.origin[1] - 1, overlay.origin[0] - 1)
    }
    context.fillStyle = 'black'
    for (const path of shuttersOf(frame.metadata)) context.fill(new Path2D(`M-1e5 -1e5H1e5V1e5H-1e5Z${path}`), 'evenodd')
    context.restore()
  }

  private drawLaid(context: CanvasRenderingContext2D, frame: Frame, view: View, ratio: number): void {
    const { laid } = this.wish
    this.rendered(createElement(Overlaid, { shown: laid, frame, stack: this.stack, toCanvas: view.placeOnPane, toPane: view.toPane, chosen: null }), (svg) => {
      drawWashes(context, svg.parentElement ?? svg, ratio)
      return drawSvg(context, svg, { scale: ratio, enlarge: this.enlarge, mayShow: () => false })
    })
  }

  /** Words and lines are larger where the picture is. */
  private get enlarge(): number {
    const { clientWidth, clientHeight } = this.element
    return this.wish.size === 'screen' ? 1 : Math.max(0.6, Math.min(clientWidth, clientHeight) / READABLE_PX)
  }

  /** Does something with what is drawn, while it is in the page: nothing else knows its style. */
  private rendered(what: ReactElement, draw: (svg: SVGSVGElement) => number): number {
    const box = document.createElement('div')
    Object.assign(box.style, { position: 'absolute', inset: '0' })
    this.element.append(box)
    const root = createRoot(box)
    flushSync(() => root.render(what))
    const svg = box.querySelector('svg')
    const answer = svg ? draw(svg) : 0
    root.unmount()
    box.remove()
    return answer
  }

  private drawOver(context: CanvasRenderingContext2D, frame: Frame, view: View, ratio: number): number {
    const drawing = { scale: ratio, enlarge: this.enlarge, mayShow: this.wish.mayShow }
    let leftOut = 0
    if (this.wish.graphics && view.toPane) {
      leftOut += this.rendered(createElement(Drawn, { graphics: graphicsOf(this.wish.graphics, frame), toPane: view.toPane }), (svg) => drawSvg(context, svg, drawing))
    }
    const drawn = this.wish.measurements ? this.element.querySelector<SVGSVGElement>('.svg-layer') : null
    return leftOut + (drawn ? drawSvg(context, drawn, drawing) : 0)
  }
}
