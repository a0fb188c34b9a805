import type { Frame } from '../stacks'
import type { Table } from './tables'

/** What is known of one picture for as long as somebody holds it. */
interface Known {
  frame: Frame
  voiTable: Table | null
  modalityTable: Table | null
  holders: number
}

const known = new Map<string, Known>()
let forgotten: (imageId: string, left: number) => void = () => undefined

/** Calls with each picture that nobody holds any more, and with how many are still held. */
export function whenForgotten(call: (imageId: string, left: number) => void): void {
  forgotten = call
}

function drop(imageId: string): void {
  const one = known.get(imageId)
  if (!one || --one.holders > 0) return
  known.delete(imageId)
  forgotten(imageId, known.size)
}

/**
 * All that is remembered of the pictures of a viewer, its study's and its priors': what they are, and the tables that they
 * are seen by. It is given back as one when the viewer leaves the screen.
 */
export class Remembered {
  private readonly held = new Set<string>()

  /** Remembers what these pictures are, for when they are loaded; what was known of them before is made new. */
  hold(frames: readonly Frame[]): void {
    for (const frame of frames) {
      const before = known.get(frame.imageId)
      if (before) before.frame = frame
      else known.set(frame.imageId, { frame, voiTable: null, modalityTable: null, holders: 0 })
      if (this.held.has(frame.imageId)) continue
      this.held.add(frame.imageId)
      ;(known.get(frame.imageId) as Known).holders += 1
    }
  }

  /** Gives it all back, but for pictures that are still on their way. */
  release(): void {
    for (const imageId of this.held) drop(imageId)
    this.held.clear()
  }
}

/** Does something with a picture that is not to be forgotten meanwhile: it is still decoded by what is known of it. */
export async function whileHeld<T>(imageId: string, work: (frame: Frame) => Promise<T>): Promise<T> {
  const one = known.get(imageId)
  if (!one) throw new Error('Nothing is known of this picture.')
  one.holders += 1
  try {
    return await work(one.frame)
  } finally {
    drop(imageId)
  }
}

/** What a picture is, as it was remembered. */
export function frameOf(imageId: string): Frame | null {
  return known.get(imageId)?.frame ?? null
}

/** Remembers the tables that a loaded picture is seen by, or went through. */
export function rememberTable(imageId: string, kind: 'voiTable' | 'modalityTable', table: Table): void {
  const one = known.get(imageId)
  if (one) one[kind] = table
}

/** The VOI table by which a picture is to be seen until a reader sets a window; null: it has none, or a window. */
export function voiTableOf(imageId: string): Table | null {
  return known.get(imageId)?.voiTable ?? null
}

/** The Modality LUT through which a loaded picture went; null: none. */
export function modalityTableOf(imageId: string): Table | null {
  return known.get(imageId)?.modalityTable ?? null
}
