import type { Opening } from '../openings'
import { startOf, type Stack } from '../stacks'
import { fetching } from './fetching'
import { coarsePays, coarsePaysForOne, isSlow } from './link'
import { coarseHalvings, pixelBytesOf } from './plain'

let watching = false
let whenSlow: (() => void) | undefined

/** How quick the way to the archive is, is known before the first picture by what else came on it. Idempotent. */
export function watchLink(callWhenSlow?: () => void): void {
  whenSlow ??= callWhenSlow
  if (isSlow(fetching.pace)) whenSlow?.()
  if (watching) return
  watching = true
  new PerformanceObserver((list) => {
    for (const one of list.getEntries() as PerformanceResourceTiming[])
      if (one.transferSize > 0 && !/\/(frames|coarse)\b/.test(one.name)) fetching.note(one.requestStart, one.responseStart, one.responseEnd, one.transferSize)
    if (isSlow(fetching.pace)) whenSlow?.()
  }).observe({ type: 'resource', buffered: true })
}

/** Keeps the coarse picture that the archive sent unasked, if it is that which the stack begins with and may be shown so. */
export function keepBeginning(stack: Stack, { location, content_type: contentType, etag, total, halvings, content }: NonNullable<Opening['beginning']>): void {
  const frame = stack.frames[startOf(stack)]
  if (!frame || !frame.imageId.endsWith(location) || coarseHalvings(frame.metadata) !== halvings) return
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))
  fetching.keep(frame.imageId, { bytes, total, etag, contentType, coarse: { bytes: bytes.byteLength, halvings } })
}

/**
 * On a slow way: has the picture that a stack begins with here, coarse, before anybody opens it. `isOpened`: somebody does
 * now, so that a way of which nothing is known yet counts as slow.
 */
export async function fetchBeginning(stack: Stack, isOpened = false): Promise<void> {
  const frame = stack.frames[startOf(stack)]
  const halvings = frame ? coarseHalvings(frame.metadata) : 0
  if (!frame || !halvings || fetching.hasCoarse(frame.imageId) || fetching.hasNoCoarse(frame.imageId)) return
  const pixels = pixelBytesOf(frame)
  const bytes = fetching.bytesOf(pixels)
  const { pace } = fetching
  if (!(isOpened && pace === null) && !coarsePaysForOne(pace, bytes) && !coarsePays(pace, stack.length, bytes)) return
  try {
    await fetching.coarse([frame.imageId], halvings, pixels)
  } finally {
    fetching.askAgain(frame.imageId)
  }
}
