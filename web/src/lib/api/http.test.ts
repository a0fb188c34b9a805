import { afterEach, describe, expect, it, vi } from 'vitest'
import { ApiProblem } from '../problem'
import { http, whenUnauthenticated, withQuery } from './http'

function answer(status: number, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const spy = vi.fn<typeof globalThis.fetch>(() =>
    Promise.resolve(new Response(status === 204 ? null : text, { status, headers: { 'content-type': 'application/json', ...headers } })),
  )
  vi.stubGlobal('fetch', spy)
  return spy
}

afterEach(() => vi.unstubAllGlobals())

describe('http', () => {
  it('sends the header that a foreign page cannot send, and JSON', async () => {
    const spy = answer(200, { ok: true })
    await expect(http.post('/api/things', { a: 1 })).resolves.toEqual({ ok: true })
    const init = spy.mock.calls[0]?.[1]
    expect(init?.headers).toMatchObject({ 'X-Wetread': '1', 'Content-Type': 'application/json' })
    expect(init?.credentials).toBe('same-origin')
    expect(init?.body).toBe('{"a":1}')
  })

  it('throws what the server refused, with its fields and request number', async () => {
    answer(422, { title: 'Some fields need attention', detail: 'No.', errors: [{ field: 'npi', reason: 'ten digits' }], request_id: 'abc' })
    const problem = await http.get('/api/things').catch((error: unknown) => error)
    expect(problem).toBeInstanceOf(ApiProblem)
    expect(problem).toMatchObject({ status: 422, detail: 'No.', requestId: 'abc' })
    expect((problem as ApiProblem).reason('npi')).toBe('ten digits')
  })

  it('takes the request number from the header where the body is not ours', async () => {
    answer(502, '<html>', { 'content-type': 'text/html', 'x-request-id': 'f00' })
    await expect(http.get('/api/things')).rejects.toMatchObject({ status: 502, requestId: 'f00' })
  })

  it('says so when no answer comes at all', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('failed')))
    await expect(http.get('/api/things')).rejects.toMatchObject({ status: 0, title: 'No connection' })
  })

  it('answers nothing for 204', async () => {
    answer(204, '')
    await expect(http.delete('/api/things/1')).resolves.toBeUndefined()
  })

  it('tells the session when it has ended', async () => {
    const told = vi.fn()
    whenUnauthenticated(told)
    answer(401, { detail: 'Your session has ended.' })
    await http.get('/api/things').catch(() => undefined)
    whenUnauthenticated(undefined)
    expect(told).toHaveBeenCalledOnce()
  })
})

it('leaves empty query values out and repeats lists', () => {
  expect(withQuery('/a', { text: 'x y', none: null, gone: undefined, empty: '', list: [1, 2], zero: 0 })).toBe('/a?text=x+y&list=1&list=2&zero=0')
})
