import { useEffect, useState } from 'react'
import { fits, type Form } from '../overlays/layers'
import type { Shown } from '../overlays/useOverlays'
import type { Stack } from '../stacks'
import type { Scene } from './scene'
import type { Grid, Surface } from './surfaces'

/** Of more a screen shows a heap. */
const SURFACES_MOST = 60
/** A surface of more triangles is drawn smooth. */
const EDGED_MOST = 300_000
/** What is still coming changes often. */
const STILL_MS = 300

export interface Coloured {
  name: string
  colour: string
  surfaces: readonly Surface[]
}

const made = new WeakMap<Form, readonly Surface[]>()

/** A thread that lays surfaces, for as long as somebody waits. */
class Thread {
  private worker: Worker | null = null
  private asked = 0
  private readonly waiting = new Map<number, { done: (surface: Surface) => void; failed: (error: unknown) => void }>()

  private async begin(): Promise<Worker> {
    const { default: Laying } = await import('./surfaces.worker?worker')
    const worker = (this.worker ??= new Laying())
    worker.onmessage = ({ data }: MessageEvent<{ name: number; surface: Surface }>) => {
      this.waiting.get(data.name)?.done(data.surface)
      this.waiting.delete(data.name)
    }
    worker.onerror = () => {
      for (const one of this.waiting.values()) one.failed(new Error('A surface could not be laid.'))
      this.waiting.clear()
    }
    return worker
  }

  async lay(grid: Grid): Promise<Surface> {
    const worker = await this.begin()
    return new Promise((done, failed) => {
      const name = (this.asked += 1)
      this.waiting.set(name, { done, failed })
      worker.postMessage({ name, grid }, [grid.values.buffer])
    })
  }

  end(): void {
    this.worker?.terminate()
  }
}

/** Draws what is laid over a stack as surfaces in its body; what is said of them, or null. */
export function useSurfaces(scene: Scene | null, stack: Stack, shown: readonly Shown[] | undefined, body: boolean): { count: number; words: string | null } {
  const [told, setTold] = useState<{ count: number; words: string | null }>({ count: 0, words: null })
  const wanted = body ? shown : undefined
  useEffect(() => {
    if (!scene || !wanted) {
      setTold({ count: 0, words: null })
      return
    }
    const stop = new AbortController()
    const thread = new Thread()
    const lay = async () => {
      const parts = wanted.flatMap(({ layer, parts: all }) => all.filter(({ part, form }) => fits(layer, part, stack) && (form.solids.length > 0 || form.meshes !== undefined)).map((one) => ({ ...one, name: `${layer.key}/${one.part.number}` })))
      const drawn: Coloured[] = []
      const { facing, gridOf } = await import('./surfaces')
      for (const { part, form, name } of parts.slice(0, SURFACES_MOST)) {
        let surfaces = made.get(form)
        if (!surfaces) {
          const laid: Surface[] = []
          for (const solid of form.solids) {
            const grid = await gridOf(solid, stop.signal)
            if (grid) laid.push(await thread.lay(grid))
            stop.signal.throwIfAborted()
          }
          for (const mesh of form.meshes ?? []) {
            // What has edges shows them, as long as it is not so fine that none are seen.
            const { apart } = await import('./edges')
            laid.push(mesh.triangles.length <= 3 * EDGED_MOST ? { ...mesh, ...apart(mesh) } : { ...mesh, normals: facing(mesh.positions, mesh.triangles) })
            stop.signal.throwIfAborted()
          }
          surfaces = laid
          made.set(form, surfaces)
        }
        drawn.push({ name, colour: part.colour, surfaces })
      }
      await scene.showSurfaces(drawn)
      const left = parts.length - drawn.length
      if (!stop.signal.aborted) setTold({ count: drawn.length, words: left > 0 ? `${drawn.length} of ${parts.length} surfaces are drawn` : null })
    }
    const timer = setTimeout(() => {
      lay().catch(() => (stop.signal.aborted ? undefined : setTold({ count: 0, words: 'Segments could not be drawn as surfaces' })))
    }, STILL_MS)
    return () => {
      clearTimeout(timer)
      stop.abort()
      thread.end()
    }
  }, [scene, stack, wanted])
  return told
}
