import { useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { useKeys } from '@/lib/keys'
import { toast } from '@/ui'
import type { Share } from '@/viewer'
import { Line, NOTHING, type LineState } from './line'

export interface Together {
  line: Line
  state: LineState
  share: Share
  leads: boolean
  /** The name of who leads, or null. */
  leadName: string | null
  following: boolean
  setFollowing: (following: boolean) => void
}

const nothing = () => () => undefined
const none = () => NOTHING

/** Takes part in a live session for as long as the component is shown; null: in none. */
export function useTogether(sessionPk: number | null): Together | null {
  const line = useMemo(() => (sessionPk === null ? null : new Line(sessionPk)), [sessionPk])
  const state = useSyncExternalStore(line?.subscribe ?? nothing, line?.snapshot ?? none)
  const [following, setFollowing] = useState(true)

  useEffect(() => {
    if (!line) return undefined
    setFollowing(true)
    line.onRefused = (reason) => toast(`Not shared: ${reason}`)
    line.onAsked = (participant) => {
      const name = line.snapshot().people.find((one) => one.participant_pk === participant)?.display_name
      toast(`${name ?? 'Somebody'} asks for the lead.`)
    }
    line.open()
    return () => line.close()
  }, [line])
  useEffect(() => {
    line?.setFollowing(following)
  }, [line, following])

  const { me, lead, people, pointers, view, marks } = state
  const leads = lead === me && me !== 0
  const leader = people.find((one) => one.participant_pk === lead)
  const mode = leads ? 'lead' : following ? 'follow' : 'apart'
  const mayDraw = leads || people.some((one) => one.participant_pk === me && one.may_change)
  const share = useMemo<Share>(
    () => ({
      mode,
      me,
      mayDraw,
      mayRemove: mode === 'lead',
      view,
      marks,
      pointers: pointers.map((one) => ({
        id: one.client,
        name: people.find((person) => person.participant_pk === one.participant)?.display_name ?? '',
        colour: colourOf(people, one.participant),
        sop: one.sop,
        frame: one.frame,
        space: one.space ?? null,
        at: one.at,
      })),
      tell: (next) => line?.tell(next),
      point: (at) => line?.point(at),
      mark: (uid, mark) => line?.mark(uid, mark),
      leaveLead: () => setFollowing(false),
    }),
    [line, mode, me, mayDraw, view, marks, pointers, people],
  )
  useKeys('Looking together', [{ keys: 'Shift+Y', label: following ? 'Look by yourself' : 'Follow the lead', run: () => setFollowing(!following), disabled: leads || !line }])
  if (!line) return null
  return { line, state, share, leads, leadName: leader?.display_name ?? null, following, setFollowing }
}

/** Everybody's colour is their place in the session. */
export function colourOf(people: LineState['people'], participant: number): number {
  return Math.max(
    0,
    people.findIndex((one) => one.participant_pk === participant),
  )
}
