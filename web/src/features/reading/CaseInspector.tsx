import { Button } from '@mantine/core'
import { IconArrowRight } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { useActor } from '@/lib/api'
import {
  DateTime,
  Facts,
  Outline,
  PatientBar,
  PersonName,
  Priority,
  ProblemNote,
  ProcedureName,
  Section,
  ServiceClock,
  StateSign,
} from '@/ui'
import { usePriorReports, usePriors } from './api'
import { Elsewhere } from './Elsewhere'
import { Diagnosis, Priors, SeriesThumbs } from './parts'
import classes from './reading.module.css'
import { allowedSeconds, barOf, holderOf, runningSince, type ReadingItem } from './types'

/** Whoever stays so long on a case is likely to open it. */
const STAYS_MS = 400

/** Has the viewer, and what it asks for first, here before the case is opened. */
function useReady(studyPk: number, studyInstanceUid: string): void {
  const client = useQueryClient()
  useEffect(() => {
    // What fails is asked for again, and told of, when the case is opened.
    const timer = setTimeout(() => {
      void Promise.all([import('./ReadScreen'), import('./Panel')]).catch(() => undefined)
      void import('@/viewer').then(({ fetchAhead }) => fetchAhead(client, { study_pk: studyPk, study_instance_uid: studyInstanceUid })).catch(() => undefined)
    }, STAYS_MS)
    return () => clearTimeout(timer)
  }, [client, studyPk, studyInstanceUid])
}

/** A case at a glance, so that looking never costs a page. */
export function CaseInspector({ item, onOpen }: { item: ReadingItem; onOpen: () => void }) {
  const { user_pk: userPk } = useActor()
  const priors = usePriors(item.study_pk)
  const reports = usePriorReports(item.patient.patient_pk, item.report_pk)
  useReady(item.study_pk, item.study_instance_uid)
  const holder = holderOf(item, userPk)
  return (
    <div className={classes['case']}>
      <div className={classes['caseBar']}>
        <PatientBar patient={barOf(item.patient)} />
      </div>
      <div className={classes['caseHead']}>
        <h2>
          <ProcedureName description={item.requested_procedure_description} laterality={item.laterality} />
        </h2>
        <div className={classes['caseSigns']}>
          <Priority priority={item.requested_procedure_priority} since={runningSince(item)} />
          <StateSign state={item.reading_state} of="report" />
          {item.reading_state === 'final' ? null : (
            <ServiceClock since={item.first_image_at} allowed_s={allowedSeconds(item)} />
          )}
        </div>
        {holder === 'other' ? <p className={classes['held']}>{item.claimed_by} is reading this.</p> : null}
        <Button rightSection={<IconArrowRight size={16} />} onClick={onOpen}>
          {item.reading_state === 'final' ? 'Open the report and images' : holder === 'other' ? 'Look at it' : 'Read'}
        </Button>
      </div>
      <Section title="Images" aside={<span className={classes['quiet']}>{item.number_of_study_related_instances}</span>}>
        <SeriesThumbs studyInstanceUid={item.study_instance_uid} instances={item.number_of_study_related_instances} />
      </Section>
      <Section title="Why">
        <p className={classes['reason']}>{item.reason_for_the_requested_procedure || 'No reason was given.'}</p>
        {item.diagnosis_codes.map((code) => (
          <Diagnosis key={code} code={code} />
        ))}
      </Section>
      <Section title="Request">
        <Facts
          facts={[
            ['Accession', item.accession_number],
            ['Referrer', item.referring_physician_name ? <PersonName key="r" value={item.referring_physician_name} /> : null],
            ['Ordered', <DateTime key="o" value={item.ordered_at} />],
            ['First image', <DateTime key="f" value={item.first_image_at} />],
            ['Due', <DateTime key="d" value={item.due_at} />],
            ['Site', item.site_code],
          ]}
        />
      </Section>
      <Section title="Earlier" aside={priors.data?.length ? <span className={classes['quiet']}>{priors.data.length}</span> : null}>
        {priors.error ? (
          <ProblemNote error={priors.error} title="The earlier studies could not be fetched" onRetry={() => void priors.refetch()} />
        ) : priors.data ? (
          <>
            <Priors priors={priors.data} reports={reports.data ?? []} studyDate={item.study_date} />
            <Elsewhere studyPk={item.study_pk} studyDate={item.study_date} />
          </>
        ) : (
          <Outline rows={3} />
        )}
      </Section>
    </div>
  )
}
