import { useQueryClient, type QueryKey } from '@tanstack/react-query'
import { useEffect, useRef, useSyncExternalStore } from 'react'
import { tookAhead } from './http'

/** A fact from the server's outbox: what happened and the keys of the things it happened to; never patient data. */
export interface LiveEvent {
  kind: string
  keys: Record<string, unknown>
}

export type LiveStatus = 'connecting' | 'live' | 'offline'
type Handler = (event: LiveEvent) => void

/** What a page just loaded asks for first is not held up by what may have changed in the moment before. */
const EARLY_MS = 3_000

const handlers = new Map<string, Set<Handler>>()
const watchers = new Set<() => void>()
/** Told when events may have been missed; `early`: between what was asked for ahead and the first listening, a moment. */
const rejoined = new Set<(early: boolean) => void>()
let status: LiveStatus = 'connecting'
let source: EventSource | undefined
let retry: ReturnType<typeof setTimeout> | undefined
let attempt = 0
let wasLive = false

function setStatus(next: LiveStatus): void {
  if (next === status) return
  status = next
  for (const watcher of watchers) watcher()
}

function deliver(message: MessageEvent<string>): void {
  let event: LiveEvent
  try {
    event = JSON.parse(message.data) as LiveEvent
  } catch {
    return
  }
  for (const handler of handlers.get(event.kind) ?? []) handler(event)
  for (const handler of handlers.get('*') ?? []) handler(event)
}

function open(): void {
  source = new EventSource('/api/events')
  source.onmessage = deliver
  source.onopen = () => {
    attempt = 0
    setStatus('live')
    // What happened while we were away, or before we first listened, is unknown: everything live is asked for again.
    const tell = (early: boolean) => {
      for (const refresh of rejoined) refresh(early)
    }
    if (wasLive) tell(false)
    else if (tookAhead()) setTimeout(() => tell(true), EARLY_MS)
    wasLive = true
  }
  source.onerror = () => {
    source?.close()
    setStatus('offline')
    attempt += 1
    const wait_ms = Math.min(15_000, 500 * 2 ** Math.min(attempt, 5)) * (0.75 + Math.random() / 2)
    clearTimeout(retry)
    retry = setTimeout(open, wait_ms)
  }
}

/** Joins the server's stream of facts; the session does this once somebody is signed in. */
export function connectLive(): () => void {
  wasLive = false
  attempt = 0
  open()
  const online = () => {
    if (status !== 'live') {
      clearTimeout(retry)
      source?.close()
      open()
    }
  }
  window.addEventListener('online', online)
  return () => {
    window.removeEventListener('online', online)
    clearTimeout(retry)
    source?.close()
    source = undefined
    setStatus('connecting')
  }
}

export function useLiveStatus(): LiveStatus {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    () => status,
  )
}

/**
 * Calls `handler` for each event of these kinds (`*` for all) while the component is shown, and `missed` when some may
 * have gone by unheard; `early`: in the moment between what was asked for ahead and the first listening.
 */
export function useLiveEvents(kinds: readonly string[], handler: Handler, missed: (early: boolean) => void): void {
  const latest = useRef({ handler, missed })
  useEffect(() => {
    latest.current = { handler, missed }
  })
  useEffect(() => {
    const call = (early: boolean) => latest.current.missed(early)
    rejoined.add(call)
    return () => {
      rejoined.delete(call)
    }
  }, [])
  const list = kinds.join(' ')
  useEffect(() => {
    const call: Handler = (event) => latest.current.handler(event)
    const names = list.split(' ').filter(Boolean)
    for (const kind of names) handlers.set(kind, (handlers.get(kind) ?? new Set()).add(call))
    return () => {
      for (const kind of names) handlers.get(kind)?.delete(call)
    }
  }, [list])
}

/**
 * Keeps queries fresh: when one of `kinds` happens, everything under `queryKeys` is asked for again.
 * Bursts (a study of 400 instances) are folded into one refresh each 250 ms.
 */
export function useLive(kinds: readonly string[], queryKeys: readonly QueryKey[]): void {
  const client = useQueryClient()
  const keys = useRef(queryKeys)
  useEffect(() => {
    keys.current = queryKeys
  })
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const running = useRef(false)
  const again = useRef(false)
  // One refresh at a time: asking anew cancels what is on its way, and a long burst would let no answer through.
  const refresh = useRef(() => {
    timer.current = undefined
    if (running.current) {
      again.current = true
      return
    }
    running.current = true
    void Promise.allSettled(keys.current.map((queryKey) => client.invalidateQueries({ queryKey }))).then(() => {
      running.current = false
      if (!again.current) return
      again.current = false
      refresh.current()
    })
  })
  const soon = () => {
    timer.current ??= setTimeout(refresh.current, 250)
  }
  useLiveEvents(kinds, soon, (early) => {
    if (early) return soon()
    // What was asked before the line broke may never be answered.
    running.current = false
    refresh.current()
  })
  useEffect(() => {
    return () => {
      again.current = false
      clearTimeout(timer.current)
      timer.current = undefined
    }
  }, [])
}
