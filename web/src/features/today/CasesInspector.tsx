import { ActionIcon, Button, Tooltip } from '@mantine/core'
import { IconX } from '@tabler/icons-react'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useSession } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { formatSpan } from '@/lib/time'
import { Age, Empty, Outline, PersonName, Priority, ProblemNote, StateSign } from '@/ui'
import { clockIn, FIGURE, partOf, stepsOf, zoneOf, type Case, type CasePage, type Opened, type Today } from './figures'
import classes from './today.module.css'

/** The cases that a figure counts: the longest first where it measures, else the latest first. */
export function CasesInspector({
  opened,
  sitePk,
  today,
  onClose,
}: {
  opened: Opened
  sitePk: number | null
  today: Today
  onClose: () => void
}) {
  const { may } = useSession()
  const { day } = today
  const zoneOfSite = new Map(today.every_site.map((one) => [one.code, one.time_zone]))
  const [chosen, setChosen] = useState<number>()
  const list = useInfiniteQuery({
    queryKey: ['today', 'cases', opened, sitePk, day],
    queryFn: ({ pageParam, signal }) =>
      http.get<CasePage>('/api/analytics/today/cases', { query: { ...opened, site_pk: sitePk, day, cursor: pageParam, limit: 50 }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  })
  useKeys('Cases', [{ keys: 'Escape', label: 'Close the cases', run: onClose }])
  const cases = list.data?.pages.flatMap((page) => page.items)
  const figure = FIGURE[opened.figure]
  const part = partOf(opened)

  return (
    <section className={classes['cases']} aria-label={figure?.title}>
      <header>
        <div>
          <h2>
            {figure?.title}
            {part ? <span> · {part}</span> : null}
          </h2>
          <p>{figure?.counts}</p>
        </div>
        <Tooltip label="Close (Esc)">
          <ActionIcon aria-label="Close the cases" onClick={onClose}>
            <IconX size={16} />
          </ActionIcon>
        </Tooltip>
      </header>
      {cases === undefined ? (
        list.error ? (
          <ProblemNote error={list.error} title="The cases could not be fetched" onRetry={() => void list.refetch()} />
        ) : (
          <Outline rows={8} />
        )
      ) : cases.length === 0 ? (
        <Empty title="No cases any more" hint="The figure changed since the page was made." />
      ) : (
        <ul>
          {cases.map((one) => (
            <li key={one.case_pk}>
              <Row
                one={one}
                figure={opened.figure}
                clock={(moment) => clockIn(moment, zoneOfSite.get(one.site_code ?? '') ?? zoneOf(today), day)}
                open={chosen === one.case_pk}
                mayOpenOrder={may('order.read')}
                onToggle={() => setChosen(chosen === one.case_pk ? undefined : one.case_pk)}
              />
            </li>
          ))}
        </ul>
      )}
      {list.hasNextPage ? (
        <Button variant="default" fullWidth loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          Show more
        </Button>
      ) : null}
    </section>
  )
}

const WAITS = ['waiting', 'waiting_overdue', 'waiting_preliminary', 'unmatched', 'quarantined']

function Row({
  one,
  figure,
  clock,
  open,
  mayOpenOrder,
  onToggle,
}: {
  one: Case
  figure: string
  clock: (moment: string) => string
  open: boolean
  mayOpenOrder: boolean
  onToggle: () => void
}) {
  return (
    <>
      <button type="button" aria-expanded={open} onClick={onToggle} className={classes['case']}>
        <span className={classes['who']}>
          {one.requested_procedure_priority === 'STAT' ? <Priority priority="STAT" /> : null}
          {one.patient_name ? <PersonName value={one.patient_name} first="alphabetic" /> : (one.description ?? 'No description')}
        </span>
        <span className={classes['measure']}>
          {one.span_s !== null ? (
            one.span_s < 0 ? (
              <em>not measured</em>
            ) : (
              formatSpan(one.span_s * 1000)
            )
          ) : WAITS.includes(figure) ? (
            <Age since={one.moment} />
          ) : one.moment ? (
            clock(one.moment)
          ) : null}
        </span>
        <span className={classes['what']}>
          {one.patient_name ? one.description : [one.modality, one.note].filter(Boolean).join(' · ')}
          {one.accession_number ? ` · ${one.accession_number}` : ''}
        </span>
      </button>
      {open ? (
        <div className={classes['way']}>
          <div className={classes['wayHead']}>
            <StateSign state={one.state} of={one.imaging_service_request_pk === null ? undefined : 'order'} />
            {one.patient_id ? (
              <span>
                {one.patient_id} {one.issuer_of_patient_id}
              </span>
            ) : null}
            {one.site_code ? <span>{one.site_code}</span> : null}
          </div>
          {one.note && one.patient_name ? <p>{one.note}</p> : null}
          <ol>
            {stepsOf(one).map((step) => (
              <li key={step.label}>
                <span>{step.label}</span>
                <time dateTime={step.moment}>{clock(step.moment)}</time>
                <span className={classes['after']}>
                  {step.after_ms === undefined
                    ? ''
                    : step.after_ms < 0
                      ? `${formatSpan(-step.after_ms)} before`
                      : `+ ${formatSpan(step.after_ms)}`}
                </span>
              </li>
            ))}
          </ol>
          {mayOpenOrder && one.imaging_service_request_pk !== null ? (
            <Link to={`/orders/${one.imaging_service_request_pk}`}>Open the order</Link>
          ) : null}
        </div>
      ) : null}
    </>
  )
}
