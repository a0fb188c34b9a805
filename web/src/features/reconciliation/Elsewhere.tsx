import { Button, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useLive, type Answer } from '@/lib/api'
import { DicomDate, Empty, Outline, PersonName, ProblemNote, toast, toastProblem } from '@/ui'
import classes from './reconciliation.module.css'

type Differing = Answer<'/api/priors/differing', 'get'>[number]

const FIELDS: Readonly<Record<string, string>> = {
  patient_id: 'Patient ID',
  issuer_of_patient_id: 'Issuer',
  patient_birth_date: 'Birth date',
  patient_sex: 'Sex',
}

/** Studies that another archive named for a patient, and that contradict what is known of him. */
export function AtOtherArchives() {
  const found = useQuery({ queryKey: ['differing-priors'], queryFn: () => http.get<Differing[]>('/api/priors/differing') })
  useLive(['priors.changed'], [['differing-priors']])
  if (found.error) {
    return <ProblemNote error={found.error} title="They could not be fetched" safe="Nothing is lost." onRetry={() => void found.refetch()} />
  }
  if (!found.data) return <Outline rows={6} />
  if (!found.data.length) {
    return (
      <Empty
        title="Nothing contradicts"
        hint="A study that another archive names for a patient waits here, and is not fetched, while identifier, issuer, birth date, sex or name do not agree."
      />
    )
  }
  return (
    <ul className={classes['afar']}>
      {found.data.map((one) => (
        <li key={one.remote_study_pk}>
          <One study={one} />
        </li>
      ))}
    </ul>
  )
}

function One({ study }: { study: Differing }) {
  const client = useQueryClient()
  const [reason, setReason] = useState('')
  const [busy, setBusy] = useState(false)
  const decide = (isThePatients: boolean) => {
    setBusy(true)
    void http
      .post(`/api/priors/differing/${study.remote_study_pk}/decide`, { is_the_patients: isThePatients, reason })
      .then(() => client.invalidateQueries({ queryKey: ['differing-priors'] }))
      .then(() => toast(isThePatients ? 'It can be fetched now; its images are compared again when they come.' : 'It is left where it is.'))
      .catch((error: unknown) => toastProblem(error))
      .finally(() => setBusy(false))
  }
  const named = study.reasons.some((one) => one.field === 'patient_name')
  return (
    <article aria-label={study.study_description ?? 'Study without description'}>
      <header>
        <strong>{study.study_description ?? 'Study without description'}</strong>
        <span>
          {study.modalities_in_study.join('/')} · <DicomDate value={study.study_date} /> · at {study.archive_name}
        </span>
      </header>
      <table>
        <thead>
          <tr>
            <th scope="col" />
            <th scope="col">Here</th>
            <th scope="col">There</th>
          </tr>
        </thead>
        <tbody>
          <tr data-differs={named || undefined}>
            <th scope="row">Patient</th>
            <td>
              <PersonName value={study.of_patient_name} /> {study.of_patient_id}
            </td>
            <td>
              <PersonName value={study.patient_name} /> {study.patient_id}
            </td>
          </tr>
          {study.reasons
            .filter((one) => one.field !== 'patient_name')
            .map((one) => (
              <tr key={one.field} data-differs>
                <th scope="row">{FIELDS[one.field] ?? one.field}</th>
                <td>{one.here || 'not known'}</td>
                <td>{one.there || 'not given'}</td>
              </tr>
            ))}
        </tbody>
      </table>
      <div className={classes['decide']}>
        <TextInput
          aria-label="Reason"
          placeholder="Reason"
          maxLength={200}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        <Button variant="default" disabled={busy || !reason.trim()} onClick={() => decide(false)}>
          Not this patient
        </Button>
        <Button variant="default" disabled={busy || !reason.trim()} onClick={() => decide(true)}>
          May be fetched
        </Button>
      </div>
    </article>
  )
}
