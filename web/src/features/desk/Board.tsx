import { useMediaQuery } from '@mantine/hooks'
import { useEffect, useLayoutEffect, useRef, useState, type PointerEvent } from 'react'
import { formatGroup, parsePersonName } from '@/lib/personname'
import { formatSpan } from '@/lib/time'
import { Glyph, stateLook } from '@/ui'
import { fittingFor, isGone, lateBy, movesOf, place, snap, type Placed, type Proposal } from './board'
import classes from './board.module.css'
import type { Booking, Resource } from './types'
import { clock, minutesOf, wallDay, wallMinutes, wallTime, weekday } from './walltime'

const LATE_MINUTES = 5
const DRAG_PX = 4
const TWO_LINES_PX = 33
const COLUMN_PX = 148
const LANE_PX = 84

export interface Moving {
  booking: Booking
  proposal: Proposal
}

export interface FreeTime {
  resource: Resource
  start: number
}

/** What stands for a name where there is little room: the alphabetic group, or what there is. */
export function shortName(value: string): string {
  const parts = parsePersonName(value)
  const name = parts.alphabetic ?? parts.ideographic ?? parts.phonetic
  return name ? formatGroup(name, parts.alphabetic ? 'alphabetic' : 'ideographic') : 'Name not given'
}

/** Scanners across, the day downwards: who lies where, what is free, and where the present is. */
export function Board({
  day,
  now,
  resources,
  bookings,
  hours,
  currentPk,
  free,
  moving,
  onChoose,
  onFree,
  onMoving,
}: {
  day: string
  now: number
  resources: readonly Resource[]
  bookings: readonly Booking[]
  hours: { from: number; to: number }
  currentPk: number | undefined
  free: FreeTime | undefined
  moving: Moving | undefined
  onChoose: (booking: Booking) => void
  onFree: (free: FreeTime) => void
  /** A drag, or a tap while something is being moved, proposes another place. */
  onMoving: (moving: Moving | undefined) => void
}) {
  const coarse = useMediaQuery('(pointer: coarse)', false, { getInitialValueInEffect: false })
  const perMinute = coarse ? 3.2 : 2.4
  const scroller = useRef<HTMLDivElement>(null)
  const columns = useRef(new Map<number, HTMLDivElement>())
  const drag = useRef<{ booking: Booking; x: number; y: number; grab: number; on: boolean } | undefined>(undefined)
  const [dragging, setDragging] = useState(false)
  const zone = resources[0]?.time_zone ?? 'UTC'
  const isToday = wallDay(now, zone) === day
  const nowMinutes = wallMinutes(now, zone)
  const height = (hours.to - hours.from) * perMinute
  const top = (minutes: number) => (minutes - hours.from) * perMinute
  const length = (booking: Booking) => Math.round((Date.parse(booking.ends_at) - Date.parse(booking.starts_at)) / 60_000)

  // The day opens at what matters: the present in the upper part, or its first booking.
  const first = bookings.length ? Math.min(...bookings.map((one) => wallMinutes(one.starts_at, one.time_zone))) : 8 * 60
  const opening = isToday ? nowMinutes : first
  const opened = useRef('')
  const siteOfBoard = resources[0]?.site_pk
  useEffect(() => {
    const key = `${day} ${siteOfBoard}`
    const element = scroller.current
    if (opened.current === key || !element || !siteOfBoard) return
    opened.current = key
    element.scrollTop = Math.max(0, (opening - hours.from) * perMinute - element.clientHeight * (isToday ? 0.3 : 0.08))
  }, [day, siteOfBoard, opening, hours.from, perMinute, isToday])

  // The patient bar comes and goes above the board: what is under the pointer stays there.
  const stood = useRef<number>(undefined)
  useLayoutEffect(() => {
    const element = scroller.current
    if (!element) return
    const at = element.getBoundingClientRect().top
    if (stood.current !== undefined && stood.current !== at) element.scrollTop += at - stood.current
    stood.current = at
  })

  // Whoever is chosen by keys is brought into view.
  const chosen = bookings.find((one) => one.scheduled_procedure_step_pk === currentPk)
  useEffect(() => {
    if (!chosen) return
    scroller.current?.querySelector('[aria-pressed="true"]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [chosen])
  useEffect(() => {
    if (moving && !drag.current) scroller.current?.querySelector('[data-ghost]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [moving])

  const minutesAt = (clientY: number, column: HTMLElement) =>
    Math.min(hours.to - 5, Math.max(hours.from, hours.from + (clientY - column.getBoundingClientRect().top) / perMinute))
  const columnAt = (clientX: number) =>
    [...columns.current].find(([, element]) => {
      const box = element.getBoundingClientRect()
      return clientX >= box.left && clientX < box.right
    })

  const start = (booking: Booking) => (event: PointerEvent<HTMLButtonElement>) => {
    if (event.pointerType !== 'mouse' || event.button !== 0 || !movesOf(booking).move) return
    drag.current = { booking, x: event.clientX, y: event.clientY, grab: event.clientY - event.currentTarget.getBoundingClientRect().top, on: false }
    event.currentTarget.setPointerCapture(event.pointerId)
  }
  const drawOn = (event: PointerEvent<HTMLButtonElement>) => {
    const held = drag.current
    if (!held) return
    if (!held.on && Math.hypot(event.clientX - held.x, event.clientY - held.y) < DRAG_PX) return
    if (!held.on) {
      held.on = true
      setDragging(true)
      onChoose(held.booking)
    }
    const fitting = new Set(fittingFor(held.booking, resources).map((one) => one.modality_resource_pk))
    const over = columnAt(event.clientX)
    const at = over && fitting.has(over[0]) ? over : undefined
    const [pk, column] = at ?? [moving?.proposal.modality_resource_pk ?? held.booking.modality_resource_pk, columns.current.get(held.booking.modality_resource_pk)]
    if (!column) return
    const latest = hours.to - length(held.booking)
    onMoving({
      booking: held.booking,
      proposal: { modality_resource_pk: pk, start: Math.max(hours.from, Math.min(latest, snap(minutesAt(event.clientY - held.grab, column)))) },
    })
  }
  const drop = () => {
    const held = drag.current
    drag.current = undefined
    setDragging(false)
    return held?.on ?? false
  }

  const dropped = useRef(false)
  const placed = new Map(resources.map(({ modality_resource_pk: pk }) => [pk, place(bookings.filter((one) => one.modality_resource_pk === pk), day)]))
  // Where many stand side by side, the scanner gets the room that their names need.
  const widths = resources.map(({ modality_resource_pk: pk }) => {
    const lanes = Math.max(1, ...(placed.get(pk) ?? []).map((one) => one.lanes))
    return `minmax(${Math.max(COLUMN_PX, lanes * LANE_PX)}px, ${lanes > 2 ? lanes / 2 : 1}fr)`
  })
  const fitting = moving ? new Set(fittingFor(moving.booking, resources).map((one) => one.modality_resource_pk)) : undefined

  return (
    <div className={classes['scroller']} ref={scroller} data-dragging={dragging || undefined}>
      <div className={classes['board']} style={{ gridTemplateColumns: `56px ${widths.join(' ')}` }}>
        <div className={classes['corner']}>{zoneName(zone, now)}</div>
        {resources.map((resource) => {
          const waiting = bookings.filter(
            (one) => one.modality_resource_pk === resource.modality_resource_pk && ['ARRIVED', 'READY'].includes(one.scheduled_procedure_step_status),
          ).length
          return (
            <div key={resource.modality_resource_pk} className={classes['head']} data-unfit={fitting && !fitting.has(resource.modality_resource_pk) ? true : undefined}>
              <strong>{resource.name}</strong>
              <span>{waiting ? `${waiting} waiting` : resource.modality}</span>
            </div>
          )
        })}
        <div className={classes['gutter']} style={{ height }} aria-hidden>
          {Array.from({ length: (hours.to - hours.from) / 60 }, (_, index) => hours.from + index * 60).map((minutes) => (
            <span key={minutes} style={{ top: top(minutes) }} data-first={minutes === hours.from || undefined}>
              {clock(minutes)}
            </span>
          ))}
          {isToday && nowMinutes >= hours.from && nowMinutes < hours.to ? (
            <b style={{ top: top(nowMinutes) }}>{clock(nowMinutes)}</b>
          ) : null}
        </div>
        {resources.map((resource) => {
          const pk = resource.modality_resource_pk
          const opensAt = minutesOf(resource.opens)
          const closesAt = minutesOf(resource.closes)
          const closed = !resource.active || !resource.weekdays.includes(weekday(day))
          const shut: [number, number][] = closed
            ? [[hours.from, hours.to]]
            : [
                [hours.from, Math.max(hours.from, opensAt)],
                [Math.min(hours.to, closesAt), hours.to],
              ]
          return (
            // The keys of the screen do all of this without a pointer.
            // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions
            <div
              key={pk}
              className={classes['column']}
              style={{ height, '--hour': `${60 * perMinute}px` } as React.CSSProperties}
              data-unfit={fitting && !fitting.has(pk) ? true : undefined}
              ref={(element) => {
                if (element) columns.current.set(pk, element)
                return () => {
                  columns.current.delete(pk)
                }
              }}
              onClick={(event) => {
                if (event.target !== event.currentTarget || closed) return
                const at = minutesAt(event.clientY, event.currentTarget)
                if (moving) {
                  if (fitting?.has(pk)) onMoving({ booking: moving.booking, proposal: { modality_resource_pk: pk, start: snap(at) } })
                } else onFree({ resource, start: Math.floor(at / 15) * 15 })
              }}
            >
              {shut
                .filter(([from, to]) => to > from)
                .map(([from, to]) => (
                  <div key={from} className={classes['shut']} style={{ top: top(from), height: (to - from) * perMinute }}>
                    {closed ? 'Closed' : null}
                  </div>
                ))}
              {(placed.get(pk) ?? []).map((one) => (
                <Block
                  key={one.booking.scheduled_procedure_step_pk}
                  placed={one}
                  top={top(one.start)}
                  height={(one.end - one.start) * perMinute - 2}
                  now={now}
                  current={one.booking.scheduled_procedure_step_pk === currentPk}
                  leaving={moving?.booking.scheduled_procedure_step_pk === one.booking.scheduled_procedure_step_pk}
                  onPointerDown={start(one.booking)}
                  onPointerMove={drawOn}
                  onPointerUp={() => {
                    dropped.current = drop()
                  }}
                  onPointerCancel={() => {
                    if (drop()) onMoving(undefined)
                  }}
                  onClick={() => {
                    if (!dropped.current) onChoose(one.booking)
                    dropped.current = false
                  }}
                />
              ))}
              {free && free.resource.modality_resource_pk === pk && !moving ? (
                <div className={classes['free']} style={{ top: top(free.start), height: 15 * perMinute }}>
                  {clock(free.start)} free
                </div>
              ) : null}
              {moving && moving.proposal.modality_resource_pk === pk ? (
                <div
                  className={classes['ghost']}
                  data-ghost
                  style={{ top: top(moving.proposal.start), height: Math.max(20, length(moving.booking) * perMinute - 2) }}
                >
                  {clock(moving.proposal.start)} {shortName(moving.booking.patient.patient_name)}
                </div>
              ) : null}
              {isToday && nowMinutes >= hours.from && nowMinutes < hours.to ? (
                <div className={classes['now']} style={{ top: top(nowMinutes) }} />
              ) : null}
            </div>
          )
        })}
      </div>
    </div>
  )
}

/** `EST`: whose clock the board shows, where that is not plain. */
function zoneName(zone: string, now: number): string {
  const named = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'short' }).formatToParts(now)
  return named.find((part) => part.type === 'timeZoneName')?.value ?? zone
}

interface BlockProps {
  placed: Placed
  top: number
  height: number
  now: number
  current: boolean
  leaving: boolean
  onPointerDown: (event: PointerEvent<HTMLButtonElement>) => void
  onPointerMove: (event: PointerEvent<HTMLButtonElement>) => void
  onPointerUp: () => void
  onPointerCancel: () => void
  onClick: () => void
}

function Block({ placed, top, height, now, current, leaving, ...events }: BlockProps) {
  const { booking, lane, lanes } = placed
  const state = booking.appointment_state === 'noshow' || booking.appointment_state === 'cancelled' ? booking.appointment_state : booking.scheduled_procedure_step_status
  const look = stateLook(state === 'noshow' ? 'no_show' : state, 'step')
  const time = wallTime(booking.starts_at, booking.time_zone)
  const late = lateBy(booking, now)
  const priority = booking.requested_procedure_priority
  const waits = ['ARRIVED', 'READY'].includes(booking.scheduled_procedure_step_status)
  const name = shortName(booking.patient.patient_name)
  const spoken = [time, name, booking.requested_procedure_description, look.word, priority === 'ROUTINE' ? '' : priority === 'HIGH' ? 'urgent' : priority]
  const mark = priority === 'STAT' ? <em>STAT</em> : priority === 'HIGH' ? <em data-high>Urgent</em> : null
  // Side by side there is room for the name, or for the flag beside it: then the flag takes the procedure's place.
  const narrow = lanes > 1 && height >= TWO_LINES_PX
  return (
    <button
      type="button"
      className={classes['block']}
      style={{ top, height, left: `calc(${(lane / lanes) * 100}% + 2px)`, width: `calc(${100 / lanes}% - 4px)` }}
      data-tint={look.tint}
      data-gone={isGone(booking) || undefined}
      data-done={booking.scheduled_procedure_step_status === 'COMPLETED' || undefined}
      data-begun={booking.scheduled_procedure_step_status === 'STARTED' || undefined}
      data-stat={priority === 'STAT' || undefined}
      data-movable={movesOf(booking).move || undefined}
      data-leaving={leaving || undefined}
      data-step={booking.scheduled_procedure_step_pk}
      aria-pressed={current}
      aria-label={spoken.filter(Boolean).join(', ')}
      title={spoken.filter(Boolean).join(' · ')}
      {...events}
    >
      <span className={classes['line']}>
        <Glyph shape={look.shape} size={13} />
        <b>{name}</b>
        {height < TWO_LINES_PX ? <i>{booking.requested_procedure_description}</i> : null}
        {narrow ? null : mark}
      </span>
      {height < TWO_LINES_PX ? null : (
        <span className={classes['line']}>
          <span>{time}</span>
          {narrow && mark ? mark : <i>{booking.requested_procedure_description}</i>}
          {late >= LATE_MINUTES ? <small>{formatSpan(late * 60_000)} late</small> : null}
          {waits && lanes === 1 ? <small data-calm>waits {formatSpan(now - Date.parse(booking.status_changed_at))}</small> : null}
        </span>
      )}
    </button>
  )
}
