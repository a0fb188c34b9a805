/**
 * What is asked for while the program itself still comes: the page's address says which images will be shown. It knows
 * nothing that draws, so that it is here first.
 */
import { firstStack } from './hanging/builtIn'
import { headsOf } from './listing'
import { askOpening, isFetched, untilOpened } from './openings'
import { fetchBeginning, keepBeginning, watchLink } from './pixels/beforehand'
import { makeStacks, stacksOfSeries } from './stacks'

/** Has the viewer's program come, and make itself ready to draw. */
export function comeViewer(idle = false): void {
  // What fails is told of where it is needed.
  void import('./index').then(({ prepare }) => prepare(idle)).catch(() => undefined)
}

/** A list that people look at is there before; and whoever opens a study does so no sooner. */
const IDLE_AFTER_MS = 300
const IDLE_WITHIN_MS = 3_000

/**
 * Has the viewer come while there is nothing else to do, for whoever looks at a list from which images are opened, and
 * the screen around it. An effect: answers how to leave it.
 */
export function comeViewerSoon(screen: () => Promise<unknown>): () => void {
  let idle = 0
  const come = () => {
    comeViewer(true)
    screen().catch(() => undefined)
  }
  const timer = setTimeout(() => {
    // Not every browser says when it is idle.
    if ('requestIdleCallback' in window) idle = window.requestIdleCallback(come, { timeout: IDLE_WITHIN_MS })
    else come()
  }, IDLE_AFTER_MS)
  return () => {
    clearTimeout(timer)
    if (idle) window.cancelIdleCallback(idle)
  }
}

/** A screen of images, all of whose parts are here, is made once; it waits no longer than this for what was asked for ahead. */
const TOGETHER_MS = 100

/** Waits a moment for what was asked for ahead, to be shown with what is asked for now. */
export async function together<T>(asked: Promise<T>): Promise<T> {
  await Promise.race([untilOpened(), new Promise((done) => setTimeout(done, TOGETHER_MS))])
  return asked
}

/** Asks for what a study says of its first series, and for the picture that is seen first, for the viewer that is to come. */
export async function askAhead(studyPk: string): Promise<void> {
  if (isFetched(studyPk)) return
  watchLink()
  const found = await askOpening(studyPk, async ({ study_instance_uid: uid, series, metadata }) => {
    for (const head of headsOf(series)) {
      const instances = metadata[head.seriesInstanceUid]
      if (instances) await makeStacks(uid, head, instances)
    }
  })
  if (!found) return
  const stacks = headsOf(found.series).flatMap((head) => {
    const metadata = found.metadata[head.seriesInstanceUid]
    return metadata ? stacksOfSeries(found.study_instance_uid, head, metadata) : []
  })
  const first = firstStack(stacks)
  if (!first) return
  if (found.beginning) keepBeginning(first, found.beginning)
  await fetchBeginning(first, true)
}
