/** What the second and the third button of a mouse do on images: each person's own choice. */
import { useSyncExternalStore } from 'react'

export const HANDS = ['scroll', 'window', 'zoom', 'pan'] as const
export type Hand = (typeof HANDS)[number]

export interface MouseHands {
  right: Hand
  middle: Hand
}

export const USUAL_MOUSE: MouseHands = { right: 'zoom', middle: 'pan' }

let keep: (own: MouseHands) => void = () => undefined
let now: MouseHands = USUAL_MOUSE
const watchers = new Set<() => void>()

function tell(): void {
  for (const watcher of watchers) watcher()
}

/** From now on somebody works here who has chosen this; `kept` is told of each change. */
export function takeMouse(own: Partial<MouseHands>, kept: (own: MouseHands) => void): void {
  keep = kept
  now = { ...USUAL_MOUSE, ...own }
  tell()
}

export function chooseMouse(change: Partial<MouseHands>): void {
  now = { ...now, ...change }
  keep(now)
  tell()
}

export function mouseHands(): MouseHands {
  return now
}

export function watchMouse(watcher: () => void): () => void {
  watchers.add(watcher)
  return () => {
    watchers.delete(watcher)
  }
}

export function useMouseHands(): MouseHands {
  return useSyncExternalStore(watchMouse, mouseHands)
}
