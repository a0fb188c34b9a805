import { useEffect, useRef, useState } from 'react'

/** What the first window of a case tells its further ones: keys alone, and only within this browser. */
export interface CaseTold {
  study_pk: number | null
  /** The kept protocol by which it hangs; null: none. */
  hanging_protocol_pk: number | null
  /** From 0. */
  stage: number
}

type Said = { kind: 'case'; told: CaseTold } | { kind: 'hello' }

const NAME = /^wetread-case-([0-9a-f-]{36})$/
const ANSWER_MS = 3_000

/** The number of this tab's channel, kept in the tab's own name so that it outlives a reload. */
function ownChannel(): string {
  const known = NAME.exec(window.name)?.[1]
  if (known) return known
  const made = crypto.randomUUID()
  window.name = `wetread-case-${made}`
  return made
}

function channelOf(id: string): BroadcastChannel | null {
  return typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(`wetread-case-${id}`)
}

/** Tells further windows which case is open here and how it hangs; when the screen is left, that none is. */
export function useFirstWindow(told: CaseTold): { open: () => boolean } {
  const channel = useRef<BroadcastChannel | null>(null)
  const latest = useRef(told)
  const windows = useRef<(Window | null)[]>([])
  const { study_pk, hanging_protocol_pk, stage } = told
  useEffect(() => {
    const made = channelOf(ownChannel())
    channel.current = made
    const say = (what: CaseTold) => made?.postMessage({ kind: 'case', told: what } satisfies Said)
    if (made) made.onmessage = (event: MessageEvent<Said>) => (event.data.kind === 'hello' ? say(latest.current) : undefined)
    const gone = () => say({ study_pk: null, hanging_protocol_pk: null, stage: 0 })
    window.addEventListener('pagehide', gone)
    return () => {
      window.removeEventListener('pagehide', gone)
      gone()
      made?.close()
      channel.current = null
    }
  }, [])
  useEffect(() => {
    latest.current = { study_pk, hanging_protocol_pk, stage }
    channel.current?.postMessage({ kind: 'case', told: latest.current } satisfies Said)
  }, [study_pk, hanging_protocol_pk, stage])
  return {
    open: () => {
      windows.current = windows.current.map((one) => (one?.closed ? null : one))
      const free = windows.current.indexOf(null)
      const at = free < 0 ? windows.current.length : free
      const id = ownChannel()
      const opened = window.open(`/read/window/${id}/${at + 2}`, `wetread-${id}-${at + 2}`, 'popup,width=1200,height=900')
      windows.current[at] = opened
      return opened !== null
    },
  }
}

/** The case of the first window; `silent` where that does not answer any more. */
export function useFurtherWindow(id: string): { told: CaseTold | null; silent: boolean } {
  const [told, setTold] = useState<CaseTold | null>(null)
  const [silent, setSilent] = useState(false)
  useEffect(() => {
    const channel = channelOf(id)
    let timer: ReturnType<typeof setTimeout> | undefined
    const ask = () => {
      clearTimeout(timer)
      timer = setTimeout(() => {
        // Whose images these are cannot be told any more.
        setTold(null)
        setSilent(true)
      }, ANSWER_MS)
      channel?.postMessage({ kind: 'hello' } satisfies Said)
    }
    if (channel)
      channel.onmessage = (event: MessageEvent<Said>) => {
        if (event.data.kind !== 'case') return
        clearTimeout(timer)
        setSilent(false)
        setTold(event.data.told)
      }
    ask()
    window.addEventListener('focus', ask)
    return () => {
      window.removeEventListener('focus', ask)
      clearTimeout(timer)
      channel?.close()
    }
  }, [id])
  return { told, silent }
}
