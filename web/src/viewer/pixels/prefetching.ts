import { cache, Enums, eventTarget, imageLoader } from '@cornerstonejs/core'
import type { Stack } from '../stacks'
import { Ahead } from './ahead'
import { fetching, isAborted } from './fetching'
import { batchOf, coarsePays, isSlow } from './link'
import { coarseHalvings, pixelBytesOf } from './plain'
import { isHere } from './showing'

const AT_ONCE = 6
/** On a slow way the connections that are left are for what is looked at. */
const AT_ONCE_SLOWLY = 3
/** Beyond this part of the memory that pictures are given, only what lies near a reader is fetched, and others go for it. */
const FULL = 0.9
const NEAR = 60
/** How often it is told how many pictures are here: a screen that is drawn anew for each has no time for its reader. */
const TELL_MS = 200

/** How many pictures of a stack are here; `coarse`: at least coarse, null where none was asked for so. */
export interface Count {
  full: number
  coarse: number | null
}

interface Listed {
  stack: Stack
  from: number
  seen: boolean
}

/** What a reader waits for. */
interface Reader {
  /** Whether a picture that is looked at is on its way: where that is slow, others wait. */
  waits: () => boolean
  /** Whether nothing is to be seen yet: others wait then on the quickest way. */
  holds: () => boolean
}

type Job = { coarse: readonly string[]; halvings: number; pixels: number } | { whole: string }

/** Pictures of stacks on their way ahead of the eye, until it is stopped: coarse ones of all before the rest of each. */
export class Prefetching {
  /** Those on the screen, and after them the others. */
  private readonly parts: readonly { seen: boolean; listed: readonly Listed[]; coarse: Ahead<string>; whole: Ahead<string> }[]
  private readonly byKey: ReadonlyMap<string, { halvings: number; pixels: number; left: number }>
  private running = 0
  private stopped = false
  private telling: ReturnType<typeof setTimeout> | undefined
  private readonly told = new Map<string, string>()
  private readonly stopping = new AbortController()

  constructor(
    private readonly listed: readonly Listed[],
    private readonly loaded: (stack: Stack, count: Count) => void,
    private readonly reader: Reader,
  ) {
    this.byKey = new Map(
      listed.map(({ stack }) => {
        const [first] = stack.frames
        // Pictures of a stack are of one size; one that cannot be coarse shows at its turn.
        return [stack.key, { halvings: first ? coarseHalvings(first.metadata) : 0, pixels: first ? pixelBytesOf(first) : 0, left: stack.length }]
      }),
    )
    const fetched = ({ stack, from, seen }: Listed) => ({ key: stack.key, from, seen, frames: stack.frames.map((frame) => frame.imageId) })
    this.parts = [true, false].map((seen) => {
      const some = listed.filter((one) => one.seen === seen)
      return {
        seen,
        listed: some,
        coarse: new Ahead(
          some.filter(({ stack }) => this.byKey.get(stack.key)?.halvings).map(fetched),
          (imageId) => isHere(imageId) || fetching.hasCoarse(imageId) || fetching.hasNoCoarse(imageId),
        ),
        whole: new Ahead(some.map(fetched), isHere),
      }
    })
    eventTarget.addEventListener(Enums.Events.IMAGE_CACHE_IMAGE_REMOVED, this.removed)
    this.tell()
    this.run()
  }

  private readonly removed = (event: Event): void => {
    const { imageId } = (event as CustomEvent<{ imageId: string }>).detail
    for (const { whole } of this.parts) whole.gone(imageId)
  }

  /** A reader came to a picture of a stack. */
  moved(key: string, index: number): void {
    for (const { coarse, whole } of this.parts) {
      coarse.moved(key, index)
      whole.moved(key, index)
    }
    this.run()
    this.tellSoon()
  }

  /** Goes on, for nobody is waited for any more. */
  run(): void {
    while (this.running < (isSlow(fetching.pace) ? AT_ONCE_SLOWLY : AT_ONCE)) {
      const next = this.take()
      if (!next) return
      this.running += 1
      void this.work(next)
    }
  }

  private take(): Job | null {
    if (this.stopped || this.reader.holds() || (isSlow(fetching.pace) && this.reader.waits()) || this.running > (isSlow(fetching.pace) ? AT_ONCE_SLOWLY : AT_ONCE)) return null
    const within = cache.getCacheSize() > cache.getMaxCacheSize() * FULL ? NEAR : Infinity
    for (const part of this.parts) {
      const coarse = this.takeCoarse(part.coarse, part.listed)
      if (coarse) return coarse
      if (!part.seen && within < Infinity) continue
      const whole = part.whole.next(within)
      if (whole) return { whole: whole.frame }
    }
    return null
  }

  private takeCoarse(ahead: Ahead<string>, listed: readonly Listed[]): Job | null {
    const { pace } = fetching
    if (!pace || fetching.full) return null
    const left = listed.reduce((sum, { stack }) => sum + (this.byKey.get(stack.key)?.left ?? 0), 0)
    const pixels = listed.reduce((most, { stack }) => Math.max(most, this.byKey.get(stack.key)?.pixels ?? 0), 0)
    if (!coarsePays(pace, left, fetching.bytesOf(pixels))) return null
    const first = ahead.next()
    const of = first && this.byKey.get(first.key)
    if (!first || !of) return null
    const frames = [first.frame]
    for (let next = null as ReturnType<typeof ahead.next>, most = batchOf(pace, fetching.coarseBytesOf(of.pixels)); frames.length < most; ) {
      next = ahead.next()
      if (!next) break
      if (next.key !== first.key) {
        ahead.gone(next.frame)
        break
      }
      frames.push(next.frame)
    }
    return { coarse: frames, halvings: of.halvings, pixels: of.pixels }
  }

  private async work(first: Job): Promise<void> {
    for (let job: Job | null = first; job; job = this.take()) {
      try {
        if ('whole' in job) await imageLoader.loadAndCacheImage(job.whole, { requestType: Enums.RequestType.Prefetch, priority: 10 })
        else await fetching.coarse(job.coarse, job.halvings, job.pixels, this.stopping.signal)
      } catch (error) {
        // It made way, and has its turn again. Else the picture is asked for again, with its error shown, when a person comes
        // to it.
        if ('whole' in job && isAborted(error)) for (const { whole } of this.parts) whole.again(job.whole)
        continue
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
    for (const { stack } of this.listed) {
      let [full, begun] = [0, 0]
      for (const { imageId } of stack.frames)
        if (isHere(imageId)) full += 1
        else if (fetching.hasCoarse(imageId)) begun += 1
      const of = this.byKey.get(stack.key)
      if (of) of.left = stack.length - full
      const count = { full, coarse: begun ? full + begun : null }
      const words = `${count.full}/${count.coarse}`
      if (this.told.get(stack.key) === words) continue
      this.told.set(stack.key, words)
      this.loaded(stack, count)
    }
  }

  stop(): void {
    this.stopped = true
    this.stopping.abort()
    clearTimeout(this.telling)
    eventTarget.removeEventListener(Enums.Events.IMAGE_CACHE_IMAGE_REMOVED, this.removed)
  }
}
