import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { act, renderHook } from '@testing-library/react'
import type { ReactNode } from 'react'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { connectLive, useLive, useLiveStatus } from './live'

class Source {
  static all: Source[] = []
  onmessage: ((message: { data: string }) => void) | null = null
  onopen: (() => void) | null = null
  onerror: (() => void) | null = null
  closed = false
  constructor() {
    Source.all.push(this)
  }
  close() {
    this.closed = true
  }
}

const last = () => Source.all.at(-1) as Source
let disconnect: () => void

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('EventSource', Source)
  Source.all = []
  disconnect = connectLive()
})

afterEach(() => {
  disconnect()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

function watched() {
  const client = new QueryClient()
  const invalidate = vi.spyOn(client, 'invalidateQueries').mockResolvedValue(undefined)
  const wrapper = ({ children }: { children: ReactNode }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>
  const hook = renderHook(
    () => {
      useLive(['study.updated'], [['reading-list']])
      return useLiveStatus()
    },
    { wrapper },
  )
  return { invalidate, hook }
}

it('asks again once for a burst of events of its kind', () => {
  const { invalidate } = watched()
  act(() => last().onopen?.())
  for (let instance = 0; instance < 400; instance += 1) last().onmessage?.({ data: '{"kind":"study.updated","keys":{"study_pk":1}}' })
  last().onmessage?.({ data: '{"kind":"claim.made","keys":{}}' })
  last().onmessage?.({ data: 'not json' })
  vi.advanceTimersByTime(300)
  expect(invalidate).toHaveBeenCalledExactlyOnceWith({ queryKey: ['reading-list'] })
})

it('lets a slow answer arrive during a long burst, and asks once more after it', async () => {
  const { invalidate } = watched()
  act(() => last().onopen?.())
  let answer: () => void = () => undefined
  invalidate.mockImplementation(() => new Promise<void>((resolve) => (answer = resolve)))
  for (let instance = 0; instance < 40; instance += 1) {
    last().onmessage?.({ data: '{"kind":"study.updated","keys":{"study_pk":1}}' })
    await vi.advanceTimersByTimeAsync(100)
  }
  await vi.advanceTimersByTimeAsync(300)
  expect(invalidate).toHaveBeenCalledTimes(1)
  answer()
  await vi.advanceTimersByTimeAsync(0)
  expect(invalidate).toHaveBeenCalledTimes(2)
  answer()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(invalidate).toHaveBeenCalledTimes(2)
})

it('says offline, comes back by itself, and then asks for everything it may have missed', () => {
  const { invalidate, hook } = watched()
  act(() => last().onopen?.())
  expect(hook.result.current).toBe('live')
  act(() => last().onerror?.())
  expect(hook.result.current).toBe('offline')
  act(() => void vi.advanceTimersByTime(5000))
  expect(Source.all).toHaveLength(2)
  act(() => last().onopen?.())
  expect(hook.result.current).toBe('live')
  expect(invalidate).toHaveBeenCalledWith({ queryKey: ['reading-list'] })
})
