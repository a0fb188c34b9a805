import { cache, Enums, eventTarget, imageLoader } from '@cornerstonejs/core'
import type { Frame, Stack } from '../stacks'
import { Ahead } from './ahead'

const AT_ONCE = 6
/** Beyond this part of the memory that pictures are given, only what lies near a reader is fetched, and others go for it. */
const FULL = 0.9
const NEAR = 60
/** How often it is told how many pictures are here: a screen that is drawn anew for each has no time for its reader. */
const TELL_MS = 200

function isHere(imageId: string): boolean {
  return cache.getImageLoadObject(imageId) !== undefined && cache.isLoaded(imageId)
}

/** Pictures of stacks on their way ahead of the eye, until it is stopped. */
export class Prefetching {
  private readonly ahead: Ahead<string>
  private running = 0
  private stopped = false
  private telling: ReturnType<typeof setTimeout> | undefined
  private readonly told = new Map<string, number>()

  constructor(
    private readonly stacks: readonly { stack: Stack; from: number; seen: boolean }[],
    private readonly loaded: (stack: Stack, count: number) => void,
  ) {
    this.ahead = new Ahead(
      stacks.map(({ stack, from, seen }) => ({ key: stack.key, from, seen, frames: stack.frames.map((frame: Frame) => frame.imageId) })),
      isHere,
    )
    eventTarget.addEventListener(Enums.Events.IMAGE_CACHE_IMAGE_REMOVED, this.removed)
    this.tell()
    this.run()
  }

  private readonly removed = (event: Event): void => {
    const { imageId } = (event as CustomEvent<{ imageId: string }>).detail
    this.ahead.gone(imageId)
  }

  /** A reader came to a picture of a stack. */
  moved(key: string, index: number): void {
    this.ahead.moved(key, index)
    this.run()
    this.tellSoon()
  }

  private run(): void {
    while (this.running < AT_ONCE) {
      const next = this.take()
      if (!next) return
      this.running += 1
      void this.work(next)
    }
  }

  private take(): string | null {
    if (this.stopped) return null
    return this.ahead.next(cache.getCacheSize() > cache.getMaxCacheSize() * FULL ? NEAR : Infinity)?.frame ?? null
  }

  private async work(first: string): Promise<void> {
    for (let imageId: string | null = first; imageId; imageId = this.take()) {
      try {
        await imageLoader.loadAndCacheImage(imageId, { requestType: Enums.RequestType.Prefetch, priority: 10 })
      } catch {
        continue // The picture is asked for again, with its error shown, when a person comes to it.
      }
      this.tellSoon()
    }
    this.running -= 1
  }

  private tellSoon(): void {
    if (!this.stopped) this.telling ??= setTimeout(() => this.tell(), TELL_MS)
  }

  private tell(): void {
    this.telling = undefined
    for (const { stack } of this.stacks) {
      const count = stack.frames.reduce((sum, frame) => sum + Number(isHere(frame.imageId)), 0)
      if (this.told.get(stack.key) === count) continue
      this.told.set(stack.key, count)
      this.loaded(stack, count)
    }
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.telling)
    eventTarget.removeEventListener(Enums.Events.IMAGE_CACHE_IMAGE_REMOVED, this.removed)
  }
}
