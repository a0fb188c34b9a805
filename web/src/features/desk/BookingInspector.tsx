import { Button, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { http } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { asProblem } from '@/lib/problem'
import { Age, Facts, Form, Priority, ProblemNote, Section, StateSign, toast, useNow, useProblemForm } from '@/ui'
import { formatSpan } from '@/lib/time'
import { lateBy, movesOf } from './board'
import classes from './desk.module.css'
import type { Booking } from './types'
import { sayDay, wallDay, wallTime } from './walltime'

const REASONS: readonly string[] = ['Patient asked', 'Patient is ill', 'Not prepared', 'Scanner down', 'Ordered twice']

/** The chosen appointment, with what the desk may do to it now. */
export function BookingInspector({ booking, today, mayWrite, onMove, onReplaced }: { booking: Booking; today: string; mayWrite: boolean; onMove: () => void; onReplaced: (step: number) => void }) {
  const client = useQueryClient()
  const now = useNow(15_000)
  const [canceling, setCanceling] = useState(false)
  const may = movesOf(booking, now)
  const refresh = () =>
    Promise.all([client.invalidateQueries({ queryKey: ['day-board'] }), client.invalidateQueries({ queryKey: ['patient', booking.patient.patient_pk] })])
  const act = useMutation({
    mutationFn: (step: 'arrive' | 'no-show' | 'reinstate'): Promise<Booking | undefined> =>
      step === 'arrive'
        ? http.post<Booking>(`/api/steps/${booking.scheduled_procedure_step_pk}/moves`, { move: 'arrive' })
        : step === 'no-show'
          ? http.post<undefined>(`/api/schedule/appointments/${booking.appointment_pk}/no-show`)
          : http.delete<Booking>(`/api/schedule/appointments/${booking.appointment_pk}/no-show`),
    onSuccess: async (after, step) => {
      toast(step === 'arrive' ? 'Marked as arrived.' : step === 'no-show' ? 'Marked as no-show; the slot is free.' : 'The appointment stands again.')
      await refresh()
      // Who comes after all gets a step of their own.
      if (after && after.scheduled_procedure_step_pk !== booking.scheduled_procedure_step_pk) onReplaced(after.scheduled_procedure_step_pk)
    },
  })
  const cancel = useProblemForm({ initialValues: { reason: '' }, validate: { reason: (value) => (value.trim() ? null : 'Say why') } }, async ({ reason }) => {
    await http.post(`/api/schedule/appointments/${booking.appointment_pk}/cancellation`, { reason: reason.trim() })
    setCanceling(false)
    toast('Canceled. The order waits under “To schedule”.')
    await refresh()
  })
  useKeys('Appointment', [
    { keys: 'a', label: 'Arrived', run: () => act.mutate('arrive'), disabled: !mayWrite || !may.arrive || act.isPending },
    { keys: 'm', label: 'Move to another time', run: onMove, disabled: !mayWrite || !may.move },
    { keys: 'n', label: 'No-show', run: () => act.mutate('no-show'), disabled: !mayWrite || !may.noShow || act.isPending },
    { keys: 'r', label: 'Came after all', run: () => act.mutate('reinstate'), disabled: !mayWrite || !may.reinstate || act.isPending },
    { keys: 'c', label: 'Cancel the appointment', run: () => setCanceling(true), disabled: !mayWrite || !may.cancel },
  ])
  const late = lateBy(booking, now)
  const gone = booking.appointment_state === 'noshow' || booking.appointment_state === 'cancelled'
  const waits = ['ARRIVED', 'READY'].includes(booking.scheduled_procedure_step_status)

  return (
    <>
      <Section title={booking.requested_procedure_description}>
        <div className={classes['signs']}>
          {gone ? (
            <StateSign state={booking.appointment_state === 'noshow' ? 'no_show' : 'canceled'} of="appointment" />
          ) : (
            <StateSign state={booking.scheduled_procedure_step_status} of="step" />
          )}
          <Priority priority={booking.requested_procedure_priority} />
          {booking.overbook_reason ? <span className={classes['mark']}>{booking.overbook_reason === 'walk-in' ? 'Walk-in' : 'Overbooked'}</span> : null}
        </div>
        <div className={classes['when']}>
          <strong>
            {wallTime(booking.starts_at, booking.time_zone)}–{wallTime(booking.ends_at, booking.time_zone)}
          </strong>
          <span>
            {sayDay(wallDay(booking.starts_at, booking.time_zone), today)}, {booking.resource_name}
          </span>
          {late >= 5 ? <b>{formatSpan(late * 60_000)} late</b> : null}
          {waits ? (
            <span>
              waits <Age since={booking.status_changed_at} />
            </span>
          ) : null}
        </div>
        {mayWrite ? (
          <div className={classes['actions']}>
            {may.arrive ? (
              <Button fullWidth loading={act.isPending && act.variables === 'arrive'} onClick={() => act.mutate('arrive')} rightSection={<kbd>A</kbd>}>
                The patient is here
              </Button>
            ) : null}
            {may.reinstate ? (
              <Button fullWidth loading={act.isPending && act.variables === 'reinstate'} onClick={() => act.mutate('reinstate')} rightSection={<kbd>R</kbd>}>
                Came after all: give the slot back
              </Button>
            ) : null}
            {may.move ? (
              <Button variant="default" onClick={onMove} rightSection={<kbd>M</kbd>}>
                Move
              </Button>
            ) : null}
            {may.noShow ? (
              <Button
                variant="default"
                loading={act.isPending && act.variables === 'no-show'}
                onClick={() => act.mutate('no-show')}
                rightSection={<kbd>N</kbd>}
              >
                No-show
              </Button>
            ) : null}
            {may.cancel && !canceling ? (
              <Button variant="default" onClick={() => setCanceling(true)} rightSection={<kbd>C</kbd>}>
                Cancel
              </Button>
            ) : null}
          </div>
        ) : null}
        {act.error ? <ProblemNote error={asProblem(act.error)} title="This was not done" /> : null}
        {canceling ? (
          <div className={classes['sheet']}>
            <Form of={cancel} submit="Cancel the appointment" back="Leave it" onCancel={() => setCanceling(false)}>
              <TextInput
                label="Why is it canceled?"
                description="The slot is free again; the order stays to be scheduled."
                maxLength={200}
                autoFocus
                {...cancel.form.getInputProps('reason')}
              />
              <div className={classes['chips']}>
                {REASONS.map((reason) => (
                  <Button key={reason} variant="default" onClick={() => cancel.form.setFieldValue('reason', reason)}>
                    {reason}
                  </Button>
                ))}
              </div>
            </Form>
          </div>
        ) : null}
      </Section>
      <Section title="Order">
        <Facts
          facts={[
            ['Overbooked', booking.overbook_reason === 'walk-in' ? null : booking.overbook_reason],
            ['Canceled', booking.appointment_state === 'cancelled' ? booking.cancel_reason : null],
            ['Accession', booking.accession_number],
            ['Reason', booking.reason_for_the_requested_procedure],
            ['Images', booking.number_of_images || null],
          ]}
        />
        <div className={classes['links']}>
          <Button component={Link} to={`/patients/${booking.patient.patient_pk}`} variant="default">
            Patient’s record
          </Button>
          <Button component={Link} to={`/orders/${booking.imaging_service_request_pk}`} variant="default">
            Whole order
          </Button>
        </div>
      </Section>
    </>
  )
}
