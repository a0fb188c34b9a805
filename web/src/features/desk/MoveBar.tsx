import { Button, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { http } from '@/lib/api'
import { showKeys, useKeys } from '@/lib/keys'
import { asProblem } from '@/lib/problem'
import { ProblemText, toast } from '@/ui'
import { shortName, type Moving } from './Board'
import { fittingFor, nudged } from './board'
import classes from './desk.module.css'
import type { Resource } from './types'
import { clock, sayDay, wallDay, wallInstant, wallTime } from './walltime'

/** Another time or scanner for an appointment: shown first, done on Enter, and what the server refuses said here. */
export function MoveBar({
  moving,
  day,
  today,
  resources,
  onMoving,
  onDone,
}: {
  moving: Moving
  day: string
  today: string
  resources: readonly Resource[]
  onMoving: (moving: Moving) => void
  onDone: () => void
}) {
  const client = useQueryClient()
  const { booking, proposal } = moving
  const [reason, setReason] = useState('')
  // Enter moves it, wherever the focus was when this began.
  const enter = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    enter.current?.focus({ preventScroll: true })
  }, [])
  const fitting = fittingFor(booking, resources)
  const target = fitting.find((one) => one.modality_resource_pk === proposal.modality_resource_pk)
  const length = Math.round((Date.parse(booking.ends_at) - Date.parse(booking.starts_at)) / 60_000)
  const startsAt = target ? wallInstant(day, proposal.start, target.time_zone) : undefined
  const place = `${day} ${proposal.start} ${proposal.modality_resource_pk}`
  const [refusedAt, setRefusedAt] = useState('')
  const move = useMutation({
    mutationFn: (overbook: string | null) =>
      http.put(`/api/schedule/appointments/${booking.appointment_pk}`, {
        modality_resource_pk: proposal.modality_resource_pk,
        starts_at: startsAt?.toISOString(),
        overbook_reason: overbook,
      }),
    onSuccess: async () => {
      toast(`Moved to ${sayDay(day, today)} ${clock(proposal.start)}, ${target?.name ?? ''}.`)
      onDone()
      await client.invalidateQueries({ queryKey: ['day-board'] })
    },
    onError: () => setRefusedAt(place),
  })
  const refused = move.error && refusedAt === place ? asProblem(move.error) : undefined
  const taken = refused?.status === 409 && refused.reason('starts_at') !== undefined
  const unchanged = startsAt?.getTime() === Date.parse(booking.starts_at) && proposal.modality_resource_pk === booking.modality_resource_pk
  const nudge = (key: string, big: boolean) => {
    const next = move.isPending ? undefined : nudged(proposal, key, length, fitting, big)
    if (next) onMoving({ booking, proposal: next })
  }
  // While the server decides nobody leaves: a refusal must be seen.
  const leave = () => {
    if (!move.isPending) onDone()
  }
  const go = () => {
    if (unchanged) leave()
    else if (startsAt && !move.isPending && !taken) move.mutate(null)
  }
  useKeys('Moving an appointment', [
    { keys: 'ArrowUp', label: '5 minutes earlier', run: () => nudge('ArrowUp', false) },
    { keys: 'ArrowDown', label: '5 minutes later', run: () => nudge('ArrowDown', false) },
    { keys: 'Shift+ArrowUp', label: 'An hour earlier', run: () => nudge('ArrowUp', true) },
    { keys: 'Shift+ArrowDown', label: 'An hour later', run: () => nudge('ArrowDown', true) },
    { keys: 'ArrowLeft', label: 'Scanner to the left', run: () => nudge('ArrowLeft', false) },
    { keys: 'ArrowRight', label: 'Scanner to the right', run: () => nudge('ArrowRight', false) },
    { keys: 'Enter', label: 'Move it there', run: go },
    { keys: 'Escape', label: 'Leave it where it was', run: leave, inFields: true },
  ])
  const was = `${sayDay(wallDay(booking.starts_at, booking.time_zone), today)} ${wallTime(booking.starts_at, booking.time_zone)}, ${booking.resource_name}`

  return (
    <div className={classes['moveBar']} data-refused={refused ? true : undefined}>
      <div className={classes['moveText']} role="status">
        <strong>{shortName(booking.patient.patient_name)}</strong>
        <span>
          {was} <span aria-hidden>→</span> <b>{target ? `${sayDay(day, today)} ${clock(proposal.start)}, ${target.name}` : 'no fitting scanner here'}</b>
        </span>
        {refused ? null : (
          <small>
            Drag it, press a free place, or use the arrow keys ({showKeys('Shift')} for hours). Other days too.
          </small>
        )}
      </div>
      {refused ? (
        <div className={classes['moveRefused']} role="alert">
          {taken ? <p>{refused.detail} Choose another time, or say why it is booked twice.</p> : <ProblemText problem={refused} />}
        </div>
      ) : null}
      {taken ? (
        <form
          className={classes['overbook']}
          onSubmit={(event) => {
            event.preventDefault()
            if (reason.trim()) move.mutate(reason.trim())
          }}
        >
          <TextInput
            aria-label="Reason to book it twice"
            placeholder="Reason to book it twice"
            value={reason}
            maxLength={200}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          <Button type="submit" variant="default" disabled={!reason.trim()} loading={move.isPending}>
            Overbook
          </Button>
        </form>
      ) : null}
      <div className={classes['moveButtons']}>
        <Button variant="default" onClick={leave} disabled={move.isPending}>
          Leave it
        </Button>
        {taken ? null : (
          <Button onClick={go} disabled={!startsAt} loading={move.isPending} ref={enter}>
            Move it
          </Button>
        )}
      </div>
    </div>
  )
}
