import { asProblem, type ApiProblem } from '@/lib/api'
import type { Sections } from './sections'
import type { DraftSaved } from './types'

/**
 * `waiting`: changes are here and will be sent soon. `offline`: sending failed and is tried again by itself.
 * `conflict`: somebody, or another window, saved in between; a person decides. `refused`: the server will not have it so.
 */
export type DraftStatus = 'saved' | 'waiting' | 'saving' | 'offline' | 'conflict' | 'refused'

export interface DraftState {
  status: DraftStatus
  sections: Sections
  revision: number
  savedAt: string | null
  /** There is text here that the server does not have. */
  dirty: boolean
  problem: ApiProblem | undefined
  /** Counts the times the text was replaced from outside: an editor shows it anew. */
  epoch: number
}

interface Saved {
  sections: Sections
  revision: number
  savedAt: string | null
}

const IDLE_MS = 1_000
const MOST_MS = 5_000
const RETRY_MOST_MS = 15_000

/** Sends a draft as it is written: a moment after the last key, at most every few seconds, one sending at a time. */
export class DraftQueue {
  #state: DraftState
  readonly #save: (sections: Sections, revision: number) => Promise<DraftSaved>
  readonly #watchers = new Set<() => void>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #since: number | undefined
  #inFlight: Promise<void> | undefined
  #attempt = 0
  #stopped = false

  constructor(start: Saved, save: (sections: Sections, revision: number) => Promise<DraftSaved>) {
    this.#save = save
    this.#state = { ...start, status: 'saved', dirty: false, problem: undefined, epoch: 0 }
  }

  readonly state = (): DraftState => this.#state

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** Text is always kept, also while nothing may be sent. */
  write(name: string, text: string): void {
    if (this.#state.sections[name] === text) return
    const { status } = this.#state
    this.#set({
      sections: { ...this.#state.sections, [name]: text },
      dirty: true,
      status: status === 'conflict' || status === 'offline' || status === 'saving' ? status : 'waiting',
    })
    if (!this.#stopped && status !== 'conflict' && status !== 'offline') this.#schedule()
  }

  /** Sends at once what is not sent yet; true when the server has everything. */
  async flush(): Promise<boolean> {
    while (this.#state.dirty) {
      if (this.#state.status === 'conflict' || this.#stopped) return false
      await this.#run()
      const { status, dirty } = this.#state
      if (dirty && status !== 'waiting') return false
    }
    return true
  }

  /** The line is back: tries now what waits for it. */
  retry(): void {
    if (this.#state.status === 'offline') void this.#run()
  }

  /** The text here goes on top of what the server has now. */
  keepMine(revision: number): void {
    this.#set({ revision, status: 'waiting', dirty: true, problem: undefined })
    void this.#run()
  }

  /** The server's text takes the place of the text here. */
  adopt(saved: Saved): void {
    this.#clear()
    this.#set({ ...saved, status: 'saved', dirty: false, problem: undefined, epoch: this.#state.epoch + 1 })
  }

  /** The text is the same, its revision moved on (it was signed). */
  rebase(revision: number, savedAt: string | null): void {
    this.#set({ revision, savedAt })
  }

  /** Nothing is sent until it is resumed. */
  stop(): void {
    this.#stopped = true
    this.#clear()
  }

  resume(): void {
    this.#stopped = false
    if (this.#state.dirty && this.#state.status !== 'conflict') this.#schedule()
  }

  #set(change: Partial<DraftState>): void {
    this.#state = { ...this.#state, ...change }
    for (const watcher of this.#watchers) watcher()
  }

  #clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#since = undefined
  }

  #schedule(): void {
    const now = Date.now()
    this.#since ??= now
    clearTimeout(this.#timer)
    const wait_ms = Math.max(0, Math.min(IDLE_MS, this.#since + MOST_MS - now))
    this.#timer = setTimeout(() => void this.#run(), wait_ms)
  }

  #run(): Promise<void> {
    this.#inFlight ??= this.#send().finally(() => {
      this.#inFlight = undefined
    })
    return this.#inFlight
  }

  async #send(): Promise<void> {
    this.#clear()
    if (this.#stopped || !this.#state.dirty) return
    const { sections, revision } = this.#state
    this.#set({ status: 'saving' })
    try {
      const saved = await this.#save(sections, revision)
      this.#attempt = 0
      const dirty = this.#state.sections !== sections
      this.#set({
        revision: saved.draft_revision,
        savedAt: saved.draft_saved_at,
        dirty,
        status: dirty ? 'waiting' : 'saved',
        problem: undefined,
      })
      if (dirty && !this.#stopped) this.#schedule()
    } catch (error) {
      const problem = asProblem(error)
      if (problem.status === 409) this.#set({ status: 'conflict', problem })
      else if (problem.status >= 400 && problem.status < 500 && ![401, 408, 429].includes(problem.status)) {
        this.#set({ status: 'refused', problem })
      } else {
        this.#attempt += 1
        this.#set({ status: 'offline', problem })
        if (!this.#stopped) {
          this.#timer = setTimeout(() => void this.#run(), Math.min(RETRY_MOST_MS, 1_000 * 2 ** (this.#attempt - 1)))
        }
      }
    }
  }
}
