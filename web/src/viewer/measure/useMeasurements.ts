import { useEffect, useState, useSyncExternalStore } from 'react'
import type { Types as ToolTypes } from '@cornerstonejs/tools'
import type { Engine } from '../engine'
import { Measurements, type Measurement } from './measurements'

const NONE: readonly Measurement[] = []
const nothing = () => () => undefined
const none = () => NONE

/** What is drawn in a viewer, and what can be done with it. */
export function useMeasurements(engine: Engine | null) {
  const [drawn, setDrawn] = useState<Measurements | null>(null)
  useEffect(() => {
    if (!engine) return
    const made = new Measurements(engine.id)
    setDrawn(made)
    return () => {
      setDrawn(null)
      made.end()
    }
  }, [engine])
  const list = useSyncExternalStore(drawn?.subscribe ?? nothing, drawn?.snapshot ?? none)
  return {
    list,
    ready: drawn !== null,
    restore: (all: readonly ToolTypes.Annotation[]) => drawn?.restore(all),
    settled: () => drawn?.settled() ?? Promise.resolve(true),
    add: (one: ToolTypes.Annotation) => drawn?.add(one),
    select: (uid: string) => drawn?.select(uid),
    remove: (uids: readonly string[]) => drawn?.remove(uids),
    removeSelected: () => drawn?.removeSelected(),
    removeAll: () => drawn?.removeAll(),
    undo: () => drawn?.undo(),
    redo: () => drawn?.redo(),
  }
}
