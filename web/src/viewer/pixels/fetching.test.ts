import { afterEach, describe, expect, it, vi } from 'vitest'
import { Beginnings, beginningsIn, contentRange, goesOn, type Beginning } from './beginnings'
import { Fetching, isAborted } from './fetching'

const SERIES = '/dicom-web/studies/1.2/series/3.4'
const pathOf = (uid: string) => `${SERIES}/instances/${uid}/frames/1`
const idOf = (uid: string) => `wadors:http://a${pathOf(uid)}`
const KIND = 'image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202'
const WHOLE = Uint8Array.from({ length: 100 }, (_, at) => at)
const text = (words: string) => new TextEncoder().encode(words)

function multipart(...parts: { uid: string; bytes: Uint8Array; total: number; etag?: string }[]): Uint8Array {
  const pieces = parts.flatMap(({ uid, bytes, total, etag = '"e"' }) => [
    text(`--b\r\nContent-Type: ${KIND}\r\nContent-Location: ${pathOf(uid)}\r\nContent-Range: bytes 0-${bytes.length - 1}/${total}\r\nETag: ${etag}\r\n\r\n`),
    bytes,
    text('\r\n'),
  ])
  return Uint8Array.from([...pieces, text('--b--\r\n')].flatMap((piece) => [...piece]))
}

const beginning = (more: Partial<Beginning> = {}): Beginning => ({ bytes: WHOLE.slice(0, 10), total: 100, etag: '"e"', contentType: KIND, coarse: { bytes: 10, halvings: 2 }, ...more })

interface Asked {
  url: string
  headers: Record<string, string>
  signal: AbortSignal
}

/** A server of one picture, whose bytes are WHOLE under the tag "e"; or as `answer` says. */
function serve(answer?: (asked: Asked) => Response | Promise<Response>): Asked[] {
  const asked: Asked[] = []
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    const one = { url, headers: init.headers as Record<string, string>, signal: init.signal as AbortSignal }
    asked.push(one)
    if (answer) return Promise.resolve(answer(one))
    if (url.includes('/coarse')) return Promise.resolve(new Response(multipart({ uid: '7', bytes: WHOLE.slice(0, 10), total: 100 }) as BodyInit, { headers: { 'Content-Type': 'multipart/related; boundary=b' } }))
    const from = Number(/bytes=(\d+)-/.exec(one.headers['Range'] ?? '')?.[1] ?? 0)
    const same = one.headers['If-Range'] === '"e"'
    const sent = same ? WHOLE.slice(from) : WHOLE
    const headers: Record<string, string> = { 'Content-Type': KIND, 'Content-Length': String(sent.length), ETag: '"e"' }
    if (same) headers['Content-Range'] = `bytes ${from}-99/100`
    return Promise.resolve(new Response(sent as BodyInit, { status: same ? 206 : 200, headers }))
  })
  return asked
}

afterEach(() => vi.unstubAllGlobals())

describe('the parts of an answer', () => {
  it('are told apart by their lengths, though their bytes look like what parts them', () => {
    const trap = text('\r\n--b\r\nContent-Type: x\r\n\r\n--b--')
    const found = beginningsIn(multipart({ uid: '1', bytes: trap, total: 99 }, { uid: '2', bytes: WHOLE.slice(0, 4), total: 100 }), 'multipart/related; type="image/jphc"; boundary=b', 2)
    expect([...found.keys()]).toEqual([pathOf('1'), pathOf('2')])
    expect(found.get(pathOf('1'))?.bytes).toEqual(trap)
    expect(found.get(pathOf('2'))).toEqual(beginning({ bytes: WHOLE.slice(0, 4), coarse: { bytes: 4, halvings: 2 } }))
  })

  it('are none where they are cut off, say nothing of themselves, or begin elsewhere', () => {
    const whole = multipart({ uid: '1', bytes: WHOLE.slice(0, 50), total: 100 })
    for (let length = 0; length < whole.length - 10; length += 7) expect(beginningsIn(whole.slice(0, length), 'multipart/related; boundary=b', 2).size).toBe(0)
    expect(beginningsIn(text(`--b\r\nContent-Location: ${pathOf('1')}\r\nContent-Range: bytes 4-5/9\r\nETag: "e"\r\nContent-Type: x\r\n\r\nab\r\n--b--`), 'multipart/related; boundary=b', 2).size).toBe(0)
    expect(beginningsIn(whole, 'multipart/related', 2).size).toBe(0)
  })

  it('are gone on with only by the same bytes', () => {
    expect(contentRange('bytes 10-99/100')).toEqual({ from: 10, to: 99, total: 100 })
    for (const wrong of ['bytes 10-99/*', 'bytes 99-10/100', 'bytes 10-100/100', '', null]) expect(contentRange(wrong)).toBeNull()
    expect(goesOn(beginning(), 'bytes 10-99/100', '"e"')).toBe(true)
    for (const [range, etag] of [['bytes 10-99/100', '"f"'], ['bytes 9-99/100', '"e"'], ['bytes 10-98/100', '"e"'], ['bytes 10-99/101', '"e"'], [null, '"e"'], ['bytes 10-99/100', null]] as const) expect(goesOn(beginning(), range, etag)).toBe(false)
  })
})

describe('beginnings', () => {
  it('are kept as far as memory goes, the last used longest', () => {
    const kept = new Beginnings(25)
    kept.put('a', beginning())
    kept.put('b', beginning())
    expect(kept.get('a')).not.toBeNull()
    kept.put('c', beginning())
    expect(['a', 'b', 'c'].map((one) => kept.peek(one) !== null)).toEqual([true, false, true])
    expect(kept.bytes).toBe(20)
    kept.put('a', beginning({ bytes: WHOLE.slice(0, 15) }))
    expect([kept.bytes, kept.full]).toEqual([25, true])
    kept.shorten('a')
    expect(kept.get('a')?.bytes).toEqual(WHOLE.slice(0, 10))
    kept.put('d', beginning({ coarse: null }))
    kept.shorten('d')
    expect(kept.peek('d')).toBeNull()
  })
})

describe('fetching', () => {
  it('asks for what is not here, and joins it', async () => {
    const asked = serve()
    const fetching = new Fetching()
    await fetching.coarse([idOf('7'), idOf('8')], 2, 1000)
    expect(asked[0]?.url).toBe(`${SERIES}/coarse?halvings=2&frame=7%2F1&frame=8%2F1`)
    expect([fetching.hasCoarse(idOf('7')), fetching.hasNoCoarse(idOf('7')), fetching.hasNoCoarse(idOf('8'))]).toEqual([true, false, true])
    const { bytes, joined } = await fetching.whole(idOf('7'))
    expect(asked[1]?.headers).toMatchObject({ Range: 'bytes=10-', 'If-Range': '"e"' })
    expect([bytes, joined]).toEqual([WHOLE, true])
    // Should it have to make room, it can be seen coarse at once.
    expect(fetching.coarseOf(idOf('7'))?.bytes.length).toBe(10)
  })

  it('takes all anew where the archive has made it anew, and never joins what does not fit', async () => {
    const other = Uint8Array.of(9, 8, 7)
    serve(({ url, headers }) => {
      if (url.includes('/coarse')) return new Response(multipart({ uid: '7', bytes: WHOLE.slice(0, 10), total: 100 }) as BodyInit, { headers: { 'Content-Type': 'multipart/related; boundary=b' } })
      const told = { 'Content-Type': KIND, ETag: '"f"' }
      if (!headers['Range']) return new Response(other as BodyInit, { headers: { ...told, 'Content-Length': '3' } })
      return headers['Range'] === 'bytes=10-' ? new Response(WHOLE.slice(10) as BodyInit, { status: 206, headers: { ...told, 'Content-Length': '90', 'Content-Range': 'bytes 10-99/100' } }) : new Response('{}', { status: 416 })
    })
    const fetching = new Fetching()
    await fetching.coarse([idOf('7')], 2, 1000)
    expect(await fetching.whole(idOf('7'))).toMatchObject({ bytes: other, joined: false })
  })

  it('goes on after a 416 with all of it', async () => {
    const asked = serve((one) => {
      if (one.url.includes('/coarse')) return new Response(multipart({ uid: '7', bytes: WHOLE.slice(0, 10), total: 100 }) as BodyInit, { headers: { 'Content-Type': 'multipart/related; boundary=b' } })
      return one.headers['Range'] ? new Response('{}', { status: 416 }) : new Response(WHOLE as BodyInit, { headers: { 'Content-Type': KIND, 'Content-Length': '100', ETag: '"e"' } })
    })
    const fetching = new Fetching()
    await fetching.coarse([idOf('7')], 2, 1000)
    expect((await fetching.whole(idOf('7'))).bytes).toEqual(WHOLE)
    expect(asked.length).toBe(3)
  })

  it('keeps what had come when it is stopped', async () => {
    let come: ReadableStreamDefaultController<Uint8Array> | undefined
    const asked = serve(({ headers, signal }) => {
      const from = Number(/bytes=(\d+)-/.exec(headers['Range'] ?? '')?.[1] ?? 0)
      const told = { 'Content-Type': KIND, 'Content-Length': String(100 - from), ETag: '"e"', ...(from ? { 'Content-Range': `bytes ${from}-99/100` } : {}) }
      if (from) return new Response(WHOLE.slice(from) as BodyInit, { status: 206, headers: told })
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          come = controller
          controller.enqueue(WHOLE.slice(0, 40))
          signal.addEventListener('abort', () => controller.error(new DOMException('', 'AbortError')))
        },
      })
      return new Response(body, { headers: told })
    })
    const fetching = new Fetching()
    const first = fetching.whole(idOf('7')).catch((error: unknown) => error)
    await vi.waitFor(() => expect(come).toBeDefined())
    await new Promise((done) => setTimeout(done))
    fetching.abort(idOf('7'))
    expect(isAborted(await first)).toBe(true)
    // It is no coarse picture, as nobody knows how much of it is one.
    expect(fetching.hasCoarse(idOf('7'))).toBe(false)
    expect(await fetching.whole(idOf('7'))).toMatchObject({ bytes: WHOLE, joined: true })
    expect(asked[1]?.headers).toMatchObject({ Range: 'bytes=40-', 'If-Range': '"e"' })
  })

  it('of less than was told is no picture', async () => {
    serve(() => new Response(WHOLE.slice(0, 50) as BodyInit, { headers: { 'Content-Type': KIND, 'Content-Length': '100', ETag: '"e"' } }))
    await expect(new Fetching().whole(idOf('7'))).rejects.toThrow('cut off')
  })

  it('says what went wrong, and asks in vain for coarse pictures once', async () => {
    serve(() => new Response('{}', { status: 503 }))
    const fetching = new Fetching()
    await expect(fetching.whole(idOf('7'))).rejects.toThrow('The server answered 503, not the picture.')
    await expect(fetching.coarse([idOf('7')], 2, 1000)).rejects.toThrow()
    expect(fetching.hasNoCoarse(idOf('7'))).toBe(true)
  })
})
