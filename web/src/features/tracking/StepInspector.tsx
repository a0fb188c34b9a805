import { useQuery } from '@tanstack/react-query'
import { http, useLive } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { formatTime } from '@/lib/time'
import { DateTime, Facts, Laterality, Outline, Priority, ProblemNote, Section, StateSign } from '@/ui'
import { timeline } from './rules'
import classes from './tracking.module.css'
import type { BoardRow, Order, Performed } from './types'

/** One case of the board: what it is, where it stands, and what happened when. */
export function StepInspector({ row }: { row: BoardRow }) {
  const orderPk = row.imaging_service_request_pk
  const stepPk = row.scheduled_procedure_step_pk
  useLive(['order.changed'], [['order', orderPk]])
  useLive(['performed_step.changed', 'step.changed', 'study.updated'], [['performed', stepPk]])
  const order = useQuery({
    queryKey: ['order', orderPk],
    queryFn: ({ signal }) => http.get<Order>(`/api/orders/${orderPk}`, { signal }),
  })
  const performed = useQuery({
    queryKey: ['performed', stepPk],
    queryFn: ({ signal }) => http.get<Performed[]>(`/api/steps/${stepPk}/performed`, { signal }),
  })
  const moments = timeline(row, order.data, performed.data ?? [])
  return (
    <>
      <Section title={row.requested_procedure_description} aside={<Laterality value={row.laterality} />}>
        <div className={classes['signs']}>
          <StateSign state={row.scheduled_procedure_step_status} of="step" />
          <Priority priority={row.requested_procedure_priority} />
        </div>
        <Facts
          facts={[
            ['Reason', row.reason_for_the_requested_procedure],
            ['Accession', row.accession_number],
            ['Room', `${row.resource_name} (${row.site_code})`],
            ['Booked', `${formatTime(row.starts_at, row.time_zone)} to ${formatTime(row.ends_at, row.time_zone)}${row.overbooked ? ', beside another' : ''}`],
            ['Referrer', order.data?.imaging_service_request.referring_physician_name ? formatPersonName(order.data.imaging_service_request.referring_physician_name) : null],
            ['Images', row.number_of_images || 'none yet'],
            ['Report', row.reading ? <StateSign key="report" state={row.reading.reading_state} of="report" bare /> : 'none yet'],
          ]}
        />
      </Section>
      <Section title="What happened">
        {order.isPending ? (
          <Outline rows={5} />
        ) : order.error ? (
          <ProblemNote error={order.error} onRetry={() => void order.refetch()} />
        ) : (
          <ol className={classes['timeline']}>
            {moments.map((moment) => (
              <li key={moment.id} data-planned={moment.planned || undefined}>
                <DateTime value={moment.at} zone={row.time_zone} />
                <div>
                  {moment.what}
                  {moment.more ? <span>{moment.more}</span> : null}
                </div>
              </li>
            ))}
          </ol>
        )}
      </Section>
    </>
  )
}
