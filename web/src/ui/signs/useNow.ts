import { useSyncExternalStore } from 'react'

const watchers = new Set<() => void>()
let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

function watch(watcher: () => void): () => void {
  watchers.add(watcher)
  timer ??= setInterval(() => {
    now = Date.now()
    for (const one of watchers) one()
  }, 1000)
  return () => {
    watchers.delete(watcher)
    if (watchers.size === 0) {
      clearInterval(timer)
      timer = undefined
    }
  }
}

/** The present to the step given, from one clock for the whole window, so that ages tick together. */
export function useNow(step_ms = 1000): number {
  return useSyncExternalStore(watch, () => Math.floor((watchers.size ? now : Date.now()) / step_ms) * step_ms)
}
