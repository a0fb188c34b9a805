import { createDecoder, readVarUint, readVarUint8Array } from 'lib0/decoding'
import { createEncoder, toUint8Array, writeVarUint, writeVarUint8Array } from 'lib0/encoding'
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness'
import { applyUpdate, Doc, type Map as YMap } from 'yjs'
import { asProblem, http } from '@/lib/api'
import type { SharedMark, SharedPane, SharedPoint, SharedView } from '@/viewer'

export interface Person {
  participant_pk: number
  display_name: string
  user_pk: number | null
  is_guest: boolean
  may_change: boolean
  expires_at: string
  is_here: boolean
}

export interface Said {
  message_pk: number
  participant_pk: number
  text: string
  sent_at: string
}

/** `over`: it was ended, the invitation was revoked or has run out, or the sign-in has. */
export type LineStatus = 'connecting' | 'live' | 'offline' | 'over'

/** What a connection tells of itself to the others beside the document. */
interface Presence {
  participant: number
  following: boolean
  pointer: SharedPoint | null
  speaking: boolean
}

export interface LineState {
  status: LineStatus
  why: string | null
  me: number
  lead: number | null
  /** The account that began the session. */
  startedBy: number | null
  people: readonly Person[]
  messages: readonly Said[]
  /** What was written here and is not with the others yet, the oldest first. */
  unsaid: readonly string[]
  view: SharedView | null
  marks: ReadonlyMap<string, SharedMark>
  pointers: readonly (SharedPoint & { client: number; participant: number })[]
  /** Participants whose screen shows what the lead's does. */
  following: ReadonlySet<number>
  /** Who can be heard, by the number of their connection. */
  speakers: readonly { client: number; participant: number }[]
}

const SYNC = 0
const AWARENESS = 1
const UPDATE = 2
const POINTER_MS = 5000
/** After this the server has kept what it was sent. */
const KEPT_MS = 5000
const REVOKED = 4403
const OVER = 4410
const SIGNED_OUT = 4401
const DOWN = 'The line is down. Try again when it is back.'
export const NOTHING: LineState = {
  status: 'connecting',
  why: null,
  me: 0,
  lead: null,
  startedBy: null,
  people: [],
  messages: [],
  unsaid: [],
  view: null,
  marks: new Map(),
  pointers: [],
  following: new Set(),
  speakers: [],
}

/** One text of the server. */
type Told =
  | { type: 'welcome'; client_id: number; me: number; lead: number | null; started_by: number | null; people: Person[]; messages?: Said[] }
  | { type: 'people'; lead: number | null; started_by: number | null; people: Person[] }
  | { type: 'said'; message: Said }
  /** `of`: the kind of text that was refused; null: a change of the document. */
  | { type: 'refused'; reason: string; of: string | null }
  | { type: 'asked'; participant_pk: number }
  | { type: 'signal'; client_id: number; participant_pk: number; data: unknown }

/**
 * The line of a live session: the shared document, pointers and words, over one socket that is opened anew when it breaks.
 * Each opening begins a new document under a number that the server gives, so that nothing of a broken one is left over.
 */
export class Line {
  private socket: WebSocket | null = null
  private doc = new Doc()
  private awareness = new Awareness(this.doc)
  private state = NOTHING
  private readonly watchers = new Set<() => void>()
  private timer: ReturnType<typeof setTimeout> | undefined
  private pointerTimer: ReturnType<typeof setTimeout> | undefined
  private attempt = 0
  private ended = false
  private synced = false
  /** The server has let this connection in. */
  private greeted = false
  private due = false
  /** The lead was given away, and the server has not said yet who has it. */
  private giving = false
  private presence: Presence = { participant: 0, following: true, pointer: null, speaking: false }
  /** What was drawn or removed while the line was down. */
  private readonly unsent = new Map<string, SharedMark | null>()
  /** What was drawn or removed of late, and when: a server that fell over may not have kept it. */
  private readonly fresh = new Map<string, { mark: SharedMark | null; at: number }>()
  /** What was to be shown while the line was down. */
  private untold: SharedView | null = null
  onRefused: (reason: string) => void = () => undefined
  /** Words were refused: they are the writer's again. */
  onUnsaid: (text: string) => void = () => undefined
  onAsked: (participant: number) => void = () => undefined
  onSignal: (client: number, participant: number, data: unknown) => void = () => undefined

  constructor(readonly sessionPk: number) {}

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  readonly snapshot = (): LineState => this.state

  open(): void {
    this.ended = false
    if (this.socket) return
    const { protocol, host } = window.location
    const socket = new WebSocket(`${protocol === 'https:' ? 'wss' : 'ws'}://${host}/api/together/sessions/${this.sessionPk}/socket`)
    socket.binaryType = 'arraybuffer'
    this.socket = socket
    let opened = false
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      if (this.socket !== socket) return
      opened = true
      if (typeof event.data === 'string') this.hear(JSON.parse(event.data) as Told)
      else this.take(new Uint8Array(event.data))
    }
    socket.onclose = (event) => {
      if (this.socket !== socket) return
      this.socket = null
      this.synced = false
      this.greeted = false
      void this.broken(event.code, opened)
    }
  }

  close(): void {
    this.ended = true
    clearTimeout(this.timer)
    clearTimeout(this.pointerTimer)
    const { socket } = this
    this.socket = null
    socket?.close(1000)
    this.awareness.destroy()
  }

  private async broken(code: number, opened: boolean): Promise<void> {
    if (this.ended) return
    if (code === REVOKED || code === SIGNED_OUT) return this.over('Your invitation to this session has ended.')
    if (code === OVER) return this.over('The session was ended.')
    this.put({ status: 'offline', pointers: [], speakers: [] })
    for (const [uid, { mark, at }] of this.fresh) if (performance.now() - at < KEPT_MS && !this.unsent.has(uid)) this.unsent.set(uid, mark)
    this.fresh.clear()
    if (!opened && this.attempt > 0) {
      // A browser does not say why a socket was refused.
      try {
        await http.post(`/api/together/sessions/${this.sessionPk}/join`)
      } catch (error) {
        const problem = asProblem(error)
        if (problem.status === 401 || problem.status === 403 || problem.status === 404) return this.over('This session has ended, or you are no longer invited.')
      }
    }
    this.attempt += 1
    const wait_ms = Math.min(8000, 250 * 2 ** Math.min(this.attempt, 5)) * (0.75 + Math.random() / 2)
    clearTimeout(this.timer)
    this.timer = setTimeout(() => (this.ended ? undefined : this.open()), wait_ms)
  }

  private over(why: string): void {
    this.close()
    this.put({ status: 'over', why: this.state.unsaid.length ? `${why} What you wrote last was not sent.` : why, pointers: [], speakers: [] })
  }

  private hear(told: Told): void {
    if (told.type === 'welcome') {
      this.begin(told.client_id, told.me)
      // A server that fell over may never have heard to whom the lead was given.
      this.giving = false
      this.greeted = true
      this.put({ me: told.me, lead: told.lead, startedBy: told.started_by, people: told.people })
      if (told.messages) this.sayAgain(told.messages)
    } else if (told.type === 'people') this.put({ lead: told.lead, startedBy: told.started_by, people: told.people })
    else if (told.type === 'said') {
      // Who enters in the moment when it is written may have it already.
      if (!this.state.messages.some((one) => one.message_pk === told.message.message_pk))
        this.put({ messages: [...this.state.messages, told.message], unsaid: without(this.state.unsaid, [told.message], this.state.me) })
    }
    else if (told.type === 'refused') {
      this.onRefused(told.reason)
      const [first, ...left] = this.state.unsaid
      // The server hears words one after the other.
      if (told.of === 'say' && first !== undefined) {
        this.put({ unsaid: left })
        this.onUnsaid(first)
      }
    }
    else if (told.type === 'asked') this.onAsked(told.participant_pk)
    else this.onSignal(told.client_id, told.participant_pk, told.data)
    this.giving &&= told.type !== 'refused' && this.state.lead === this.state.me
  }

  private begin(clientId: number, me: number): void {
    this.awareness.destroy()
    this.doc.destroy()
    this.synced = false
    const doc = new Doc()
    doc.clientID = clientId
    const awareness = new Awareness(doc)
    this.doc = doc
    this.awareness = awareness
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== this) this.send(SYNC, update)
      this.later()
    })
    awareness.on('update', ({ added, updated, removed }: Record<'added' | 'updated' | 'removed', number[]>, origin: unknown) => {
      if (origin === 'local' && [...added, ...updated, ...removed].includes(doc.clientID)) this.send(AWARENESS, encodeAwarenessUpdate(awareness, [doc.clientID]))
      this.later()
    })
    this.presence = { ...this.presence, participant: me, pointer: null }
  }

  private take(frame: Uint8Array): void {
    const decoder = createDecoder(frame)
    const kind = readVarUint(decoder)
    if (kind === AWARENESS) {
      applyAwarenessUpdate(this.awareness, readVarUint8Array(decoder), 'line')
      return
    }
    readVarUint(decoder)
    applyUpdate(this.doc, readVarUint8Array(decoder), this)
    if (this.synced) return
    this.synced = true
    this.attempt = 0
    this.awareness.setLocalState(this.presence)
    for (const [uid, mark] of this.unsent) this.mark(uid, mark)
    this.unsent.clear()
    if (this.untold) this.tell(this.untold)
    this.untold = null
    this.read()
    this.put({ status: 'live' })
  }

  private send(kind: number, content: Uint8Array): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return
    const encoder = createEncoder()
    writeVarUint(encoder, kind)
    if (kind === SYNC) writeVarUint(encoder, UPDATE)
    writeVarUint8Array(encoder, content)
    this.socket.send(toUint8Array(encoder))
  }

  private tellText(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message))
  }

  private later(): void {
    if (this.due) return
    this.due = true
    setTimeout(() => {
      this.due = false
      if (this.synced) this.read()
    }, 16)
  }

  private part<T>(name: string): YMap<T> {
    return this.doc.getMap<T>(name)
  }

  /** Reads the document and the others' presence; what has not changed stays the same object. */
  private read(): void {
    const view = this.part<unknown>('view')
    const layout = view.get('layout') as SharedView['layout'] | undefined
    const panes: Record<string, SharedPane> = {}
    view.forEach((value, key) => {
      if (key.startsWith('pane:') && value) panes[key.slice(5)] = value as SharedPane
    })
    // The viewer judges what it is told of planes, cine and what is laid over pictures.
    const [planes, cine] = [(view.get('planes') ?? null) as SharedView['planes'], (view.get('cine') ?? null) as SharedView['cine']]
    const laid = (view.get('laid') ?? {}) as SharedView['laid']
    const nextView: SharedView | null = layout ? { layout, panes, planes, cine, laid } : null
    const marks = new Map<string, SharedMark>()
    this.part<SharedMark>('marks').forEach((mark, uid) => marks.set(uid, mark))
    const others = [...this.awareness.getStates()]
      .filter(([client]) => client !== this.doc.clientID)
      .map(([client, state]) => ({ client, ...(state as Presence) }))
      .filter((one) => typeof one.participant === 'number')
    this.put({
      view: same(nextView, this.state.view),
      marks: sameMarks(marks, this.state.marks),
      pointers: others.flatMap(({ client, participant, pointer }) => (pointer ? [{ client, participant, ...pointer }] : [])),
      following: new Set([...others, this.presence].filter((one) => one.following).map((one) => one.participant)),
      speakers: same(
        others.filter((one) => one.speaking).map(({ client, participant }) => ({ client, participant })),
        this.state.speakers,
      ),
    })
  }

  private put(change: Partial<LineState>): void {
    this.state = { ...this.state, ...change }
    for (const watcher of this.watchers) watcher()
  }

  // What this browser says

  tell(shown: SharedView): void {
    if (!this.synced) this.untold = shown
    if (!this.synced || this.giving || this.state.lead !== this.state.me) return
    const { layout, panes, planes, cine, laid } = shown
    const view = this.part<unknown>('view')
    this.doc.transact(() => {
      const next = new Map<string, unknown>([['layout', layout], ['planes', planes], ['cine', cine], ['laid', laid], ...Object.entries(panes).map(([id, pane]) => [`pane:${id}`, pane] as const)])
      for (const [key, value] of next) if (JSON.stringify(view.get(key) ?? null) !== JSON.stringify(value)) view.set(key, value)
    })
  }

  mark(uid: string, mark: SharedMark | null): void {
    if (!this.synced) {
      this.unsent.set(uid, mark)
      return
    }
    for (const [one, { at }] of this.fresh) if (performance.now() - at > KEPT_MS) this.fresh.delete(one)
    this.fresh.set(uid, { mark, at: performance.now() })
    const marks = this.part<SharedMark>('marks')
    if (mark) marks.set(uid, mark)
    else if (marks.has(uid)) marks.delete(uid)
  }

  point(pointer: SharedPoint | null): void {
    clearTimeout(this.pointerTimer)
    if (pointer) this.pointerTimer = setTimeout(() => this.point(null), POINTER_MS)
    else if (!this.presence.pointer) return
    this.present({ pointer })
  }

  setFollowing(following: boolean): void {
    if (following !== this.presence.following) this.present({ following })
  }

  setSpeaking(speaking: boolean): void {
    if (speaking !== this.presence.speaking) this.present({ speaking })
  }

  private present(change: Partial<Presence>): void {
    this.presence = { ...this.presence, ...change }
    if (this.synced) this.awareness.setLocalState(this.presence)
  }

  /** Writes to all; while the line is down it waits, and is seen to wait. */
  say(text: string): void {
    this.put({ unsaid: [...this.state.unsaid, text.trim()] })
    if (this.greeted) this.tellText({ type: 'say', text })
  }

  /** The line is back: what the server has not kept of what was written is told again. */
  private sayAgain(messages: readonly Said[]): void {
    const known = new Set(this.state.messages.map((one) => one.message_pk))
    const unsaid = without(this.state.unsaid, messages.filter((one) => !known.has(one.message_pk)), this.state.me)
    this.put({ messages, unsaid })
    for (const text of unsaid) this.tellText({ type: 'say', text })
  }

  giveLead(to: number): void {
    if (!this.greeted) return this.onRefused(DOWN)
    this.giving = this.state.lead === this.state.me && to !== this.state.me
    this.tellText({ type: 'lead', to })
  }

  askLead(): void {
    if (!this.greeted) return this.onRefused(DOWN)
    this.tellText({ type: 'ask' })
  }

  signal(to: number, data: unknown): void {
    this.tellText({ type: 'signal', to, data })
  }

  get clientId(): number {
    return this.doc.clientID
  }
}

/** What is left of words that wait when messages have come of whom wrote them: each takes the first that is like it. */
function without(unsaid: readonly string[], came: readonly Said[], participant: number): readonly string[] {
  const left = [...unsaid]
  for (const one of came) {
    const at = one.participant_pk === participant ? left.indexOf(one.text) : -1
    if (at >= 0) left.splice(at, 1)
  }
  return left.length === unsaid.length ? unsaid : left
}

function same<T>(next: T, before: T): T {
  return JSON.stringify(next) === JSON.stringify(before) ? before : next
}

function sameMarks(next: ReadonlyMap<string, SharedMark>, before: ReadonlyMap<string, SharedMark>): ReadonlyMap<string, SharedMark> {
  return JSON.stringify([...next]) === JSON.stringify([...before]) ? before : next
}
