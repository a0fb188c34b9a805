/** What the second and the third button of a mouse do on images: each person's own choice, kept by this browser. */
import { useSyncExternalStore } from 'react'
import { load, save } from './storage'

export const HANDS = ['scroll', 'window', 'zoom', 'pan'] as const
export type Hand = (typeof HANDS)[number]

export interface MouseHands {
  right: Hand
  middle: Hand
}

export const USUAL_MOUSE: MouseHands = { right: 'zoom', middle: 'pan' }

let owner: number | null = null
let now: MouseHands = USUAL_MOUSE
const watchers = new Set<() => void>()

function tell(): void {
  for (const watcher of watchers) watcher()
}

const isHand = (value: unknown): value is Hand => (HANDS as readonly unknown[]).includes(value)

/** From now on this person works here. */
export function takeMouseOf(userPk: number | null): void {
  owner = userPk
  const kept = userPk === null ? {} : load<Partial<MouseHands>>(`mouse-${userPk}`, {})
  now = { right: isHand(kept.right) ? kept.right : USUAL_MOUSE.right, middle: isHand(kept.middle) ? kept.middle : USUAL_MOUSE.middle }
  tell()
}

export function chooseMouse(change: Partial<MouseHands>): void {
  now = { ...now, ...change }
  if (owner !== null) save(`mouse-${owner}`, now)
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
