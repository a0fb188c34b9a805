import { Loader, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { http, type Answer, type Page } from '@/lib/api'
import { formatDicomDate } from '@/lib/time'
import { PersonName, ProblemText } from '@/ui'
import { asProblem } from '@/lib/problem'
import classes from './lifecycle.module.css'
import type { FoundStudy, FoundStudyPage } from './types'

type FoundPatient = Answer<'/api/patients/find', 'post'>['items'][number]

/** What tells one study from another, in one line. */
export function studyLine(study: Pick<FoundStudy, 'study_date' | 'study_description' | 'accession_number' | 'modalities_in_study' | 'number_of_study_related_instances'>): string {
  const images = study.number_of_study_related_instances
  return [
    formatDicomDate(study.study_date) || 'no date',
    study.modalities_in_study.join(', '),
    study.study_description ?? 'no description',
    study.accession_number,
    `${images.toLocaleString()} ${images === 1 ? 'image' : 'images'}`,
  ]
    .filter(Boolean)
    .join(' · ')
}

/** Chooses another study: first the same patient's, then whatever is looked for. */
export function StudyPicker({
  except,
  patientPk,
  value,
  onChange,
}: {
  except: number
  patientPk: number | null
  value: FoundStudy | undefined
  onChange: (study: FoundStudy) => void
}) {
  const [typed, setTyped] = useState('')
  const [text] = useDebouncedValue(typed.trim(), 200)
  const found = useQuery({
    queryKey: ['studies', 'pick', text, patientPk],
    queryFn: ({ signal }) =>
      http.post<FoundStudyPage>('/api/archive/studies/find', { text, patient_pk: text ? null : patientPk, limit: 30 }, { signal }),
    placeholderData: keepPreviousData,
    gcTime: 30_000,
  })
  const items = found.data?.items.filter((study) => study.study_pk !== except)
  return (
    <div className={classes['dialog']}>
      <TextInput
        label="The other study"
        placeholder="Name, patient ID or accession number"
        leftSection={<IconSearch size={16} aria-hidden />}
        rightSection={found.isFetching ? <Loader size={14} /> : null}
        value={typed}
        maxLength={100}
        onChange={(event) => setTyped(event.currentTarget.value)}
        data-autofocus
      />
      {found.error ? <ProblemText problem={asProblem(found.error)} /> : null}
      {items?.length === 0 ? (
        <p className={classes['quiet']}>{text ? 'No other study begins like that.' : 'This patient has no other study. Look for one above.'}</p>
      ) : null}
      {items?.length ? (
        <ul className={classes['found']} aria-label="Studies">
          {items.map((study) => (
            <li key={study.study_pk}>
              <button type="button" aria-pressed={value?.study_pk === study.study_pk} onClick={() => onChange(study)}>
                <span>
                  <PersonName value={study.patient_name} /> {study.patient_id}
                </span>
                <span>{studyLine(study)}</span>
              </button>
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  )
}

/** Chooses a person of the register. */
export function PersonPicker({ value, onChange }: { value: FoundPatient | undefined; onChange: (found: FoundPatient) => void }) {
  const [typed, setTyped] = useState('')
  const [text] = useDebouncedValue(typed.trim(), 200)
  const found = useQuery({
    queryKey: ['patients', 'find', text],
    queryFn: ({ signal }) => http.post<Page<FoundPatient>>('/api/patients/find', { text, limit: 12 }, { signal }),
    enabled: text.length >= 2,
    placeholderData: keepPreviousData,
    gcTime: 30_000,
  })
  const items = text.length >= 2 ? found.data?.items : undefined
  return (
    <div className={classes['dialog']}>
      <TextInput
        label="The right person"
        description="Of the register, by name, ID, birth date or telephone."
        leftSection={<IconSearch size={16} aria-hidden />}
        rightSection={found.isFetching ? <Loader size={14} /> : null}
        value={typed}
        maxLength={100}
        onChange={(event) => setTyped(event.currentTarget.value)}
        data-autofocus
      />
      {found.error ? <ProblemText problem={asProblem(found.error)} /> : null}
      {items?.length === 0 ? <p className={classes['quiet']}>Nobody of the register is like that.</p> : null}
      {items?.length ? (
        <ul className={classes['found']} aria-label="Persons">
          {items.map((one) => (
            <li key={one.bar.patient_pk}>
              <button type="button" aria-pressed={value?.bar.patient_pk === one.bar.patient_pk} onClick={() => onChange(one)}>
                <span>
                  <PersonName value={one.bar.patient_name} />
                </span>
                <span>
                  {[one.bar.patient_birth_date ? `born ${formatDicomDate(one.bar.patient_birth_date)}` : 'birth date unknown', one.bar.patient_id, one.bar.issuer_of_patient_id, one.city]
                    .filter(Boolean)
                    .join(' · ')}
                </span>
              </button>
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  )
}

export type { FoundPatient }
