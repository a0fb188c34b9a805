import { Button } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useLive } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { Age, DateTime, Glyph, ReasonDialog, StateSign, toast } from '@/ui'
import { Orders, PatientDiffers } from './Orders'
import classes from './reconciliation.module.css'
import { identityDiffers, reasonText, studyWords } from './rules'
import type { Candidate, StudyDetail, Waiting } from './types'

const WHY = [
  'Wrong worklist entry chosen at the scanner',
  'Patient ID mistyped at the scanner',
  'Scanned before the order was placed',
  'Brought from elsewhere',
  'Name changed or spelt otherwise',
]

/** One waiting study beside the orders it may belong to. */
export function Compare({ study }: { study: Waiting }) {
  return (
    <>
      <StudyHead study={study} />
      <Orders of={`/api/reconciliation/${study.study_pk}`} says="The images say">
        {(candidate) => <HangImages study={study} candidate={candidate} />}
      </Orders>
    </>
  )
}

function StudyHead({ study }: { study: Waiting }) {
  useLive(['study.updated'], [['study', study.study_pk]])
  const detail = useQuery({
    queryKey: ['study', study.study_pk],
    queryFn: ({ signal }) => http.get<StudyDetail>(`/api/archive/studies/${study.study_pk}`, { signal }),
  })
  const pictures = detail.data?.series.filter((series) => series.thumbnail_url).slice(0, 4) ?? []
  return (
    <section className={classes['study']}>
      <div>
        <h2>
          {studyWords(study)}
        </h2>
        <p className={classes['sub']}>
          {study.number_of_study_related_instances} {study.number_of_study_related_instances === 1 ? 'image' : 'images'}, came{' '}
          <Age since={study.arrived_at} /> ago (<DateTime value={study.arrived_at} />)
        </p>
        <ul className={classes['reasons']}>
          {study.reasons.map((reason, index) => (
            <li key={`${reason['field']} ${index}`}>
              <Glyph shape="alert" size={13} /> {reasonText(reason)}
            </li>
          ))}
        </ul>
      </div>
      <div className={classes['pictures']}>
        {pictures.map((series) => (
          <img key={series.series_pk} src={`${series.thumbnail_url}?viewport=128,128`} alt={series.series_description ?? 'A series'} />
        ))}
      </div>
    </section>
  )
}

function HangImages({ study, candidate }: { study: Waiting; candidate: Candidate }) {
  const client = useQueryClient()
  const [asking, setAsking] = useState(false)
  const images = study.number_of_study_related_instances
  return (
    <>
      <div className={classes['act']}>
        <StateSign state={candidate.state} of="procedure" />
        <span>
          {candidate.studies
            ? `${candidate.studies === 1 ? 'A study hangs' : `${candidate.studies} studies hang`} on this order already.`
            : 'No images hang on this order yet.'}
        </span>
        <Button size="md" onClick={() => setAsking(true)}>
          Hang the images on this order
        </Button>
      </div>
      <ReasonDialog
        opened={asking}
        title="Hang the images on this order?"
        reasons={WHY}
        confirm={`Hang ${images} ${images === 1 ? 'image' : 'images'} on ${candidate.accession_number}`}
        danger={identityDiffers(candidate).length > 0}
        onConfirm={async (reason) => {
          await http.post(`/api/reconciliation/${study.study_pk}`, {
            requested_procedure_pk: candidate.requested_procedure_pk,
            patient_pk: candidate.patient.patient_pk,
            reason,
          })
          await Promise.all([
            client.invalidateQueries({ queryKey: ['reconciliation'] }),
            client.invalidateQueries({ queryKey: ['reconciled'] }),
          ])
          toast('The images hang on their order.')
        }}
        onClose={() => setAsking(false)}
      >
        <p>
          The images will show <strong>{formatPersonName(candidate.patient.patient_name)}</strong>, {candidate.patient.patient_id}, and go to
          reading. What they brought stays kept, and this can be taken back under Decided.
        </p>
        <PatientDiffers candidates={[candidate]} say="the images say" />
      </ReasonDialog>
    </>
  )
}
