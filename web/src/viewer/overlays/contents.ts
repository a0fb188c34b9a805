import { ApiProblem } from '@/lib/problem'
import { geometryOf, type DoseLook } from './dose'
import { fetchFrames, groupsOf } from './frames'
import { frameCount, heightBytes, heightForms } from './heights'
import type { Form, Layer } from './layers'
import { Assembly, frameBytes, framesPath, paletteColours, segmentedOf } from './segmentation'
import { formOf } from './structures'

/** How far a layer has come. */
export interface Content {
  forms: ReadonlyMap<number, Form>
  /** Of all, in parts of 1; 1: all is here. */
  done: number
  /** Why the rest does not come. */
  fault: string | null
  /** What of the object cannot be shown, in words. */
  notes: readonly string[]
  /** Of parts whose colours come with what is fetched. */
  colours?: ReadonlyMap<number, string>
  /** Of a dose: its greatest value, and what its parts are as it is looked at. */
  dose?: { most: number; formsBy: (look: DoseLook) => ReadonlyMap<number, Form> }
}

const BEGUN: Content = { forms: new Map(), done: 0, fault: null, notes: [] }

/** So long is decoded without a look at what the reader does. */
const STINT_MS = 12

function breath(): Promise<void> {
  return new Promise((done) => setTimeout(done, 0))
}

/** What layers hold, fetched and decoded when they are first shown, in small pieces so that nobody waits for it. */
export class Contents {
  private readonly known = new Map<string, Content>()
  private readonly running = new Map<string, AbortController>()
  private readonly listeners = new Set<() => void>()
  private version = 0

  readonly subscribe = (call: () => void): (() => void) => {
    this.listeners.add(call)
    return () => this.listeners.delete(call)
  }
  readonly snapshot = (): number => this.version

  get(key: string): Content | undefined {
    return this.known.get(key)
  }

  /** Fetches a layer, unless it is here or on its way; what could not be had before is asked for once more. */
  want(layer: Layer): void {
    const before = this.known.get(layer.key)
    if (this.running.has(layer.key) || (before && !before.fault)) return
    const controller = new AbortController()
    this.running.set(layer.key, controller)
    this.put(layer.key, BEGUN)
    const read = { segmentation: () => this.segments(layer, controller.signal), structures: () => this.regions(layer, controller.signal), dose: () => this.dose(layer, controller.signal), surfaces: () => this.surfaces(layer, controller.signal), heights: () => this.heights(layer, controller.signal) }
    read[layer.kind]()
      .catch((error: unknown) => {
        if (controller.signal.aborted) return
        this.put(layer.key, { ...(this.known.get(layer.key) ?? BEGUN), fault: wordsOf(error) })
      })
      .finally(() => {
        if (this.running.get(layer.key) === controller) this.running.delete(layer.key)
      })
  }

  private put(key: string, content: Content): void {
    this.known.set(key, content)
    this.version++
    for (const call of this.listeners) call()
  }

  private async segments(layer: Layer, signal: AbortSignal): Promise<void> {
    await breath()
    const how = segmentedOf(layer.instance)
    const assembly = new Assembly(how)
    const colours = await paletteColours(layer)
    const bytes = frameBytes(how)
    const groups = groupsOf(how.frames, bytes)
    let taken = 0
    let stint = performance.now()
    // The next group comes while one is decoded.
    const fetched = (at: number) => {
      const group = groups[at]
      const coming = group && fetchFrames(framesPath(layer), group.map((frame) => frame.number), bytes, signal)
      coming?.catch(() => undefined)
      return coming
    }
    let next = fetched(0)
    for (const [at, group] of groups.entries()) {
      const parts = (await next) ?? []
      next = fetched(at + 1)
      for (const [index, frame] of group.entries()) {
        const part = parts[index]
        if (part) assembly.take(frame, part)
        if (performance.now() - stint < STINT_MS) continue
        await breath()
        signal.throwIfAborted()
        stint = performance.now()
      }
      taken += group.length
      this.put(layer.key, {
        forms: new Map(layer.parts.map((one) => [one.number, assembly.form(one.number)])),
        done: taken / Math.max(1, how.frames.length),
        fault: null,
        notes: how.faults,
        colours,
      })
    }
    if (!groups.length) this.put(layer.key, { forms: new Map(), done: 1, fault: null, notes: how.faults })
  }

  private async regions(layer: Layer, signal: AbortSignal): Promise<void> {
    const forms = new Map<number, Form>()
    for (const [at, part] of layer.parts.entries()) {
      await breath()
      signal.throwIfAborted()
      forms.set(part.number, formOf(layer.instance, part.number))
      this.put(layer.key, { forms: new Map(forms), done: (at + 1) / layer.parts.length, fault: null, notes: [] })
    }
  }

  private async surfaces(layer: Layer, signal: AbortSignal): Promise<void> {
    const { meshFormOf } = await import('./meshes')
    const forms = new Map<number, Form>()
    for (const [at, part] of layer.parts.entries()) {
      forms.set(part.number, await meshFormOf(layer.instance, part.number, signal))
      this.put(layer.key, { ...BEGUN, forms: new Map(forms), done: (at + 1) / layer.parts.length })
    }
  }

  private async heights(layer: Layer, signal: AbortSignal): Promise<void> {
    const bytes = heightBytes(layer.instance)
    const count = frameCount(layer.instance)
    const frames: Uint8Array[] = []
    for (const group of groupsOf(Array.from({ length: count }, (_, at) => at + 1), bytes)) {
      frames.push(...(await fetchFrames(framesPath(layer), group, bytes, signal)))
      this.put(layer.key, { ...BEGUN, forms: heightForms(layer.instance, frames), done: frames.length / count })
    }
  }

  private async dose(layer: Layer, signal: AbortSignal): Promise<void> {
    const how = geometryOf(layer.instance)
    if (typeof how === 'string') throw new Error(how)
    const { doseForms, gridOf } = await import('./doseGrid')
    const bytes = (how.rows * how.columns * how.allocated) / 8
    const frames: Uint8Array[] = []
    for (const group of groupsOf(how.offsets.map((_, at) => at + 1), bytes)) {
      frames.push(...(await fetchFrames(framesPath(layer), group, bytes, signal)))
      // Half a dose is none: a place that has not come is not one without dose.
      this.put(layer.key, { ...BEGUN, done: Math.min(0.99, frames.length / how.offsets.length) })
    }
    const grid = gridOf(how, frames)
    this.put(layer.key, { ...BEGUN, done: 1, dose: { most: grid.most, formsBy: (look) => doseForms(grid, look) } })
  }

  end(): void {
    for (const controller of this.running.values()) controller.abort()
    this.running.clear()
    this.known.clear()
  }
}

function wordsOf(error: unknown): string {
  if (error instanceof ApiProblem) return error.status ? `The server answered ${error.status}.` : 'The server could not be reached.'
  return error instanceof Error ? error.message : 'It could not be read.'
}
