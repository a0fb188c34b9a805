import { ActionIcon, Button, SegmentedControl, Switch, Tooltip } from '@mantine/core'
import { DatePickerInput } from '@mantine/dates'
import { useMediaQuery } from '@mantine/hooks'
import { IconCalendarPlus, IconChevronLeft, IconChevronRight, IconWalk } from '@tabler/icons-react'
import { useNavigate } from '@tanstack/react-router'
import { useMemo, useRef, useState } from 'react'
import { useLive, useSession } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { Empty, Outline, PatientBar, ProblemNote, Screen, Section, useNow } from '@/ui'
import { Board, type FreeTime, type Moving } from './Board'
import { fittingFor, hoursOf, isGone, movesOf, shownOn } from './board'
import { BookingInspector } from './BookingInspector'
import { SCHEDULE_EVENTS, useDay, useResources, useSite } from './data'
import classes from './desk.module.css'
import { MoveBar } from './MoveBar'
import { PatientFinder } from './PatientFinder'
import { PatientInspector } from './PatientInspector'
import { barOf, type Booking, type FoundPatient } from './types'
import { addDays, clock, wallDay, wallInstant, wallMinutes, weekdayName } from './walltime'

/** The front desk's home: the day of every scanner, and the patient who stands before you. */
export default function DayScreen() {
  const { may } = useSession()
  const navigate = useNavigate()
  const now = useNow(15_000)
  const { sites, site, choose, error: sitesError } = useSite()
  const resources = useResources()
  const [chosenDay, setChosenDay] = useState<string>()
  const [currentPk, setCurrentPk] = useState<number>()
  const [found, setFound] = useState<FoundPatient>()
  const [free, setFree] = useState<FreeTime>()
  const [moving, setMoving] = useState<Moving>()
  const [canceledToo, setCanceledToo] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  // Where the inspector is a sheet over the board, it makes room while something is being moved.
  const narrow = useMediaQuery('(max-width: 1100px)', false, { getInitialValueInEffect: false })
  const mayWrite = may('schedule.write') && may('order.write')

  const zone = site?.time_zone ?? 'UTC'
  const today = wallDay(now, zone)
  const day = chosenDay ?? today
  const board = useDay(day, site?.site_pk)
  useLive(SCHEDULE_EVENTS, [['day-board'], ['patient']])
  const mine = useMemo(
    () => (resources.data ?? []).filter((one) => one.site_pk === site?.site_pk && (one.active || board.data?.items.some((other) => other.modality_resource_pk === one.modality_resource_pk))),
    [resources.data, site, board.data],
  )
  const shown = useMemo(() => shownOn(board.data?.items ?? [], canceledToo), [board.data, canceledToo])
  const hours = useMemo(() => hoursOf(mine, shown, day), [mine, shown, day])
  const current = shown.find((one) => one.scheduled_procedure_step_pk === currentPk)
  const inOrder = useMemo(() => [...shown].sort((one, other) => Date.parse(one.starts_at) - Date.parse(other.starts_at)), [shown])

  const clear = () => {
    setCurrentPk(undefined)
    setFound(undefined)
    setFree(undefined)
  }
  const goTo = (next: string) => {
    setChosenDay(next === today ? undefined : next)
    if (!moving) setCurrentPk(undefined)
    setFree(undefined)
  }
  const chooseBooking = (booking: Booking) => {
    if (moving && moving.booking.scheduled_procedure_step_pk !== booking.scheduled_procedure_step_pk) setMoving(undefined)
    clear()
    setCurrentPk(booking.scheduled_procedure_step_pk)
  }
  const step = (by: number) => {
    if (!inOrder.length) return
    const at = inOrder.findIndex((one) => one.scheduled_procedure_step_pk === currentPk)
    const fromNow = inOrder.findIndex((one) => Date.parse(one.starts_at) >= now)
    const next = inOrder[at < 0 ? Math.max(0, fromNow) : Math.min(inOrder.length - 1, Math.max(0, at + by))]
    if (next) chooseBooking(next)
  }
  const book = (patientPk?: number) => {
    const at = free ? { resource: free.resource.modality_resource_pk, at: wallInstant(day, free.start, zone).toISOString() } : {}
    void navigate({ to: patientPk ? `/desk/book/${patientPk}` : '/desk/book', search: at })
  }
  const beginMove = (booking: Booking) => {
    if (!movesOf(booking).move) return
    setMoving({
      booking,
      proposal: { modality_resource_pk: booking.modality_resource_pk, start: wallMinutes(booking.starts_at, booking.time_zone) },
    })
  }
  const chooseSite = (value: string) => {
    choose(Number(value))
    setMoving(undefined)
    clear()
  }

  useKeys('Day board', [
    { keys: '/', label: 'Find a patient', run: () => field.current?.focus() },
    { keys: 'j', label: 'Next appointment', run: () => step(1) },
    { keys: 'k', label: 'Previous appointment', run: () => step(-1) },
    { keys: 'ArrowLeft', label: 'Day before', run: () => goTo(addDays(day, -1)), disabled: moving !== undefined },
    { keys: 'ArrowRight', label: 'Day after', run: () => goTo(addDays(day, 1)), disabled: moving !== undefined },
    { keys: '[', label: 'Day before', run: () => goTo(addDays(day, -1)) },
    { keys: ']', label: 'Day after', run: () => goTo(addDays(day, 1)) },
    { keys: 't', label: 'Today', run: () => goTo(today) },
    { keys: 'b', label: 'Book', run: () => book(found?.bar.patient_pk ?? current?.patient.patient_pk), disabled: !mayWrite },
    { keys: 'Escape', label: 'Choose nothing', run: clear, disabled: moving !== undefined },
  ])

  const bar = current?.patient ?? found?.bar
  const standing = shown.filter((one) => !isGone(one))
  const waiting = standing.filter((one) => ['ARRIVED', 'READY'].includes(one.scheduled_procedure_step_status)).length
  const error = sitesError ?? resources.error ?? (board.data ? null : board.error)

  return (
    <Screen
      title="Day board"
      note={board.data ? `${standing.length} booked${waiting ? `, ${waiting} waiting` : ''}` : undefined}
      actions={
        mayWrite ? (
          <>
            <Button variant="default" leftSection={<IconWalk size={16} />} onClick={() => void navigate({ to: '/desk/book', search: { now: true } })}>
              Walk-in
            </Button>
            <Button leftSection={<IconCalendarPlus size={16} />} onClick={() => book(found?.bar.patient_pk ?? current?.patient.patient_pk)}>
              Book
            </Button>
          </>
        ) : null
      }
      patient={bar ? <PatientBar patient={barOf(bar)} /> : null}
      inspectorLabel="The chosen appointment"
      inspectorHint="Choose an appointment, press a free time, or type who stands before you."
      inspector={
        moving && narrow ? null : current ? (
          <BookingInspector
            key={current.scheduled_procedure_step_pk}
            booking={current}
            today={today}
            mayWrite={mayWrite}
            onMove={() => beginMove(current)}
            onReplaced={setCurrentPk}
          />
        ) : found ? (
          <PatientInspector
            key={found.bar.patient_pk}
            found={found}
            today={today}
            free={free}
            mayWrite={mayWrite}
            onBook={() => book(found.bar.patient_pk)}
            onShow={(booking) => {
              const other = resources.data?.find((one) => one.modality_resource_pk === booking.modality_resource_pk)
              if (other && other.site_pk !== site?.site_pk) choose(other.site_pk)
              goTo(wallDay(booking.starts_at, booking.time_zone))
              chooseBooking(booking)
            }}
          />
        ) : free && mayWrite ? (
          <Section title={`${clock(free.start)}, ${free.resource.name}`}>
            <p className={classes['quiet']}>Free. Type the patient’s name above, or book and choose the patient there.</p>
            <div className={classes['actions']}>
              <Button fullWidth onClick={() => book()} rightSection={<kbd>B</kbd>}>
                Book this time
              </Button>
            </div>
          </Section>
        ) : null
      }
    >
      <div className={classes['toolbar']}>
        <PatientFinder
          field={field}
          label="Find a patient"
          onFound={(one) => {
            const here = standing.find((booking) => booking.patient.patient_pk === one.bar.patient_pk && booking.scheduled_procedure_step_status !== 'COMPLETED')
            setMoving(undefined)
            if (here && !free) chooseBooking(here)
            else {
              setCurrentPk(undefined)
              setFound(one)
            }
            field.current?.blur()
          }}
          onRegister={mayWrite ? (typed) => void navigate({ to: '/desk/book', search: {}, state: { typed } as never }) : undefined}
        />
        <div className={classes['days']}>
          <Tooltip label="Day before">
            <ActionIcon aria-label="Day before" onClick={() => goTo(addDays(day, -1))}>
              <IconChevronLeft size={18} />
            </ActionIcon>
          </Tooltip>
          <DatePickerInput
            aria-label="Day"
            value={day}
            valueFormat="ddd YYYY-MM-DD"
            onChange={(value) => {
              if (value) goTo(value)
            }}
            className={classes['date']}
          />
          <Tooltip label="Day after">
            <ActionIcon aria-label="Day after" onClick={() => goTo(addDays(day, 1))}>
              <IconChevronRight size={18} />
            </ActionIcon>
          </Tooltip>
          <Button variant="default" onClick={() => goTo(today)} disabled={day === today}>
            Today
          </Button>
        </div>
        {sites.length > 1 ? (
          <SegmentedControl
            aria-label="Site"
            value={String(site?.site_pk ?? '')}
            onChange={chooseSite}
            data={sites.map((one) => ({ value: String(one.site_pk), label: one.institution_name }))}
          />
        ) : null}
        <Switch label="Canceled too" checked={canceledToo} onChange={(event) => setCanceledToo(event.currentTarget.checked)} className={classes['switch']} />
      </div>
      {error ? (
        <ProblemNote error={error} onRetry={() => void board.refetch()} />
      ) : !board.data || !resources.data ? (
        <Outline rows={12} />
      ) : mine.length ? (
        <>
          <Board
            day={day}
            now={now}
            resources={mine}
            bookings={shown}
            hours={hours}
            currentPk={currentPk}
            free={free}
            moving={moving}
            onChoose={chooseBooking}
            onFree={(time) => {
              setCurrentPk(undefined)
              setFree(time)
            }}
            onMoving={(next) => setMoving(mayWrite ? next : undefined)}
          />
          {moving ? (
            <MoveBar
              key={moving.booking.scheduled_procedure_step_pk}
              moving={moving}
              day={day}
              today={today}
              resources={fittingFor(moving.booking, mine)}
              onMoving={setMoving}
              onDone={() => setMoving(undefined)}
            />
          ) : null}
        </>
      ) : (
        <Empty title="This site has no scanner yet" hint={`An administrator adds the scanners of ${site?.institution_name ?? 'a site'}; then ${weekdayName(day)} stands here.`} />
      )}
    </Screen>
  )
}
