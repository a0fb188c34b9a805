import { useSyncExternalStore } from 'react'

/** What is only looked for once there is a picture waits so long for one. */
const WAITS_MS = 600

let calm = true
const watchers = new Set<() => void>()

function set(next: boolean): void {
  if (next === calm) return
  calm = next
  for (const watcher of watchers) watcher()
}

let ended: ReturnType<typeof setTimeout> | undefined

/** A study is opened: until its first picture is drawn, nothing else takes time. */
export function beginOpening(): void {
  clearTimeout(ended)
  set(false)
  ended = setTimeout(() => set(true), WAITS_MS)
}

/** The first picture is drawn, and about to be painted. */
export function endOpening(): void {
  if (calm) return
  clearTimeout(ended)
  requestAnimationFrame(() => {
    ended = setTimeout(() => set(true))
  })
}

/** Whether there is time for what is not the first picture. */
export function useCalm(): boolean {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    () => calm,
  )
}
