import { IconChevronRight, IconLock } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { http, useSession } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { DateTime, Empty, Priority, ProblemNote, ProcedureName, ServiceClock, StateSign } from '@/ui'
import { usePriorReports, usePriors } from './api'
import { Draft } from './Draft'
import { Elsewhere, useElsewhere } from './Elsewhere'
import type { Entry } from './entry'
import { KeyImages } from './KeyImages'
import { Diagnosis, Priors, signState } from './parts'
import classes from './report.module.css'
import { SignedReport } from './SignedReport'
import { TakeOver } from './TakeOver'
import { Text } from './Text'
import { allowedSeconds, earlierNote, type PriorStudy, type ReadingItem, type Report } from './types'

interface PanelProps {
  item: ReadingItem
  entry: Entry
  priors: readonly PriorStudy[]
  modality: readonly string[]
  userPk: number | null
  onTakeOver: (reason: string) => Promise<void>
  onGiveBack: () => Promise<void>
  onNext: () => void
  onFinal: () => void
}

/** Everything beside the images: what is asked, what was said before, and the report. */
export function Panel(props: PanelProps) {
  const { item, entry, priors, userPk } = props
  const { may } = useSession()
  const started = entry.report
  const query = useQuery({
    queryKey: ['report', started?.report_pk],
    queryFn: ({ signal }) => http.get<Report>(`/api/reports/${started?.report_pk}`, { signal }),
    initialData: started ?? undefined,
    staleTime: 30_000,
    enabled: started !== null,
  })
  const report = query.data
  const isSigned = report?.state === 'final' || report?.state === 'addended'
  const reports = usePriorReports(item.patient.patient_pk, report?.report_pk ?? item.report_pk)
  const state = report?.state ?? item.reading_state
  const known = usePriors(item.study_pk)
  const failed = known.error ?? reports.error
  const picture = useElsewhere(item.study_pk).data
  const afar = picture?.studies.length ?? 0

  const head = (
    <header className={classes['head']}>
      <h2>
        <ProcedureName description={item.requested_procedure_description} laterality={item.laterality} />
      </h2>
      <div className={classes['signs']}>
        <Priority priority={item.requested_procedure_priority} since={isSigned ? undefined : item.first_image_at} />
        <StateSign state={signState(state)} of="report" />
        {isSigned ? null : <ServiceClock since={item.first_image_at} allowed_s={allowedSeconds(item)} />}
        <span className={classes['quiet']}>{item.accession_number}</span>
      </div>
    </header>
  )

  const context = (
    <>
      <section className={classes['why']} aria-label="Reason">
        <p>{item.reason_for_the_requested_procedure || 'No reason was given.'}</p>
        {item.diagnosis_codes.map((code) => (
          <Diagnosis key={code} code={code} />
        ))}
        <p className={classes['quiet']}>
          {item.referring_physician_name ? `${formatPersonName(item.referring_physician_name)}, ` : ''}
          ordered <DateTime value={item.ordered_at} />
        </p>
      </section>
      <Fold
        title="Earlier"
        note={
          [
            failed ? 'could not be fetched' : earlierNote(known.data?.length, reports.data?.length),
            afar ? `${afar} elsewhere` : '',
          ]
            .filter(Boolean)
            .join(', ')
        }
        disabled={!failed && !priors.length && !reports.data?.length && !picture?.archives}
      >
        {failed ? (
          <ProblemNote
            error={failed}
            title="What is known from earlier could not be fetched"
            onRetry={() => {
              void known.refetch()
              void reports.refetch()
            }}
          />
        ) : null}
        <Priors priors={priors} reports={reports.data ?? []} studyDate={item.study_date} />
        <Elsewhere studyPk={item.study_pk} studyDate={item.study_date} />
      </Fold>
    </>
  )
  const keyImages = <KeyImages studyPk={item.study_pk} mayMark={may('report.write')} signedAt={isSigned ? (report.versions.at(-1)?.signed_at ?? null) : null} />

  if (report && isSigned) {
    return (
      <SignedReport report={report} head={head} context={context} keyImages={keyImages} modality={props.modality} onNext={props.onNext} />
    )
  }
  if (report && entry.mode === 'write') {
    return (
      <Draft
        key={report.report_pk}
        report={report}
        userPk={userPk}
        head={head}
        context={context}
        keyImages={keyImages}
        onGiveBack={props.onGiveBack}
        onFinal={props.onFinal}
      />
    )
  }
  return (
    <>
      {head}
      <div className={classes['scroll']}>
        {entry.mode === 'held' && may('report.write') ? <Held why={entry.why} onTakeOver={props.onTakeOver} /> : null}
        {context}
        {report?.versions.length ? (
          report.versions.map((version) => <Text key={version.version_number} version={version} />)
        ) : (
          <Empty title="Nothing is signed yet" hint={entry.mode === 'held' ? 'You can look at the images meanwhile.' : undefined} />
        )}
        {keyImages}
      </div>
    </>
  )
}

/** Who has the case, and the way to take it over; looking is open meanwhile. */
function Held({ why, onTakeOver }: { why: string; onTakeOver: (reason: string) => Promise<void> }) {
  return (
    <section className={classes['notice']} aria-label="Held by somebody else">
      <p>
        <IconLock size={16} aria-hidden /> <strong>{why}</strong> You can look, but not write.
      </p>
      <TakeOver onTakeOver={onTakeOver} />
    </section>
  )
}

/** A part that opens on asking, with a word on what is in it. */
export function Fold({
  title,
  note,
  disabled = false,
  initially = false,
  children,
}: {
  title: string
  note?: ReactNode
  disabled?: boolean
  initially?: boolean
  children: ReactNode
}) {
  const [open, setOpen] = useState(initially)
  return (
    <section className={classes['fold']} aria-label={title}>
      <button type="button" aria-expanded={open} disabled={disabled} onClick={() => setOpen(!open)}>
        <IconChevronRight size={14} data-open={open || undefined} data-disabled={disabled || undefined} aria-hidden />
        <h3>{title}</h3>
        <span>{note}</span>
      </button>
      {open ? <div>{children}</div> : null}
    </section>
  )
}
