import { cache, Enums, imageLoader, type RenderingEngine, type StackViewport } from '@cornerstonejs/core'
import { wadors } from '@cornerstonejs/dicom-image-loader'
import type { DicomJson } from './dicom'
import { imageOf } from './pixels/loader'
import { layoutOf } from './pixels/values'

const SCHEME = 'rehearsal'
const VIEWPORT = 'rehearsal'
const SIDE = 64

const one = (vr: string, ...Value: (string | number)[]) => ({ vr, Value })

/** A picture of nothing, with values as a CT has them. */
const METADATA: DicomJson = {
  '00080060': one('CS', 'CT'),
  '00200032': one('DS', 0, 0, 0),
  '00200037': one('DS', 1, 0, 0, 0, 1, 0),
  '00280002': one('US', 1),
  '00280004': one('CS', 'MONOCHROME2'),
  '00280010': one('US', SIDE),
  '00280011': one('US', SIDE),
  '00280030': one('DS', 1, 1),
  '00280100': one('US', 16),
  '00280101': one('US', 16),
  '00280102': one('US', 15),
  '00280103': one('US', 1),
  '00281050': one('DS', 40),
  '00281051': one('DS', 400),
}

let registered = false
let made = 0

/**
 * Draws a picture of nothing where nobody sees it. The browser then has what it draws by ready: its graphics context and the
 * programs for its graphics processor, which the first picture would wait for; of the size of the pane that is to come, there
 * is nothing to be made anew. `stop` takes it all away, and may be called twice.
 */
export function rehearse(rendering: RenderingEngine, { width, height }: { width: number; height: number }): { stop: () => void } {
  if (!registered) imageLoader.registerImageLoader(SCHEME, (imageId) => ({ promise: Promise.resolve(pictureOf(imageId)) }))
  registered = true
  const imageId = `${SCHEME}:${++made}`
  const element = document.createElement('div')
  Object.assign(element.style, { position: 'fixed', left: '-2000px', top: '0', width: `${width}px`, height: `${height}px`, visibility: 'hidden' })
  element.ariaHidden = 'true'
  document.body.append(element)
  let over = false
  const stop = () => {
    if (over) return
    over = true
    element.remove()
    rendering.disableElement(VIEWPORT)
    if (cache.getImageLoadObject(imageId)) cache.removeImageLoadObject(imageId, { force: true })
    wadors.metaDataManager.remove(imageId)
  }
  wadors.metaDataManager.add(imageId, METADATA as never)
  rendering.enableElement({ viewportId: VIEWPORT, element, type: Enums.ViewportType.STACK, defaultOptions: { background: [0, 0, 0] } })
  const viewport = rendering.getViewport(VIEWPORT) as StackViewport
  element.addEventListener(Enums.Events.IMAGE_RENDERED, () => (viewport.getCornerstoneImage() ? setTimeout(stop) : undefined))
  // What cannot be drawn is said of the first picture.
  viewport.setStack([imageId]).then(
    () => (over ? undefined : viewport.render()),
    () => stop(),
  )
  return { stop }
}

function pictureOf(imageId: string) {
  return imageOf({ imageId, metadata: METADATA }, layoutOf(METADATA), new Int16Array(SIDE * SIDE), false)
}
