/** What one fetch showed of the way to the archive, in milliseconds of one clock. */
export interface Passage {
  asked: number
  /** When the answer began. */
  begun: number
  ended: number
  bytes: number
}

/** How quick the way to the archive is. */
export interface Pace {
  bytesPerSecond: number
  /** From asking until an answer begins. */
  waitSeconds: number
}

const KEPT = 8
/** What was before says nothing of now: people carry tablets about. */
const FRESH_MS = 10_000
/** Of less the time is that of the way there, not of the bytes. */
const TELLING_BYTES = 8 * 1024
/** Shorter than this no clock of a page tells. */
const LEAST_MS = 1
/** Connections that are shared by what is fetched. */
const AT_ONCE = 4
/** Pictures that come whole within this are not worth to be shown twice. */
const STACK_SECONDS = 2
const PICTURE_SECONDS = 0.15
/** What one answer of coarse pictures may take, so that a reader who goes elsewhere does not wait for it. */
const BATCH_SECONDS = 0.25
const BATCH_MOST = 32
/** Below, what is fetched ahead is in the way of the picture that is looked at. */
const SLOW_BYTES_PER_SECOND = 8_000_000
/** Smaller pictures come whole as soon. */
const COARSE_SIDE_LEAST = 256
const COARSE_BYTES_LEAST = 64 * 1024

/** Keeps in mind how quick the last fetches were. */
export class Link {
  private readonly recent: Passage[] = []

  note(passage: Passage): void {
    if (passage.bytes < TELLING_BYTES || passage.ended < passage.begun) return
    this.recent.push(passage)
    if (this.recent.length > KEPT) this.recent.shift()
  }

  /** Null: nothing is known yet. What ran side by side shared the way, so its time counts once. */
  pace(): Pace | null {
    const newest = Math.max(...this.recent.map((one) => one.ended))
    const recent = this.recent.filter((one) => one.ended > newest - FRESH_MS)
    if (!recent.length) return null
    const spans = recent.map(({ begun, ended }) => [begun, Math.max(ended, begun + LEAST_MS)] as const).sort((a, b) => a[0] - b[0])
    let [busy, until] = [0, -Infinity]
    for (const [from, to] of spans) {
      busy += Math.max(0, to - Math.max(from, until))
      until = Math.max(until, to)
    }
    const bytes = recent.reduce((sum, one) => sum + one.bytes, 0)
    const waits = recent.map(({ asked, begun }) => Math.max(0, begun - asked)).sort((a, b) => a - b)
    return { bytesPerSecond: (bytes / busy) * 1000, waitSeconds: (waits[Math.floor(waits.length / 2)] ?? 0) / 1000 }
  }
}

/** Whether a stack of which so many pictures are still to come is to be shown coarse first. */
export function coarsePays(pace: Pace | null, pictures: number, bytesEach: number): boolean {
  if (!pace || pictures < 2) return false
  return pictures * (bytesEach / pace.bytesPerSecond + pace.waitSeconds / AT_ONCE) > STACK_SECONDS
}

/** Whether a reader who waits for one picture is to see it coarse first. */
export function coarsePaysForOne(pace: Pace | null, bytes: number): boolean {
  return pace !== null && bytes / pace.bytesPerSecond > PICTURE_SECONDS
}

/** Whether what is fetched ahead has to make way for what is looked at. */
export function isSlow(pace: Pace | null): boolean {
  return pace !== null && pace.bytesPerSecond < SLOW_BYTES_PER_SECOND
}

/** How many coarse pictures to ask for at once. */
export function batchOf(pace: Pace | null, bytesEach: number): number {
  if (!pace) return 1
  return Math.max(1, Math.min(BATCH_MOST, Math.floor((pace.bytesPerSecond * BATCH_SECONDS) / Math.max(1, bytesEach))))
}

/** How many times rows and columns of a picture are halved where it is coarse; 0: it is small enough to come whole. */
export function halvingsOf(rows: number, columns: number, bytes: number): number {
  const side = Math.max(rows, columns)
  if (side < COARSE_SIDE_LEAST || bytes < COARSE_BYTES_LEAST) return 0
  return side < 512 ? 1 : side <= 2048 ? 2 : 3
}
