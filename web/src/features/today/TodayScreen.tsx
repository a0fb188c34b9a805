import { ActionIcon, Button, SegmentedControl, Tooltip } from '@mantine/core'
import { DatePickerInput } from '@mantine/dates'
import { IconChevronLeft, IconChevronRight, IconPrinter } from '@tabler/icons-react'
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react'
import { http, useLiveEvents } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { load, save } from '@/lib/storage'
import { Age, Outline, ProblemNote, Screen } from '@/ui'
import { CasesInspector } from './CasesInspector'
import { addDays, clockIn, hoursOf, percent, PRIORITY, sameOpened, weekday, zoneOf, type Opened, type Today } from './figures'
import { Figure, Flow, Groups, Hours, OpeningProvider, TurnaroundTable } from './parts'
import classes from './today.module.css'

const LIVE = [
  'order.changed', 'step.changed', 'appointment.changed', 'study.linked', 'study.unmatched', 'report.preliminary', 'report.final',
  'report.addended', 'object.quarantined', 'object.released',
] // prettier-ignore
/** A busy house changes every second; a page of figures need not. */
const AGAIN_MS = 5000

/** The manager's home: the day on one page, each of whose figures opens its cases. */
export default function TodayScreen() {
  const client = useQueryClient()
  const [sitePk, setSitePk] = useState<number | null>(() => load<number | null>('today:site', null))
  const [day, setDay] = useState<string>()
  const [opened, setOpened] = useState<Opened>()
  const query = { site_pk: sitePk, day }
  const found = useQuery({
    queryKey: ['today', 'page', sitePk, day],
    queryFn: ({ signal }) => http.get<Today>('/api/analytics/today', { query, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  })
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const renew = () => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined
      void client.invalidateQueries({ queryKey: ['today', 'page'] })
      void client.invalidateQueries({ queryKey: ['today', 'cases'] })
    }, AGAIN_MS)
  }
  useLiveEvents(LIVE, renew, renew)
  useEffect(() => () => clearTimeout(timer.current), [])

  const today = found.data
  const shownDay = day ?? today?.day
  const go = (days: number) => {
    if (!shownDay || (days > 0 && today?.is_today && !day)) return
    setDay(addDays(shownDay, days))
    setOpened(undefined)
  }
  const toToday = () => {
    setDay(undefined)
    setOpened(undefined)
  }
  useKeys('Day', [
    { keys: 'p', label: 'The day before', run: () => go(-1) },
    { keys: 'n', label: 'The day after', run: () => go(1), disabled: today?.is_today },
    { keys: 't', label: 'Today', run: toToday },
  ])
  const opening = useMemo(
    () => ({ opened, open: (figure: Opened) => setOpened((was) => (sameOpened(was, figure) ? undefined : figure)) }),
    [opened],
  )
  const sites = today?.every_site ?? []

  return (
    <Screen
      title="Today"
      note={today && !today.is_today ? `${weekday(today.day)}, ${today.day}` : undefined}
      body="page"
      actions={
        <>
          {sites.length > 1 ? (
            <SegmentedControl
              aria-label="Site"
              value={sitePk === null ? 'all' : String(sitePk)}
              onChange={(value) => {
                const next = value === 'all' ? null : Number(value)
                setSitePk(next)
                save('today:site', next)
                setOpened(undefined)
              }}
              data={[{ value: 'all', label: 'All sites' }, ...sites.map((one) => ({ value: String(one.site_pk), label: one.code }))]}
            />
          ) : null}
          <div className={classes['days']}>
            <Tooltip label="The day before (p)">
              <ActionIcon aria-label="The day before" onClick={() => go(-1)}>
                <IconChevronLeft size={18} />
              </ActionIcon>
            </Tooltip>
            <DatePickerInput
              aria-label="Day"
              value={shownDay ?? null}
              valueFormat="YYYY-MM-DD"
              onChange={(value) => {
                setDay(value ?? undefined)
                setOpened(undefined)
              }}
              className={classes['day']}
            />
            <Tooltip label="The day after (n)">
              <ActionIcon aria-label="The day after" onClick={() => go(1)} disabled={today?.is_today}>
                <IconChevronRight size={18} />
              </ActionIcon>
            </Tooltip>
          </div>
          {today && !today.is_today ? (
            <Button variant="default" onClick={toToday}>
              Today
            </Button>
          ) : null}
          <Button variant="default" leftSection={<IconPrinter size={16} />} onClick={() => window.print()}>
            Print
          </Button>
        </>
      }
      inspectorLabel="The cases of a figure"
      inspectorHint="Choose any figure: the cases behind it stand here."
      inspector={opened && today ? <CasesInspector opened={opened} sitePk={sitePk} today={today} onClose={() => setOpened(undefined)} /> : null}
    >
      {today ? (
        <OpeningProvider value={opening}>
          <Page today={today} />
        </OpeningProvider>
      ) : found.error ? (
        <ProblemNote error={found.error} title="The figures could not be fetched" onRetry={() => void found.refetch()} />
      ) : (
        <Outline rows={16} />
      )}
    </Screen>
  )
}

function Page({ today }: { today: Today }) {
  const { now, appointments } = today
  const leftOut = today.turnaround.some((one) => one.all.left_out)
  const zone = zoneOf(today)
  const asOf = clockIn(today.made_at, zone)
  return (
    <div className={classes['page']}>
      <header className={classes['head']}>
        <h2>
          {weekday(today.day)}, {today.day}
        </h2>
        <p>
          {today.sites.map((one) => one.institution_name).join(', ')}
          {zone ? '' : ' · each site by its own clock'} · as of {asOf}
        </p>
      </header>

      <div className={classes['main']}>
        <section aria-labelledby="day-flow">
          <h3 id="day-flow">
            The way of the day <small>procedures, and the median time between</small>
          </h3>
          <Flow today={today} />
        </section>

        <section aria-labelledby="day-turnaround">
          <h3 id="day-turnaround">
            Turnaround <small>of the cases that reached the end of a stretch on the day</small>
          </h3>
          <TurnaroundTable rows={today.turnaround} />
          {leftOut ? (
            <p className={classes['foot']}>+n: ended before they began, as images that came before their order. They are not measured.</p>
          ) : null}
        </section>

        <section aria-labelledby="day-hours">
          <h3 id="day-hours">
            Hour by hour <small>procedures</small>
          </h3>
          <Hours today={today} />
        </section>

        <section className={classes['groups']} aria-label="Volumes by group">
          <Groups title="Modality" rows={today.by_modality} part="modality" />
          <div>
            <Groups title="Priority" rows={today.by_priority} part="priority" name={(key) => PRIORITY[key] ?? key} />
            {today.sites.length > 1 ? <Groups title="Site" rows={today.by_site} part="site_code" /> : null}
          </div>
        </section>
      </div>

      <div className={classes['side']}>
        <section aria-labelledby="day-now">
          <h3 id="day-now">
            Now <small>{asOf}</small>
          </h3>
          <dl className={classes['ledger']}>
            <Line label="Waiting to be read" of="waiting" count={now.waiting} strong>
              {now.waiting_oldest_at ? (
                <>
                  oldest <Age since={now.waiting_oldest_at} />
                </>
              ) : null}
            </Line>
            <Line label="STAT among them" of="waiting" priority="STAT" count={now.waiting_stat} inner urgent={now.waiting_stat > 0}>
              {now.waiting_oldest_stat_at ? (
                <>
                  oldest <Age since={now.waiting_oldest_stat_at} />
                </>
              ) : null}
            </Line>
            <Line label="Preliminary, not final" of="waiting_preliminary" count={now.waiting_preliminary} />
            <Line label="Past their time" of="waiting_overdue" count={now.waiting_overdue} urgent={now.waiting_overdue > 0} />
            <Line label="In progress" of="now_in_progress" count={now.in_progress} rule />
            <Line label="Scheduled" of="now_scheduled" count={now.scheduled} />
            <Line label="To be scheduled" of="now_requested" count={now.requested} />
            <Line label="Unmatched studies" of="unmatched" count={now.unmatched} urgent={now.unmatched > 0} rule>
              {now.unmatched_oldest_at ? (
                <>
                  oldest <Age since={now.unmatched_oldest_at} />
                </>
              ) : null}
            </Line>
            <Line label="Quarantined objects" of="quarantined" count={now.quarantined} urgent={now.quarantined > 0}>
              {now.quarantined_oldest_at ? (
                <>
                  oldest <Age since={now.quarantined_oldest_at} />
                </>
              ) : null}
            </Line>
          </dl>
        </section>

        <section aria-labelledby="day-levels">
          <h3 id="day-levels">
            Final in time <small>after the first image</small>
          </h3>
          <dl className={classes['ledger']}>
            {today.service_levels.map((one) => {
              const all = one.met + one.missed
              return (
                <div key={one.priority}>
                  <dt>
                    {PRIORITY[one.priority] ?? one.priority} <small>within {hoursOf(one.allowed_s)}</small>
                  </dt>
                  <dd>
                    {all ? (
                      <>
                        <small>{percent(one.met, all)}</small>
                        <Figure of={{ figure: 'service_level_met', priority: one.priority }} count={one.met} />
                        <small>of {all}</small>
                        {one.missed ? (
                          <Figure of={{ figure: 'service_level_missed', priority: one.priority }} count={one.missed} className={classes['urgent']}>
                            {one.missed} late
                          </Figure>
                        ) : null}
                      </>
                    ) : (
                      <small>none final</small>
                    )}
                  </dd>
                </div>
              )
            })}
          </dl>
        </section>

        <section aria-labelledby="day-appointments">
          <h3 id="day-appointments">Appointments</h3>
          <dl className={classes['ledger']}>
            <Line label="On this day" of="appointments" count={appointments.total} strong />
            <Line label="Kept" of="kept" count={appointments.kept}>
              {percent(appointments.kept, appointments.total)}
            </Line>
            <Line label="No-shows" of="no_show" count={appointments.no_show} urgent={appointments.no_show > 0}>
              {percent(appointments.no_show, appointments.total)}
            </Line>
            <Line label="Canceled" of="appointment_canceled" count={appointments.canceled}>
              {percent(appointments.canceled, appointments.total)}
            </Line>
            <Line label="Orders cancelled" of="order_canceled" count={today.order_canceled} rule />
            <Line label="Examinations discontinued" of="discontinued" count={today.discontinued} />
          </dl>
        </section>
      </div>
    </div>
  )
}

function Line({
  label,
  of,
  priority,
  count,
  children,
  strong,
  inner,
  urgent,
  rule,
}: {
  label: string
  of: string
  priority?: string
  count: number
  children?: ReactNode
  strong?: boolean
  inner?: boolean
  urgent?: boolean
  rule?: boolean
}) {
  return (
    <div data-strong={strong || undefined} data-inner={inner || undefined} data-rule={rule || undefined}>
      <dt>{label}</dt>
      <dd>
        {children ? <small>{children}</small> : null}
        <Figure of={{ figure: of, priority }} count={count} className={urgent ? classes['urgent'] : undefined} />
      </dd>
    </div>
  )
}
