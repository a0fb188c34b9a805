import { useSyncExternalStore } from 'react'

/** The live session that is open on each study in this window, and whether its panel is shown. */
interface Current {
  sessionPk: number
  shown: boolean
}

const open = new Map<number, Current>()
const watchers = new Set<() => void>()

export function setCurrent(studyPk: number, next: Current | null): void {
  if (next) open.set(studyPk, next)
  else open.delete(studyPk)
  for (const watcher of watchers) watcher()
}

export function useCurrent(studyPk: number): Current | null {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    () => open.get(studyPk) ?? null,
  )
}
