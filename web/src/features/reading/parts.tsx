import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useSession, type Answer } from '@/lib/api'
import { DicomDate, StateSign } from '@/ui'
import classes from './reading.module.css'
import { thumbnail, useSeries } from './series'
import { priorAge, type PriorReport, type PriorStudy } from './types'

/** The report's state as its one sign knows it. */
export const signState = (state: string) => (state === 'addended' ? 'addendum' : state)

type Diagnoses = Answer<'/api/orders/diagnoses/find', 'post'>

/** An ICD-10-CM code with its words. */
export function Diagnosis({ code }: { code: string }) {
  const { may } = useSession()
  const found = useQuery({
    queryKey: ['diagnosis', code],
    queryFn: ({ signal }) => http.post<Diagnoses>('/api/orders/diagnoses/find', { text: code }, { signal }),
    staleTime: Infinity,
    enabled: may('order.read'),
  })
  const words = found.data?.items.find((one) => one.code === code)?.description
  return (
    <div className={classes['diagnosis']}>
      <span>{code}</span> {words}
    </div>
  )
}

/** A picture of each series. */
export function SeriesThumbs({ studyInstanceUid, instances }: { studyInstanceUid: string; instances: number }) {
  const series = useSeries(studyInstanceUid)
  if (series.error) return <p className={classes['quiet']}>The pictures could not be fetched. The images are safe.</p>
  return (
    <ul className={classes['thumbs']} aria-label="Series">
      {series.data?.map((one) => (
        <li key={one.series_instance_uid}>
          {/* While images arrive the middle one changes; the count asks for it anew. */}
          <Picture src={`${thumbnail(studyInstanceUid, one.series_instance_uid)}&of=${instances}`} alt={one.series_description || `Series ${one.series_number ?? ''}`} />
          <span className={classes['thumbLabel']}>{one.series_description || `Series ${one.series_number ?? ''}`}</span>
          <span className={classes['thumbNote']}>
            {one.modality} · {one.number_of_series_related_instances}
          </span>
        </li>
      ))}
    </ul>
  )
}

/** A picture from the archive; where there is none, a plain dark field says so. */
export function Picture({ src, alt }: { src: string; alt: string }) {
  const [failed, setFailed] = useState<string>()
  if (failed === src) {
    return (
      <div className={classes['picture']} role="img" aria-label={`${alt}: no picture`}>
        No picture
      </div>
    )
  }
  return <img className={classes['picture']} src={src} alt={alt} loading="lazy" decoding="async" onError={() => setFailed(src)} />
}

/** Earlier studies and their reports: age in large type, the impression at once, the whole text on asking. */
export function Priors({
  priors,
  reports,
  studyDate,
  onOpen,
}: {
  priors: readonly PriorStudy[]
  reports: readonly PriorReport[]
  studyDate: string | null
  onOpen?: (prior: PriorStudy) => void
}) {
  const [open, setOpen] = useState<number>()
  const shown = new Set(priors.map((prior) => prior.report_pk))
  const others = reports.filter((report) => !shown.has(report.report_pk))
  if (!priors.length && !others.length) return <p className={classes['quiet']}>No earlier study or report is known here.</p>
  return (
    <ul className={classes['priors']}>
      {priors.map((prior) => {
        const report = reports.find((one) => one.report_pk === prior.report_pk)
        return (
          <li key={`study-${prior.study_pk}`}>
            <PriorLine
              age={priorAge(prior.study_date, studyDate)}
              title={prior.study_description || 'Study without description'}
              note={
                <>
                  {prior.modalities_in_study.join('/')} · <DicomDate value={prior.study_date} /> · {prior.number_of_study_related_instances} images
                </>
              }
              report={report}
              expanded={open === prior.study_pk}
              onToggle={() => setOpen(open === prior.study_pk ? undefined : prior.study_pk)}
            />
            {onOpen ? (
              <button type="button" className={classes['link']} onClick={() => onOpen(prior)}>
                Open images
              </button>
            ) : null}
          </li>
        )
      })}
      {others.map((report) => (
        <li key={`report-${report.report_pk}`}>
          <PriorLine
            age={priorAge(report.study_date ?? report.signed_at.slice(0, 10), studyDate)}
            title={report.description}
            note={
              <>
                {report.modality} · <DicomDate value={report.study_date ?? report.signed_at.slice(0, 10)} />
              </>
            }
            report={report}
            expanded={open === -report.report_pk}
            onToggle={() => setOpen(open === -report.report_pk ? undefined : -report.report_pk)}
          />
        </li>
      ))}
    </ul>
  )
}

function PriorLine({
  age,
  title,
  note,
  report,
  expanded,
  onToggle,
}: {
  age: string
  title: string
  note: React.ReactNode
  report: PriorReport | undefined
  expanded: boolean
  onToggle: () => void
}) {
  return (
    <>
      <div className={classes['priorHead']}>
        <strong className={classes['priorAge']}>{age}</strong>
        <span>{title}</span>
      </div>
      <div className={classes['priorNote']}>
        <span>{note}</span>
        {report ? <StateSign state={signState(report.state)} of="report" bare /> : <span>no report</span>}
      </div>
      {report ? (
        expanded ? (
          <div className={classes['priorText']}>
            <p>{report.text}</p>
            <p className={classes['quiet']}>Signed by {report.signed_by_name}</p>
          </div>
        ) : report.impression ? (
          <p className={classes['impression']}>{report.impression}</p>
        ) : null
      ) : null}
      {report ? (
        <button type="button" className={classes['link']} aria-expanded={expanded} onClick={onToggle}>
          {expanded ? 'Less' : 'Whole report'}
        </button>
      ) : null}
    </>
  )
}
