import { afterEach, describe, expect, it, vi } from 'vitest'
import { forgetAhead, getAhead, http, tookAhead } from './http'

const answers = (body: unknown, status = 200) =>
  vi.spyOn(globalThis, 'fetch').mockImplementation(() => Promise.resolve(new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })))

describe('what is asked for before the program is here', () => {
  afterEach(() => forgetAhead())

  it('answers the first who asks the same, and the next asks anew', async () => {
    const fetch = answers({ at: 1 })
    const ahead = getAhead('/api/a', { headers: { Accept: 'application/dicom+json' } })
    expect(tookAhead()).toBe(false)
    // Another form of it is another answer.
    await http.get('/api/a')
    expect(fetch).toHaveBeenCalledTimes(2)
    expect(tookAhead()).toBe(false)
    expect(await http.get('/api/a', { headers: { Accept: 'application/dicom+json' } })).toBe(await ahead)
    expect(fetch).toHaveBeenCalledTimes(2)
    expect(tookAhead()).toBe(true)
    await http.get('/api/a', { headers: { Accept: 'application/dicom+json' } })
    expect(fetch).toHaveBeenCalledTimes(3)
  })

  it('tells who needs it what went wrong', async () => {
    answers({ detail: 'No.' }, 403)
    void getAhead('/api/b')
    await expect(http.get('/api/b')).rejects.toMatchObject({ status: 403 })
  })

  it('is nothing that another person is given, nor old', async () => {
    const fetch = answers({})
    void getAhead('/api/c')
    forgetAhead()
    await http.get('/api/c')
    expect(fetch).toHaveBeenCalledTimes(2)
    void getAhead('/api/d')
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 11_000)
    await http.get('/api/d')
    expect(fetch).toHaveBeenCalledTimes(4)
  })
})
