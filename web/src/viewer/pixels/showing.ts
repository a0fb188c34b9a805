import { cache, Enums, eventTarget, imageLoader, type StackViewport, type Types } from '@cornerstonejs/core'
import type { Frame } from '../stacks'
import { coarseImage, isCoarse } from './coarse'
import { fetching, isAborted } from './fetching'
import { coarsePays, coarsePaysForOne } from './link'
import { madeOf } from './made'
import { coarseHalvings, pixelBytesOf } from './plain'
import { frameOf } from './remembered'

/** How good the picture on a pane is: all of it; coarse, and the rest on its way; coarse, and the rest could not be had. */
export type Quality = 'full' | 'coarse' | 'stuck'

/** What Cornerstone's viewport tells of a picture that it asked for. */
interface Listener {
  successCallback(imageId: string, image: Types.IImage): void
  errorCallback(imageId: string, permanent: boolean, error: unknown): void
}
interface Inner {
  loadImages(imageIds: string[], listener: Listener): Promise<unknown>
  getLoaderImageOptions(imageId: string): Parameters<typeof imageLoader.loadAndCacheImage>[1]
}

/** So long a reader stays before the rest of a coarse picture is asked for: pictures that are scrolled past stay coarse. */
const STAY_MS = 60
/** Coarse pictures of neighbours that are asked for with the one that is waited for. */
const NEIGHBOURS = 1

export function isHere(imageId: string): boolean {
  return cache.getImageLoadObject(imageId) !== undefined && cache.isLoaded(imageId)
}

const all = new Set<Showing>()

/** What readers look at now. */
function seen(): ReadonlySet<string> {
  return new Set([...all].flatMap(({ wanted }) => (wanted === null ? [] : [wanted, ...madeOf(wanted)])))
}

/**
 * Shows the pictures of a viewport: coarse at first where they come slowly, and their rest as soon as it is here. Only
 * whole pictures are ever in Cornerstone's cache, so whoever else asks there for one gets all of it.
 */
export class Showing {
  /** The picture that a reader waits for, or looks at. */
  wanted: string | null = null
  private refining: string | null = null
  private stuck: string | null = null
  private ended = false

  constructor(
    private readonly viewport: StackViewport,
    /** Called with true while what is looked at is fetched, so that others wait, and with false after. */
    private readonly busy: (is: boolean) => void,
  ) {
    const inner = viewport as unknown as Inner
    inner.loadImages = (imageIds, listener) => Promise.all(imageIds.map((imageId) => this.show(imageId, listener)))
    all.add(this)
    eventTarget.addEventListener(Enums.Events.IMAGE_CACHE_IMAGE_ADDED, this.arrived)
  }

  /** All of a picture came, for whomever: where it is seen coarse it takes its place. */
  private readonly arrived = (event: Event): void => {
    const { imageId } = (event as CustomEvent<{ image: { imageId: string } }>).detail.image
    if (this.isWanted(imageId) && this.refining !== imageId && this.quality !== 'full') void this.whole(imageId, this.viewport as unknown as Listener)
  }

  get quality(): Quality {
    const image = this.viewport.getCornerstoneImage() as Types.IImage | undefined
    if (!isCoarse(image)) return 'full'
    return this.stuck === image?.imageId ? 'stuck' : 'coarse'
  }

  /** Asks once more for the rest of the picture. */
  again(): void {
    const imageId = this.wanted
    if (!imageId || this.quality !== 'stuck') return
    this.stuck = null
    void this.whole(imageId, this.viewport as unknown as Listener)
    this.viewport.render()
  }

  /** The picture is made otherwise now. */
  renew(): void {
    if (this.wanted) void this.whole(this.wanted, this.viewport as unknown as Listener)
  }

  end(): void {
    this.ended = true
    all.delete(this)
    eventTarget.removeEventListener(Enums.Events.IMAGE_CACHE_IMAGE_ADDED, this.arrived)
    this.leave(null)
  }

  private isWanted(imageId: string): boolean {
    return !this.ended && this.wanted === imageId && this.viewport.getCurrentImageId() === imageId
  }

  /** The reader goes on: what was fetched for the one before is stopped, unless another pane shows it. */
  private leave(imageId: string | null): void {
    this.wanted = imageId
    const before = this.refining
    if (before && before !== imageId && !seen().has(before) && isCoarse(this.viewport.getCornerstoneImage())) fetching.abort(before)
  }

  private async show(imageId: string, listener: Listener): Promise<string> {
    this.leave(imageId)
    this.stuck = null
    const frame = frameOf(imageId)
    const halvings = frame && !isHere(imageId) ? coarseHalvings(frame.metadata) : 0
    if (!frame || !halvings) return this.whole(imageId, listener)
    if (!fetching.hasCoarse(imageId)) {
      const pixels = pixelBytesOf(frame)
      if (fetching.hasNoCoarse(imageId) || !this.pays(fetching.bytesOf(pixels))) return this.wholeOrCoarse(frame, listener)
      fetching.makeWay(seen())
      this.busy(true)
      await fetching.coarse(this.around(imageId), halvings, pixels).catch(() => undefined)
      this.busy(false)
      if (!this.isWanted(imageId)) return imageId
    }
    if (!(await this.coarse(frame, listener))) return this.isWanted(imageId) ? this.whole(imageId, listener) : imageId
    setTimeout(() => {
      if (this.isWanted(imageId)) void this.whole(imageId, listener)
    }, STAY_MS)
    return imageId
  }

  private pays(bytes: number): boolean {
    return coarsePaysForOne(fetching.pace, bytes) || coarsePays(fetching.pace, this.viewport.getImageIds().length, bytes)
  }

  /** Draws the picture coarse, if it is still waited for and can be; whether it did. */
  private async coarse(frame: Frame, listener: Listener): Promise<boolean> {
    const { imageId } = frame
    const beginning = isHere(imageId) ? null : fetching.coarseOf(imageId)
    const image = beginning && (await coarseImage(frame, beginning).catch(() => null))
    if (!image || isHere(imageId) || !this.isWanted(imageId)) return false
    listener.successCallback(imageId, image)
    return true
  }

  /** All of the picture; should it take longer than it seemed, what comes of it first. */
  private async wholeOrCoarse(frame: Frame, listener: Listener): Promise<string> {
    const { imageId } = frame
    const stop = fetching.whenCoarse((imageIds) => {
      if (imageIds.has(imageId) && this.isWanted(imageId)) void this.coarse(frame, listener)
    })
    try {
      return await this.whole(imageId, listener)
    } finally {
      stop()
    }
  }

  /** The picture and the next on both sides that are not here. */
  private around(imageId: string): string[] {
    const imageIds = this.viewport.getImageIds()
    const at = imageIds.indexOf(imageId)
    const near = imageIds.slice(Math.max(0, at - NEIGHBOURS), at + NEIGHBOURS + 1)
    const series = imageId.slice(0, imageId.indexOf('/instances/'))
    return near.filter((one) => one === imageId || (one.startsWith(`${series}/`) && !isHere(one) && !fetching.hasCoarse(one) && !fetching.hasNoCoarse(one)))
  }

  private async whole(imageId: string, listener: Listener): Promise<string> {
    const options = (this.viewport as unknown as Inner).getLoaderImageOptions(imageId)
    this.refining = imageId
    this.busy(true)
    if (!isHere(imageId)) fetching.makeWay(seen())
    try {
      const image = await imageLoader.loadAndCacheImage(imageId, options)
      if (!this.ended) listener.successCallback(imageId, image)
    } catch (error) {
      // Fetched ahead it was stopped, just when it was wanted here.
      if (isAborted(error)) return this.isWanted(imageId) ? await this.whole(imageId, listener) : imageId
      if (this.isWanted(imageId) && isCoarse(this.viewport.getCornerstoneImage())) {
        this.stuck = imageId
        this.viewport.render()
      }
      listener.errorCallback(imageId, true, error)
    } finally {
      if (this.refining === imageId) this.refining = null
      this.busy(false)
    }
    return imageId
  }
}

