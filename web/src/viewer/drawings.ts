import { Enums, eventTarget, getEnabledElement, type StackViewport } from '@cornerstonejs/core'
import { annotationRenderingEngine } from '@cornerstonejs/tools/annotation/AnnotationRenderingEngine'

/** What Cornerstone's drawing of measurements has and its types leave out. */
interface Inner {
  _needsRender: Set<Element>
  _triggerRender(element: HTMLDivElement): void
}

/** A viewport of pictures: which of them it was asked for, whether or not that has come. */
interface Asked {
  currentImageIdIndex: number
}

let begun = false

/**
 * Draws measurements in the same frame as the picture that they lie on, and none but its own. Cornerstone 5.14 draws them
 * one frame after it, so that they drag behind; and, while the next picture is on its way, those of the next over the one
 * that is still seen.
 */
export function drawWithPictures(): void {
  if (begun) return
  begun = true
  const engine = annotationRenderingEngine as unknown as Inner
  const draw = engine._triggerRender.bind(engine)
  engine._triggerRender = (element) => ofWhatIsSeen(element, () => draw(element))
  const drawn = (event: Event): void => {
    const element = event.currentTarget as HTMLDivElement
    // Cornerstone has just put it off to the next frame.
    if (engine._needsRender.delete(element)) engine._triggerRender(element)
  }
  // After Cornerstone's own listeners, for its tools began before.
  eventTarget.addEventListener(Enums.Events.ELEMENT_ENABLED, (event: Event) => {
    const { element } = (event as CustomEvent<{ element: HTMLDivElement }>).detail
    element.addEventListener(Enums.Events.IMAGE_RENDERED, drawn)
  })
  eventTarget.addEventListener(Enums.Events.ELEMENT_DISABLED, (event: Event) => {
    const { element } = (event as CustomEvent<{ element: HTMLDivElement }>).detail
    element.removeEventListener(Enums.Events.IMAGE_RENDERED, drawn)
  })
}

/** Does something as if the picture that is seen were the one that was asked for. */
function ofWhatIsSeen(element: HTMLDivElement, work: () => void): void {
  const viewport = getEnabledElement(element)?.viewport as (Partial<StackViewport> & Partial<Asked>) | undefined
  const asked = viewport?.currentImageIdIndex
  const image = viewport?.getCornerstoneImage?.()
  if (!viewport || asked === undefined || !image) return work()
  viewport.currentImageIdIndex = viewport.getImageIds?.().indexOf(image.imageId) ?? asked
  try {
    work()
  } finally {
    viewport.currentImageIdIndex = asked
  }
}
