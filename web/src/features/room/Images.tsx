import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useLive, useSession, type Answer } from '@/lib/api'
import { Age, Glyph, Laterality, ProblemNote, StateSign, useNow } from '@/ui'
import classes from './room.module.css'
import { completeness } from './rules'
import type { Booking, Performed, Series, StudyDetail } from './types'

const ARRIVING_MS = 15_000

/** What came, series by series, while it comes; and whether anything is missing. */
export function Images({
  booking,
  performed,
  studies,
  pending,
  error,
}: {
  booking: Booking
  performed: readonly Performed[]
  studies: readonly StudyDetail[]
  pending: boolean
  error: unknown
}) {
  const now = useNow(1000)
  const navigate = useNavigate()
  const series = studies.flatMap((study) => study.series)
  const status = booking.scheduled_procedure_step_status
  const latest = booking.studies.map((study) => study.updated_at).sort().at(-1)
  const arriving = latest !== undefined && now - Date.parse(latest) < ARRIVING_MS
  const after = ['STARTED', 'COMPLETED', 'DISCONTINUED'].includes(status)
  return (
    <section className={classes['panel']} aria-labelledby="images-title">
      <header>
        <h3 id="images-title">Images</h3>
        {arriving ? (
          <StateSign state="receiving" of="object" />
        ) : latest ? (
          <span>
            last one <Age since={latest} /> ago
          </span>
        ) : null}
      </header>
      {error ? <ProblemNote error={error} title="The series could not be fetched" safe="The images themselves are kept." /> : null}
      {booking.studies.length === 0 ? (
        <p className={classes['none']}>
          {status === 'STARTED'
            ? 'None came yet. They appear here while the scanner sends.'
            : after
              ? 'None came.'
              : 'They appear here while the scanner sends, with no need to reload.'}
        </p>
      ) : (
        <>
          <div className={classes['total']}>
            <p aria-live="polite">
              <strong>{booking.number_of_images.toLocaleString()}</strong> {booking.number_of_images === 1 ? 'image' : 'images'} in{' '}
              <strong>{series.length}</strong> series
            </p>
            {booking.studies.map((study, index) => (
              <Button
                key={study.study_pk}
                variant="default"
                onClick={() =>
                  void navigate({
                    to: '/room/$studyPk/images',
                    params: { studyPk: String(study.study_pk) },
                    search: { step: booking.scheduled_procedure_step_pk },
                  })
                }
              >
                {booking.studies.length > 1 ? `Look at study ${index + 1}` : 'Look at the images'}
              </Button>
            ))}
          </div>
          {pending && series.length === 0 ? null : (
            <ul className={classes['series']}>
              {series.map((one) => (
                <SeriesTile key={one.series_pk} series={one} />
              ))}
            </ul>
          )}
        </>
      )}
      {after ? <Missing booking={booking} performed={performed} series={series} arriving={arriving} settled={!pending} /> : null}
    </section>
  )
}

function SeriesTile({ series }: { series: Series }) {
  const [broken, setBroken] = useState(false)
  const name = series.series_description ?? `Series ${series.series_number ?? ''}`
  const count = series.number_of_series_related_instances
  return (
    <li className={classes['tile']}>
      <div className={classes['thumb']}>
        {series.thumbnail_url && !broken ? (
          <img src={`${series.thumbnail_url}?viewport=192,192`} alt={`From the middle of ${name}`} loading="lazy" onError={() => setBroken(true)} />
        ) : (
          <span>No picture</span>
        )}
        <b>{count}</b>
      </div>
      <div className={classes['tileName']} title={name}>
        {name}
      </div>
      <div className={classes['tileFacts']}>
        {[series.series_number === null ? null : `No. ${series.series_number}`, series.modality].filter(Boolean).join(' · ')}{' '}
        <Laterality value={series.laterality} />
      </div>
    </li>
  )
}

type Waiting = Answer<'/api/reconciliation', 'get'>

function Missing({
  booking,
  performed,
  series,
  arriving,
  settled,
}: {
  booking: Booking
  performed: readonly Performed[]
  series: readonly Series[]
  arriving: boolean
  settled: boolean
}) {
  const { may } = useSession()
  const reconciles = may('study.reconcile')
  useLive(['study.unmatched', 'study.linked'], [['reconciliation']])
  const waiting = useQuery({
    queryKey: ['reconciliation'],
    queryFn: ({ signal }) => http.get<Waiting>('/api/reconciliation', { signal }),
    enabled: reconciles,
  })
  const mine = waiting.data?.items.filter((study) => study.candidate_procedure_pk === booking.requested_procedure_pk) ?? []
  const { said, here, findings } = completeness(booking, performed, series)
  const last = performed.at(-1)
  if (!settled) return null
  return (
    <div className={classes['missing']}>
      <h4>Anything missing?</h4>
      {last ? (
        <p>
          The scanner reports: <StateSign state={last.performed_procedure_step_status} of="performed" bare />
          {last.discontinuation_reason ? ` (${last.discontinuation_reason})` : ''}
        </p>
      ) : (
        <p>This scanner reports no performed steps: compare the series with the protocol.</p>
      )}
      {findings.map((finding) => (
        <p key={finding.id} className={finding.danger ? classes['alarm'] : classes['note']}>
          <Glyph shape={finding.danger ? 'alert' : 'minus'} size={14} /> {finding.text}
        </p>
      ))}
      {mine.map((study) => (
        <p key={study.study_pk} className={classes['alarm']}>
          <Glyph shape="question" size={14} />
          <span>
            {study.number_of_study_related_instances === 1
              ? '1 image waits because it disagrees with this order.'
              : `${study.number_of_study_related_instances} images wait because they disagree with this order.`}{' '}
            <Link to="/reconcile">Reconcile them</Link>
          </span>
        </p>
      ))}
      {findings.length === 0 && mine.length === 0 && here > 0 ? (
        said !== undefined && here >= said ? (
          <p className={classes['good']}>
            <Glyph shape="check" size={14} /> All {said} images that the scanner made are here
          </p>
        ) : arriving ? (
          <p>Images are still coming.</p>
        ) : last ? (
          <p>The scanner did not count its images: look whether each series is whole.</p>
        ) : null
      ) : null}
    </div>
  )
}
