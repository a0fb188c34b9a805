import { Button, SegmentedControl } from '@mantine/core'
import { DatePickerInput } from '@mantine/dates'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { http, useLive } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { formatSpan } from '@/lib/time'
import { Outline, ProblemNote, useNow } from '@/ui'
import { SCHEDULE_EVENTS } from './data'
import classes from './desk.module.css'
import type { Resource, Slot } from './types'
import { addDays, sayDay, wallDay, wallInstant, wallTime } from './walltime'

/** For what a slot is looked for: something ordered, or a catalogue entry at a site before it is. */
export type SlotsOf = { requested_procedure_pk: number; site_pk?: number } | { procedure_pk: number; site_pk: number }

const PAGE = 6

/** The first fitting free slots, soonest first. Each is one press, or its number with Alt. */
export function SlotPicker({
  of,
  zone,
  resources,
  busy,
  disabled,
  verb,
  onPick,
  children,
}: {
  of: SlotsOf
  zone: string
  resources: readonly Resource[]
  /** The slot being booked. */
  busy?: Slot
  disabled?: boolean
  /** What pressing a slot does: `Book`. */
  verb: string
  onPick: (slot: Slot) => void
  children?: ReactNode
}) {
  const now = useNow(30_000)
  const today = wallDay(now, zone)
  const [from, setFrom] = useState<'now' | 'tomorrow' | string>('now')
  const notBefore = from === 'now' ? undefined : wallInstant(from === 'tomorrow' ? addDays(today, 1) : from, 0, zone).toISOString()
  const slots = useInfiniteQuery({
    queryKey: ['slots', of, notBefore],
    queryFn: ({ pageParam, signal }) => http.get<Slot[]>('/api/schedule/slots', { query: { ...of, not_before: pageParam ?? notBefore }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => (page.length < PAGE ? undefined : page.at(-1)?.starts_at),
  })
  useLive(SCHEDULE_EVENTS, [['slots']])
  // Pages overlap by the moment at which one ends: several scanners may be free then.
  const seen = new Set<string>()
  const all = (slots.data?.pages.flat() ?? []).filter((slot) => {
    const key = slotKey(slot)
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
  useKeys(
    'Slots',
    all.slice(0, 9).map((slot, index) => ({
      keys: `Alt+${index + 1}`,
      label: `${verb} slot ${index + 1}`,
      run: () => onPick(slot),
      inFields: true,
      disabled: disabled || busy !== undefined,
    })),
  )
  const days = [...new Set(all.map((slot) => wallDay(slot.starts_at, zone)))]
  const nameOf = (pk: number) => resources.find((one) => one.modality_resource_pk === pk)?.name ?? ''
  return (
    <div className={classes['slots']}>
      <div className={classes['from']}>
        <SegmentedControl
          aria-label="Not before"
          value={from === 'now' || from === 'tomorrow' ? from : 'date'}
          onChange={(value) => setFrom(value === 'date' ? addDays(today, 7) : value)}
          data={[
            { value: 'now', label: 'Soonest' },
            { value: 'tomorrow', label: 'Tomorrow' },
            { value: 'date', label: 'From a day' },
          ]}
        />
        {from === 'now' || from === 'tomorrow' ? null : (
          <DatePickerInput aria-label="Not before" value={from} minDate={today} valueFormat="ddd YYYY-MM-DD" onChange={(value) => setFrom(value ?? 'now')} />
        )}
      </div>
      {children}
      {slots.error ? <ProblemNote error={slots.error} onRetry={() => void slots.refetch()} /> : null}
      {slots.isPending ? <Outline rows={6} /> : null}
      {slots.data && !all.length ? <p className={classes['quiet']}>No scanner of this kind is free at this site within 60 days from then.</p> : null}
      {days.map((day) => (
        <div key={day} className={classes['slotDay']}>
          <h3>
            {sayDay(day, today)} {day === today || day === addDays(today, 1) ? <span>{day}</span> : null}
          </h3>
          <ul>
            {all.map((slot, index) =>
              wallDay(slot.starts_at, zone) === day ? (
                <li key={slotKey(slot)}>
                  <button
                    type="button"
                    disabled={disabled || busy !== undefined}
                    data-busy={(busy && slotKey(busy) === slotKey(slot)) || undefined}
                    onClick={() => onPick(slot)}
                    title={index < 9 ? `${verb} (Alt ${index + 1})` : verb}
                  >
                    <strong>{wallTime(slot.starts_at, zone)}</strong>
                    <span>{nameOf(slot.modality_resource_pk)}</span>
                    <small>{day === today ? `in ${formatSpan(Math.max(0, Date.parse(slot.starts_at) - now))}` : `to ${wallTime(slot.ends_at, zone)}`}</small>
                    {index < 9 ? <kbd>{index + 1}</kbd> : <span />}
                  </button>
                </li>
              ) : null,
            )}
          </ul>
        </div>
      ))}
      {slots.hasNextPage ? (
        <Button variant="default" loading={slots.isFetchingNextPage} onClick={() => void slots.fetchNextPage()}>
          Later slots
        </Button>
      ) : null}
    </div>
  )
}

const slotKey = (slot: Slot) => `${slot.starts_at} ${slot.modality_resource_pk}`
