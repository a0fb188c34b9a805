import { Button, Menu } from '@mantine/core'
import { IconArrowBackUp, IconDotsVertical } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { ApiProblem, http } from '@/lib/api'
import { showKeys, useKeys } from '@/lib/keys'
import { formatPersonName } from '@/lib/personname'
import { formatTime } from '@/lib/time'
import { ConfirmIrreversible, Glyph, ReasonDialog, stateLook, toast, toastProblem } from '@/ui'
import classes from './room.module.css'
import { nextPatient, nextStep, undoTarget } from './rules'
import type { Booking, CheckName, Day, Move, Sending } from './types'

/** Procedure Discontinuation Reasons (PS3.16 CID 9300) in the words of the room. */
const STOPPED = [
  'Patient refused to continue',
  'Patient condition prevented continuing',
  'Patient allergic to contrast',
  'Equipment failure',
  'Incorrect worklist entry selected',
  'Incorrect side ordered',
  'Patient did not hold still',
]
const UNDONE = ['Pressed by mistake', 'Wrong patient chosen', 'The patient went away again']
const CALLED_OFF = ['Patient not prepared', 'Patient too unwell', 'Patient refused', 'Equipment failure', 'Not needed any more']

const GIVEN_ANYWAY = ['The allergy is to another substance', 'Pre-medicated as ordered', 'The radiologist decided so', 'Emergency: cannot wait']

type Asking = 'discontinue' | 'revert' | 'cancel' | 'complete' | 'allergies'

/** The next safe step as the one big button; beside it the way back and what is rare. */
export function Actions({
  booking,
  line,
  checked,
  openChecks,
  alarms,
  onPick,
}: {
  booking: Booking
  line: readonly Booking[]
  checked: CheckName[]
  openChecks: number
  /** What the images contradict: the side that was ordered, the number that the scanner reports. */
  alarms: readonly string[]
  onPick: (booking: Booking | undefined) => void
}) {
  const client = useQueryClient()
  const [asking, setAsking] = useState<Asking>()
  /** What the server refused for the patient's allergies, until somebody says why contrast may be given. */
  const [refused, setRefused] = useState<Move>()
  const status = booking.scheduled_procedure_step_status
  const stepPk = booking.scheduled_procedure_step_pk
  const refresh = () =>
    Promise.all([
      client.invalidateQueries({ queryKey: ['room-day'] }),
      client.invalidateQueries({ queryKey: ['room-open'] }),
      client.invalidateQueries({ queryKey: ['order', booking.imaging_service_request_pk] }),
    ])
  const checksFor = (move: Move) => (move === 'prepare' || move === 'start' ? checked : [])
  const send = async (body: Sending) => {
    // The answer is the step as it stands now: it shows at once, the rest of the day follows.
    const moved = await http.post<Booking>(`/api/steps/${stepPk}/moves`, body)
    for (const queryKey of [['room-day'], ['room-open']]) {
      client.setQueriesData<Day>({ queryKey }, (day) =>
        day && { ...day, items: day.items.map((one) => (one.scheduled_procedure_step_pk === stepPk ? moved : one)) },
      )
    }
    void refresh()
  }
  const moving = useMutation({
    mutationFn: (move: Move) => send({ move, checks: checksFor(move) }),
    onError: (error, move) => {
      if (error instanceof ApiProblem && error.reason('allergy_reason')) {
        setRefused(move)
        setAsking('allergies')
        return
      }
      toastProblem(error)
      void refresh()
    },
  })
  const appointment = useMutation({
    mutationFn: async (what: 'missed' | 'came') => {
      const path = `/api/schedule/appointments/${booking.appointment_pk}/no-show`
      await (what === 'missed' ? http.post(path) : http.delete<unknown>(path))
      await refresh()
    },
    onError: (error) => toastProblem(error),
  })
  const next = nextStep(status)
  const blocked = next?.move === 'prepare' && openChecks > 0
  const after = nextPatient(line, booking)
  const busy = moving.isPending || appointment.isPending
  const press = () => {
    if (busy || blocked) return
    // A completed step is billed and never taken up again: without an image, or with a wrong one, that is likelier a mistake.
    if (next?.move === 'complete' && (!booking.number_of_images || alarms.length)) setAsking('complete')
    else if (next) moving.mutate(next.move)
    else if (after) onPick(after)
  }
  useKeys('Step', [{ keys: 'Mod+Enter', label: next?.label ?? 'Next patient', run: press, disabled: blocked || (!next && !after) }])
  const back = undoTarget(status)
  const missed = booking.appointment_state === 'noshow' && status === 'CANCELED'
  const canLeave = ['SCHEDULED', 'ARRIVED', 'READY'].includes(status) && booking.appointment_pk !== null
  const hasMore = canLeave || status === 'STARTED' || missed
  return (
    <footer className={classes['actions']}>
      <div className={classes['side-actions']}>
        {back ? (
          <Menu position="top-start" width={260}>
            <Menu.Target>
              <Button variant="default" size="lg" leftSection={<IconArrowBackUp size={18} />} disabled={busy}>
                Undo
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Label>Back to “{stateLook(back, 'step').word}”, because</Menu.Label>
              {UNDONE.map((reason) => (
                <Menu.Item
                  key={reason}
                  onClick={() => {
                    send({ move: 'revert', reason, checks: [] }).catch((error: unknown) => toastProblem(error))
                  }}
                >
                  {reason}
                </Menu.Item>
              ))}
              <Menu.Item onClick={() => setAsking('revert')}>Another reason…</Menu.Item>
            </Menu.Dropdown>
          </Menu>
        ) : null}
        {hasMore ? (
          <Menu position="top-start" width={290}>
            <Menu.Target>
              <Button variant="default" size="lg" leftSection={<IconDotsVertical size={18} />} disabled={busy}>
                More
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {status === 'SCHEDULED' || status === 'ARRIVED' ? (
                <Menu.Item onClick={() => moving.mutate('start')}>Emergency: start at once</Menu.Item>
              ) : null}
              {status === 'STARTED' ? (
                <Menu.Item onClick={() => setAsking('discontinue')}>Discontinue the scan…</Menu.Item>
              ) : null}
              {status === 'SCHEDULED' && booking.appointment_pk !== null ? (
                <Menu.Item onClick={() => appointment.mutate('missed')}>The patient did not come</Menu.Item>
              ) : null}
              {missed ? <Menu.Item onClick={() => appointment.mutate('came')}>The patient came after all</Menu.Item> : null}
              {canLeave ? <Menu.Item onClick={() => setAsking('cancel')}>Cancel the appointment…</Menu.Item> : null}
            </Menu.Dropdown>
          </Menu>
        ) : null}
      </div>
      {next ? (
        <Button className={classes['big']} loading={moving.isPending} disabled={blocked} onClick={press} title={showKeys('Mod+Enter')}>
          {blocked ? `${next.label}: ${openChecks} ${openChecks === 1 ? 'check' : 'checks'} left` : next.label}
        </Button>
      ) : after ? (
        <Button className={classes['big']} variant="default" onClick={press} title={showKeys('Mod+Enter')}>
          <span className={classes['nextName']}>
            Next: {formatTime(after.starts_at, after.time_zone)} <bdi>{formatPersonName(after.patient.patient_name.split('=')[0])}</bdi>
          </span>
        </Button>
      ) : (
        <p className={classes['none']}>Nobody else waits for this room today.</p>
      )}
      <ReasonDialog
        key={asking ?? 'none'}
        opened={asking === 'discontinue'}
        title="Discontinue this scan?"
        reasons={STOPPED}
        confirm="Discontinue the scan"
        danger
        onConfirm={async (reason) => {
          await send({ move: 'discontinue', reason, checks: [] })
          toast('The scan is discontinued.')
        }}
        onClose={() => setAsking(undefined)}
      >
        <p>
          {booking.number_of_images ? `The ${booking.number_of_images} images stay with the order.` : 'No image has come.'} A discontinued step cannot be taken up again; another try is
          scheduled anew.
        </p>
      </ReasonDialog>
      <ReasonDialog
        opened={asking === 'allergies'}
        title="Give contrast in spite of the allergies?"
        reasons={GIVEN_ANYWAY}
        confirm={refused === 'start' ? 'Start with contrast' : 'Make ready with contrast'}
        danger
        onConfirm={async (allergy_reason) => {
          if (refused) await send({ move: refused, checks: checksFor(refused), allergy_reason })
        }}
        onClose={() => setAsking(undefined)}
      >
        <p>
          {booking.patient.allergies?.length ? (
            <>
              Allergies: <strong>{booking.patient.allergies.join(', ')}</strong>.{' '}
            </>
          ) : (
            'Nobody has asked this patient about allergies. '
          )}
          The order asks for contrast.
        </p>
      </ReasonDialog>
      <ConfirmIrreversible
        opened={asking === 'complete'}
        title={booking.number_of_images ? 'Complete in spite of this?' : 'Complete without an image?'}
        confirm={booking.number_of_images ? 'Complete all the same' : 'Complete without an image'}
        onConfirm={() => send({ move: 'complete', checks: [] })}
        onClose={() => setAsking(undefined)}
      >
        {alarms.map((alarm) => (
          <p key={alarm} className={classes['alarm']}>
            <Glyph shape="alert" size={14} /> {alarm}
          </p>
        ))}
        <p>
          {booking.number_of_images
            ? 'A completed step is charged and cannot be taken up again.'
            : 'No image of this order has come. A completed step is charged and cannot be taken up again; if nothing was taken, discontinue it.'}
        </p>
      </ConfirmIrreversible>
      <ReasonDialog
        opened={asking === 'cancel'}
        title="Cancel this appointment?"
        reasons={CALLED_OFF}
        confirm="Cancel the appointment"
        danger
        onConfirm={async (reason) => {
          await http.post(`/api/schedule/appointments/${booking.appointment_pk}/cancellation`, { reason })
          await refresh()
          toast('The appointment is canceled.')
        }}
        onClose={() => setAsking(undefined)}
      >
        <p>The slot is free again; the order stays, to be scheduled another time.</p>
      </ReasonDialog>
      <ReasonDialog
        opened={asking === 'revert'}
        title="Take the step back"
        reasons={UNDONE}
        confirm="Take it back"
        onConfirm={(reason) => send({ move: 'revert', reason, checks: [] })}
        onClose={() => setAsking(undefined)}
      >
        <p>
          {booking.number_of_images
            ? `The ${booking.number_of_images} images stay with this order. If they are another patient's, reconcile them.`
            : 'The order and the appointment go back with it.'}
        </p>
      </ReasonDialog>
    </footer>
  )
}
