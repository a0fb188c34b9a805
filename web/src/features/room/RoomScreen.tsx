import { ActionIcon, Button, Select, Tooltip } from '@mantine/core'
import { IconChevronLeft, IconChevronRight } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { useEffect, useMemo, useState } from 'react'
import { http, useLive } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { barOf } from '@/lib/patient'
import { load, save } from '@/lib/storage'
import { Empty, Outline, PatientBar, ProblemNote, Screen, useNow } from '@/ui'
import { comeViewerSoon } from '@/viewer/opening'
import { CurrentPatient } from './CurrentPatient'
import { DayLine } from './DayLine'
import classes from './room.module.css'
import { currentOf, dayIn, inTimeOrder, shiftDay } from './rules'
import type { Booking, Day, Room } from './types'

/** The technologist's home: my room's day as a line, the patient whose turn it is, and the next safe step. */
export default function RoomScreen() {
  const rooms = useQuery({
    queryKey: ['rooms'],
    queryFn: ({ signal }) => http.get<Room[]>('/api/schedule/resources', { signal }),
    staleTime: 300_000,
  })
  useEffect(() => {
    return comeViewerSoon(() => import('./ImagesScreen'))
  }, [])
  const [roomPk, setRoomPk] = useState<number | null>(() => load<number | null>('room', null))
  const room = rooms.data?.find((one) => one.modality_resource_pk === roomPk)
  const choose = (pk: number) => {
    save('room', pk)
    setRoomPk(pk)
  }
  if (rooms.isPending || rooms.error) {
    return (
      <Screen title="My room" body="page">
        {rooms.error ? <ProblemNote error={rooms.error} onRetry={() => void rooms.refetch()} /> : <Outline />}
      </Screen>
    )
  }
  if (!room) return <ChooseRoom rooms={rooms.data} onChoose={choose} />
  return <RoomDay key={room.modality_resource_pk} room={room} rooms={rooms.data} onChoose={choose} />
}

function bySite(rooms: readonly Room[]): [site: string, rooms: Room[]][] {
  const sites = new Map<string, Room[]>()
  for (const room of rooms) if (room.active) sites.set(room.site_code, [...(sites.get(room.site_code) ?? []), room])
  return [...sites]
}

function ChooseRoom({ rooms, onChoose }: { rooms: readonly Room[]; onChoose: (pk: number) => void }) {
  return (
    <Screen title="My room" body="page">
      {rooms.length === 0 ? (
        <Empty title="There is no room yet" hint="An administrator adds the scanners; then you choose yours here." />
      ) : (
        <div className={classes['choose']}>
          <h2>Where do you work today?</h2>
          <p>This browser remembers it until you choose another room.</p>
          {bySite(rooms).map(([site, list]) => (
            <section key={site}>
              <h3>{site}</h3>
              <div>
                {list.map((room) => (
                  <Button key={room.modality_resource_pk} variant="default" size="lg" onClick={() => onChoose(room.modality_resource_pk)}>
                    {room.name}
                  </Button>
                ))}
              </div>
            </section>
          ))}
        </div>
      )}
    </Screen>
  )
}

function RoomDay({ room, rooms, onChoose }: { room: Room; rooms: readonly Room[]; onChoose: (pk: number) => void }) {
  const now = useNow(60_000)
  const today = dayIn(room.time_zone, new Date(now))
  // Undefined follows the calendar: a night shift passes midnight with the screen open.
  const [chosenDay, setChosenDay] = useState<string>()
  const day = chosenDay ?? today
  const pk = room.modality_resource_pk
  useLive(
    ['step.changed', 'appointment.changed', 'order.changed', 'study.updated', 'study.linked', 'patient.changed'],
    [['room-day', pk], ['room-open', pk]],
  )
  const bookings = useQuery({
    queryKey: ['room-day', pk, day],
    queryFn: ({ signal }) => http.get<Day>(`/api/schedule/days/${day}`, { query: { modality_resource_pk: pk }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  })
  // Who was here before midnight and is not done yet is still today's patient.
  const left = useQuery({
    queryKey: ['room-open', pk],
    queryFn: ({ signal }) =>
      http.get<Day>(`/api/schedule/days/${shiftDay(today, -1)}`, { query: { modality_resource_pk: pk }, signal }),
    enabled: day === today,
    refetchInterval: 60_000,
  })
  const line = useMemo(() => {
    const earlier =
      day === today
        ? (left.data?.items ?? []).filter((booking) =>
            ['ARRIVED', 'READY', 'STARTED'].includes(booking.scheduled_procedure_step_status),
          )
        : []
    return inTimeOrder([...earlier, ...(bookings.data?.items ?? [])])
  }, [bookings.data, left.data, day, today])

  // Whose turn it is follows the day until a person chooses; then the choice stays until it is given up.
  const search: { step?: unknown } = useSearch({ strict: false })
  const [chosen, setChosen] = useState<number | undefined>(() => Number(search.step) || undefined)
  const turn = currentOf(line)
  const current = line.find((booking) => booking.scheduled_procedure_step_pk === chosen) ?? turn
  // The patient on the screen never changes under the hand: the turn is taken over only by a press.
  useEffect(() => {
    if (chosen === undefined && current) setChosen(current.scheduled_procedure_step_pk)
  }, [chosen, current])
  const pick = (booking: Booking | undefined) => booking && setChosen(booking.scheduled_procedure_step_pk)
  const at = current ? line.indexOf(current) : -1
  useKeys('Day', [
    { keys: 'j', label: 'Next patient of the line', run: () => pick(line[Math.min(line.length - 1, at + 1)]) },
    { keys: 'k', label: 'Patient before', run: () => pick(line[Math.max(0, at - 1)]) },
    { keys: 't', label: 'Whose turn it is', run: () => pick(turn) },
  ])
  const emergency = line.find(
    (booking) =>
      booking.requested_procedure_priority === 'STAT' &&
      ['SCHEDULED', 'ARRIVED', 'READY'].includes(booking.scheduled_procedure_step_status) &&
      booking !== current,
  )
  const go = (next: string | undefined) => {
    setChosenDay(next === today ? undefined : next)
    setChosen(undefined)
  }

  return (
    <Screen
      title="My room"
      note={`${room.site_code} · ${room.station_ae_title}`}
      actions={
        <>
          <div className={classes['day']}>
            <Tooltip label="The day before">
              <ActionIcon aria-label="The day before" onClick={() => go(shiftDay(day, -1))}>
                <IconChevronLeft size={18} />
              </ActionIcon>
            </Tooltip>
            <Button variant="subtle" onClick={() => go(undefined)} title="Back to today">
              {day === today ? `Today, ${day}` : day}
            </Button>
            <Tooltip label="The day after">
              <ActionIcon aria-label="The day after" onClick={() => go(shiftDay(day, 1))}>
                <IconChevronRight size={18} />
              </ActionIcon>
            </Tooltip>
          </div>
          <Select
            aria-label="Room"
            className={classes['picker']}
            searchable
            allowDeselect={false}
            value={String(pk)}
            onChange={(value) => value && onChoose(Number(value))}
            data={bySite(rooms).map(([site, list]) => ({
              group: site,
              items: list.map((one) => ({ value: String(one.modality_resource_pk), label: one.name })),
            }))}
          />
        </>
      }
      patient={current ? <PatientBar patient={barOf(current.patient)} /> : null}
    >
      {bookings.error && !bookings.data ? (
        <ProblemNote error={bookings.error} title="The day could not be fetched" onRetry={() => void bookings.refetch()} />
      ) : bookings.isPending ? (
        <Outline rows={12} />
      ) : line.length === 0 || !current ? (
        <Empty
          title={`Nobody is booked for ${room.name} on this day`}
          hint="What the front desk books, walk-ins and STAT orders appear here by themselves."
        />
      ) : (
        <div className={classes['room']}>
          <DayLine
            line={line}
            current={current}
            turn={turn}
            emergency={emergency}
            isToday={day === today}
            onPick={pick}
          />
          <CurrentPatient key={current.scheduled_procedure_step_pk} booking={current} line={line} onPick={pick} />
        </div>
      )}
    </Screen>
  )
}
