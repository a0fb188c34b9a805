import { useQueryClient } from '@tanstack/react-query'
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from 'react'
import type { Permission } from '../permissions'
import { ApiProblem, asProblem } from '../problem'
import type { Answer, Sent } from './bodies'
import { forgetAhead, http, whenUnauthenticated } from './http'
import { connectLive } from './live'

/**
 * Who is signed in. While `must_enrol_totp`, nothing but the own account is open. `idle_s`: how long the server keeps
 * a session in which nothing happens.
 */
export type SessionActor = Answer<'/api/session', 'get'>

/** `locked`: the session ended while work was open; the work stays behind a sign-in sheet. */
export type SessionState = 'loading' | 'out' | 'in' | 'locked' | 'unreachable'

export type Credentials = Sent<'/api/session', 'post'>

interface SessionValue {
  state: SessionState
  actor: SessionActor | undefined
  /** Seconds until the session ends for want of activity; undefined while that is far away. */
  endsIn_s: number | undefined
  may: (permission: Permission) => boolean
  signIn: (credentials: Credentials) => Promise<void>
  signOut: () => Promise<void>
  refresh: () => Promise<void>
  stay: () => void
}

const SessionContext = createContext<SessionValue | undefined>(undefined)
const WARN_S = 120
const TOUCH_EVERY_S = 60

export function SessionProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient()
  const [state, setState] = useState<SessionState>('loading')
  const [actor, setActor] = useState<SessionActor>()
  const [endsIn_s, setEndsIn] = useState<number>()
  const active = useRef({ at: Date.now(), told: Date.now() })

  const refresh = useCallback(async () => {
    try {
      const next = await http.get<SessionActor>('/api/session')
      active.current.told = Date.now()
      setActor(next)
      setState('in')
    } catch (error) {
      const problem = asProblem(error)
      if (problem.status === 401) setState((was) => (was === 'in' || was === 'locked' ? 'locked' : 'out'))
      else setState((was) => (was === 'loading' ? 'unreachable' : was))
    }
  }, [])

  useEffect(() => {
    whenUnauthenticated(() => setState((was) => (was === 'in' ? 'locked' : was)))
    void refresh()
    return () => whenUnauthenticated(undefined)
  }, [refresh])

  const userPk = actor?.user_pk
  const isIn = state === 'in'
  useEffect(() => (isIn ? connectLive() : undefined), [isIn, userPk])

  // The server ends an idle session; reading without asking the server is activity too, so it is told.
  const idle_s = actor?.idle_s
  useEffect(() => {
    if (!isIn || !idle_s) return undefined
    active.current = { at: Date.now(), told: Date.now() }
    const note = () => {
      active.current.at = Date.now()
    }
    const names = ['pointerdown', 'keydown', 'wheel', 'touchmove'] as const
    for (const name of names) window.addEventListener(name, note, { passive: true })
    const tick = setInterval(() => {
      const now = Date.now()
      const { at, told } = active.current
      if (at > told && now - told > TOUCH_EVERY_S * 1000) {
        active.current.told = now
        void refresh()
      }
      const left = idle_s - (now - Math.max(at, told)) / 1000
      setEndsIn(left < Math.min(WARN_S, idle_s / 2) ? Math.max(0, Math.round(left)) : undefined)
      if (left <= 0) void refresh()
    }, 1000)
    return () => {
      clearInterval(tick)
      setEndsIn(undefined)
      for (const name of names) window.removeEventListener(name, note)
    }
  }, [isIn, idle_s, refresh])

  const value = useMemo<SessionValue>(() => {
    const permissions = new Set<Permission>(actor?.permissions)
    return {
      state,
      actor,
      endsIn_s,
      may: (permission) => permissions.has(permission),
      signIn: async (credentials) => {
        await http.post<unknown>('/api/session', credentials)
        forgetAhead()
        const next = await http.get<SessionActor>('/api/session')
        // Another person at the same window never meets what the last one saw.
        if (actor && actor.user_pk !== next.user_pk) client.clear()
        setActor(next)
        setState('in')
        void client.invalidateQueries()
      },
      signOut: async () => {
        try {
          await http.delete('/api/session')
        } catch (error) {
          if (!(error instanceof ApiProblem) || error.status !== 401) throw error
        }
        client.clear()
        setActor(undefined)
        setState('out')
      },
      refresh,
      stay: () => {
        active.current.at = Date.now()
        active.current.told = Date.now()
        setEndsIn(undefined)
        void refresh()
      },
    }
  }, [state, actor, endsIn_s, client, refresh])

  return <SessionContext value={value}>{children}</SessionContext>
}

export function useSession(): SessionValue {
  const value = useContext(SessionContext)
  if (!value) throw new Error('useSession needs a SessionProvider')
  return value
}

/** The signed-in actor; only for screens behind the frame, which shows nothing else before. */
export function useActor(): SessionActor {
  const { actor } = useSession()
  if (!actor) throw new Error('nobody is signed in')
  return actor
}
