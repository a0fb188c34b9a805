import type { Types } from '@cornerstonejs/core'

/** A viewport's drawing, by its size in the screen's own pixels. */
interface Drawable {
  id: string
  element: HTMLElement
  canvas: HTMLCanvasElement
  sWidth: number
  sHeight: number
}

/** What Cornerstone's rendering engine has and its types leave out. */
interface Inner {
  _renderFlaggedViewports(): void
  renderViewportUsingCustomOrVtkPipeline(viewport: Types.IViewport): unknown
  contextPool?: {
    getContextIndexForViewport(viewportId: string): number | undefined
    getMaxSizeForContext(index: number): { width: number; height: number } | undefined
    getContextByIndex(index: number): { context: { resize(): void }; container: HTMLElement & { width?: number; height?: number } } | null
    getAllContexts(): { getOpenGLRenderWindow(): { getContext?: () => WebGL2RenderingContext | null; getCanvas(): HTMLCanvasElement | null } }[]
  }
}

function ratio(): number {
  return window.devicePixelRatio || 1
}

function sizeOf({ element }: Drawable): { width: number; height: number } {
  return { width: Math.round(element.clientWidth * ratio()), height: Math.round(element.clientHeight * ratio()) }
}

/** Whether the pixels that were drawn are those of the screen: neither stretched nor of a size that the pane had before. */
export function isTrueToSize(viewport: Drawable): boolean {
  const { width, height } = sizeOf(viewport)
  const { canvas, sWidth, sHeight } = viewport
  return canvas.width === width && canvas.height === height && sWidth === width && sHeight === height
}

/**
 * Takes the size of its pane for a viewport, and keeps its camera by `keep`, which is called before and answers what to do
 * after. False: it has that size already, or its pane has none.
 *
 * It stands for `RenderingEngine.resize` of Cornerstone 5.14, which leaves pictures stretched and cameras of another pane
 * behind: it compares with the size that was drawn last, not with the one that it last gave out, so that a pane that goes
 * to another size and back before a drawing keeps the other; and it leaves off half-way while a drawing is due.
 */
export function refit<V extends Drawable>(viewport: V, keep: (viewport: V) => () => void): boolean {
  const { width, height } = sizeOf(viewport)
  if (width < 2 || height < 2 || isTrueToSize(viewport)) return false
  const after = keep(viewport)
  viewport.sWidth = width
  viewport.sHeight = height
  after()
  return true
}

/** Fits what a viewport shows to its pane and tells nobody, for what was seen is about to be put back. */
export function fitQuietly(viewport: Types.IViewport): void {
  ;(viewport as unknown as { resetCameraNoEvent(): void }).resetCameraNoEvent()
}

function innerOf(viewport: { getRenderingEngine(): unknown }): Inner | undefined {
  return viewport.getRenderingEngine() as Inner | undefined
}

/**
 * Draws now and not before the next frame: what is called when a pane has another size and before that is painted, so that
 * nobody ever sees the picture stretched, or a scale that is not its own.
 */
export function drawNow(viewports: readonly Types.IViewport[]): void {
  for (const viewport of viewports) viewport.render()
  const [first] = viewports
  if (first) innerOf(first)?._renderFlaggedViewports()
}

/** Of each rendering engine the viewports that have drawn nothing yet. */
const blank = new WeakMap<Inner, Set<string>>()

/**
 * Has a new viewport draw nothing until there is a picture. Cornerstone draws its emptiness some times over before, for
 * which the first picture would wait; its canvas has the colour of that already.
 */
export function drawOnlyPictures(viewport: Types.IViewport): void {
  const inner = innerOf(viewport)
  if (!inner) return
  const before = blank.get(inner)
  const ids = before ?? new Set<string>()
  ids.add(viewport.id)
  if (before) return
  blank.set(inner, ids)
  const draw = inner.renderViewportUsingCustomOrVtkPipeline.bind(inner)
  inner.renderViewportUsingCustomOrVtkPipeline = (one) => {
    if (ids.has(one.id) && !(one as Types.IViewport & { getActors(): unknown[] }).getActors().length) return undefined
    ids.delete(one.id)
    return draw(one)
  }
}

/**
 * Gives the hidden canvases, on which panes are drawn, the size that Cornerstone's book-keeping says. It forgets to do so
 * when a pane is closed, and would draw the others stretched.
 */
export function squareUp(viewports: readonly Types.IViewport[]): void {
  for (const viewport of viewports) {
    const pool = innerOf(viewport)?.contextPool
    const index = pool?.getContextIndexForViewport(viewport.id)
    if (!pool || index === undefined) continue
    const [size, place] = [pool.getMaxSizeForContext(index), pool.getContextByIndex(index)]
    if (!size || !place || (place.container.width === size.width && place.container.height === size.height)) continue
    place.container.width = size.width
    place.container.height = size.height
    place.context.resize()
  }
}

/**
 * Ends a rendering engine and gives its drawing contexts, and all that they keep on the graphics processor, back at once.
 * Left to the browser they go when it next looks for what nobody holds, and meanwhile it takes contexts from who draws.
 */
export function letGo(rendering: { destroy(): void }): void {
  const contexts = (rendering as Partial<Inner>).contextPool?.getAllContexts().map((one) => one.getOpenGLRenderWindow()) ?? []
  const drawings = contexts.map((one) => ({ gl: one.getContext?.(), canvas: one.getCanvas() }))
  rendering.destroy()
  for (const { gl, canvas } of drawings) {
    // It is no loss that anybody has to be told of.
    canvas?.addEventListener('webglcontextlost', (event) => event.stopImmediatePropagation(), { capture: true })
    gl?.getExtension('WEBGL_lose_context')?.loseContext()
  }
}

/** Calls back when the screen's pixels change their size under the page: another monitor, the browser's zoom. Answers how to stop. */
export function onPixelRatio(changed: () => void): () => void {
  let query: MediaQueryList | null = null
  const heard = () => {
    listen()
    changed()
  }
  const listen = () => {
    query?.removeEventListener('change', heard)
    query = window.matchMedia(`(resolution: ${ratio()}dppx)`)
    query.addEventListener('change', heard)
  }
  listen()
  return () => query?.removeEventListener('change', heard)
}
