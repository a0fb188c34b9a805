import type { Vec3 } from '../geometry'

/** Where in a paper a pane is, in numbers that mean the same on a screen of any size; which ones is each kind's own matter. */
export type Place = readonly number[]

/** What lets several people look at one place of a paper. Of `at`, which numbers mean what is each kind's own matter. */
export interface Places {
  where: () => Place
  goTo: (place: Place) => void
  /** Whether it is there already, where that is no matter of numbers that are alike. */
  isAt?: (place: Place) => boolean
  /** What lies at a place of the window; null: nothing. */
  point: (x: number, y: number) => Vec3 | null
  /** Where that lies in the window; null: out of sight. */
  seenAt: (at: Vec3) => readonly [x: number, y: number] | null
}

/** Told by the element of a paper, and of its pane, when what is seen of it is another place. */
export const MOVED = 'paper-moved'
const NUMBERS_MAX = 12
const NEAR = 0.05

export function tellMoved(element: Element | null): void {
  element?.dispatchEvent(new CustomEvent(MOVED, { bubbles: true }))
}

/** A place as another page tells it, which is believed in nothing. */
export function placeFrom(told: unknown): Place | null {
  if (!Array.isArray(told) || told.length === 0 || told.length > NUMBERS_MAX) return null
  return told.every((one): one is number => typeof one === 'number' && Number.isFinite(one) && Math.abs(one) < 1e9) ? told : null
}

/** Fine enough to look at the same, coarse enough not to be told anew for a rounding. */
export function rounded(place: Place): Place {
  return place.map((one) => Math.round(one * 1000) / 1000)
}

export function isThere(places: Places, place: Place): boolean {
  if (places.isAt) return places.isAt(place)
  const here = places.where()
  return here.length === place.length && here.every((one, at) => Math.abs(one - (place[at] ?? NaN)) <= NEAR)
}

/** A place in a box as fractions of it; null: outside. */
export function withinBox(box: DOMRect, x: number, y: number): readonly [number, number] | null {
  const [across, down] = [(x - box.left) / box.width, (y - box.top) / box.height]
  return across >= 0 && across <= 1 && down >= 0 && down <= 1 ? [across, down] : null
}

/** What is read from above: parts that stand below one another, of which each screen has the same, however wide. */
export function placesOfParts(scrolled: HTMLElement, parts: () => readonly HTMLElement[], goTo: (part: number, down: number) => void): Omit<Places, 'where' | 'goTo'> & { middle: () => readonly [part: number, down: number]; bring: (part: number, down: number) => void } {
  return {
    /** Which part is in the middle of what is seen, and how far down in it. */
    middle: () => {
      const { top, height } = scrolled.getBoundingClientRect()
      const line = top + height / 2
      const all = parts()
      const at = Math.max(
        0,
        all.findLastIndex((one) => one.getBoundingClientRect().top <= line),
      )
      const box = all[at]?.getBoundingClientRect()
      return [at, box?.height ? Math.max(0, Math.min(1, (line - box.top) / box.height)) : 0]
    },
    bring: (part, down) => {
      goTo(part, down)
      const box = parts()[part]?.getBoundingClientRect()
      const { top, height } = scrolled.getBoundingClientRect()
      if (box) scrolled.scrollTop += box.top + down * box.height - top - height / 2
    },
    point: (x, y) => {
      const all = parts()
      // The innermost of those that hold it is the last.
      for (let at = all.length - 1; at >= 0; at -= 1) {
        const box = all[at]?.getBoundingClientRect()
        const found = box && withinBox(box, x, y)
        if (found) return [found[0], found[1], at]
      }
      return null
    },
    seenAt: ([across, down, part]) => {
      const box = parts()[part]?.getBoundingClientRect()
      return box ? [box.left + across * box.width, box.top + down * box.height] : null
    },
  }
}
