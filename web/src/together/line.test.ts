import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Line, type Person, type Said } from './line'

class Socket {
  static readonly OPEN = 1
  static all: Socket[] = []
  readyState = 1
  sent: unknown[] = []
  onmessage: (event: { data: unknown }) => void = () => undefined
  onclose: (event: { code: number }) => void = () => undefined
  constructor() {
    Socket.all.push(this)
  }
  send(frame: unknown) {
    if (typeof frame === 'string') this.sent.push(JSON.parse(frame))
  }
  close() {}
  hear(told: object) {
    this.onmessage({ data: JSON.stringify(told) })
  }
  welcome(messages: Said[], lead = 1) {
    this.hear({ type: 'welcome', client_id: 7 + Socket.all.length, me: 1, lead, started_by: 1, people: [] as Person[], messages })
    // An empty document.
    this.onmessage({ data: Uint8Array.of(0, 1, 2, 0, 0).buffer })
  }
  /** The server falls over; the line opens anew. */
  async breaks(): Promise<Socket> {
    this.onclose({ code: 1006 })
    await vi.advanceTimersByTimeAsync(10_000)
    return Socket.all[Socket.all.length - 1] as Socket
  }
}

const said = (message_pk: number, text: string, participant_pk = 1): Said => ({ message_pk, participant_pk, text, sent_at: '2026-01-15T03:00:00Z' })
const words = (socket: Socket) => socket.sent.flatMap((one) => ((one as { type: string }).type === 'say' ? [(one as { text: string }).text] : []))

describe('a line whose server falls over', () => {
  let line: Line
  let first: Socket
  beforeEach(() => {
    vi.useFakeTimers()
    Socket.all = []
    vi.stubGlobal('WebSocket', Socket)
    vi.stubGlobal('window', { location: { protocol: 'http:', host: 'here' } })
    line = new Line(5)
    line.open()
    first = Socket.all[0] as Socket
    first.welcome([said(1, 'before', 2)])
  })
  afterEach(() => {
    line.close()
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  it('tells again what was not kept of what was written, and nothing twice', async () => {
    line.say('kept and told')
    first.hear({ type: 'said', message: said(2, 'kept and told') })
    line.say('kept')
    line.say(' lost ')
    expect(words(first)).toEqual(['kept and told', 'kept', ' lost '])
    first.onclose({ code: 1006 })
    line.say('written meanwhile')
    expect(line.snapshot().unsaid).toEqual(['kept', 'lost', 'written meanwhile'])
    await vi.advanceTimersByTimeAsync(10_000)
    const second = Socket.all[1] as Socket
    // Before it is let in, nothing is said, or it would be said twice.
    line.say('early')
    expect(words(second)).toEqual([])
    // Another wrote the same words: those are not mine.
    second.welcome([said(1, 'before', 2), said(2, 'kept and told'), said(3, 'kept'), said(4, 'lost', 2)])
    expect(words(second)).toEqual(['lost', 'written meanwhile', 'early'])
    for (const [at, text] of ['lost', 'written meanwhile', 'early'].entries()) second.hear({ type: 'said', message: said(5 + at, text) })
    expect(line.snapshot().unsaid).toEqual([])
    expect(line.snapshot().messages.map((one) => one.text)).toEqual(['before', 'kept and told', 'kept', 'lost', 'lost', 'written meanwhile', 'early'])
  })

  it('hears a message once, though it was among those it was welcomed with', () => {
    first.hear({ type: 'said', message: said(1, 'before', 2) })
    first.hear({ type: 'said', message: said(2, 'after', 2) })
    expect(line.snapshot().messages.map((one) => one.text)).toEqual(['before', 'after'])
  })

  it('gives words back that were refused', () => {
    const [back, why] = [vi.fn(), vi.fn()]
    line.onUnsaid = back
    line.onRefused = why
    line.say('one too many')
    first.hear({ type: 'refused', reason: 'No.', of: null })
    expect(back).not.toHaveBeenCalled()
    first.hear({ type: 'refused', reason: 'Too many messages at once.', of: 'say' })
    expect(back).toHaveBeenCalledWith('one too many')
    expect(line.snapshot().unsaid).toEqual([])
    expect(why).toHaveBeenCalledTimes(2)
  })

  it('leads on where the server never heard of the hand-over', async () => {
    const shown = { layout: { rows: 1, columns: 1 }, panes: {}, planes: null, cine: null, laid: {} }
    line.giveLead(2)
    line.tell(shown)
    expect(line.snapshot().view).toBeNull()
    const second = await first.breaks()
    second.welcome([])
    line.tell(shown)
    await vi.advanceTimersByTimeAsync(50)
    expect(line.snapshot().view?.layout).toEqual({ rows: 1, columns: 1 })
  })

  it('says that a hand-over was not heard while it is down, and that words were lost with the session', async () => {
    const why = vi.fn()
    line.onRefused = why
    first.onclose({ code: 1006 })
    line.giveLead(2)
    line.askLead()
    expect(why).toHaveBeenCalledTimes(2)
    line.say('into nothing')
    await vi.advanceTimersByTimeAsync(10_000)
    ;(Socket.all[1] as Socket).onclose({ code: 4410 })
    expect(line.snapshot()).toMatchObject({ status: 'over', why: 'The session was ended. What you wrote last was not sent.' })
  })
})
