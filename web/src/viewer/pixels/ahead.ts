/** A stack whose pictures are fetched ahead of the eye. */
export interface Fetched<T> {
  key: string
  frames: readonly T[]
  /** Where its reader is, or will begin. */
  from: number
  /** It hangs on the screen. */
  seen: boolean
}

interface Row<T> extends Fetched<T> {
  /** The next to look at on either side of the reader. */
  below: number
  above: number
  /** Which way the reader goes: 1, -1; 0: stands. */
  way: number
}

/** Readers turn round: what lies behind is fetched too, but counts as so many times farther away. */
const BEHIND = 3

/**
 * Says which picture to fetch next: of the stacks on the screen the one nearest to their readers, before them sooner than
 * behind; then the others in their order, from where they will begin.
 */
export class Ahead<T> {
  private readonly rows: readonly Row<T>[]
  private readonly tried = new Set<T>()

  constructor(
    stacks: readonly Fetched<T>[],
    private readonly isHere: (frame: T) => boolean,
  ) {
    this.rows = stacks.map((stack) => ({ ...stack, below: stack.from - 1, above: stack.from, way: 0 }))
  }

  /** A reader came to a picture. */
  moved(key: string, index: number): void {
    for (const row of this.rows) {
      if (row.key !== key || row.from === index) continue
      row.way = Math.sign(index - row.from)
      row.from = index
      row.below = index - 1
      row.above = index
    }
  }

  /** The next picture, which is not given out again; `within`: none that is farther from its reader. Null: there is none. */
  next(within = Infinity): { key: string; frame: T } | null {
    let best: { row: Row<T>; frame: T; away: number } | null = null
    for (const row of this.rows) {
      if (!row.seen && (best || within < Infinity)) continue
      const found = this.nearest(row, within)
      if (found && (!best || found.away < best.away)) best = { row, ...found }
    }
    if (!best) return null
    this.tried.add(best.frame)
    return { key: best.row.key, frame: best.frame }
  }

  /** A picture had to make room for others: it may be fetched again. */
  gone(frame: T): void {
    this.tried.delete(frame)
  }

  /** It was begun and could not be ended, and is needed still. */
  again(frame: T): void {
    this.tried.delete(frame)
    for (const row of this.rows) {
      const at = row.frames.indexOf(frame)
      if (at >= row.from) row.above = Math.min(row.above, at)
      else if (at >= 0) row.below = Math.max(row.below, at)
    }
  }

  private nearest(row: Row<T>, within: number): { frame: T; away: number } | null {
    const isNeeded = (frame: T | undefined) => frame !== undefined && !this.tried.has(frame) && !this.isHere(frame)
    while (row.above < row.frames.length && !isNeeded(row.frames[row.above])) row.above += 1
    while (row.below >= 0 && !isNeeded(row.frames[row.below])) row.below -= 1
    const [above, below] = [row.frames[row.above], row.frames[row.below]]
    const up = row.above - row.from
    const down = row.from - row.below
    const isUp = above !== undefined && up <= within
    const isDown = below !== undefined && down <= within
    const [farUp, farDown] = [up * (row.way < 0 ? BEHIND : 1), down * (row.way > 0 ? BEHIND : 1)]
    if (isUp && (!isDown || farUp <= farDown)) return { frame: above, away: farUp }
    return isDown ? { frame: below, away: farDown } : null
  }
}
