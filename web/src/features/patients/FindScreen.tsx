import { Button } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconUserPlus } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useLive, useSession, type Page } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { formatPersonAge } from '@/lib/time'
import { DicomDate, Facts, PatientBar, PersonName, Screen, Section, WorkList, type WorkColumn } from '@/ui'
import classes from './patients.module.css'
import { barOf, SEX, type FoundPatient } from './types'

const COLUMNS: readonly WorkColumn<FoundPatient>[] = [
  { id: 'name', label: 'Name', value: (row) => formatPersonName(row.bar.patient_name), render: (row) => <PersonName value={row.bar.patient_name} />, width: 200, grow: 3 },
  { id: 'sex', label: 'Sex', value: (row) => SEX[row.bar.patient_sex ?? ''] ?? '', width: 80 },
  { id: 'born', label: 'Born', value: (row) => row.bar.patient_birth_date, render: (row) => <DicomDate value={row.bar.patient_birth_date} />, width: 100 },
  { id: 'age', label: 'Age', value: (row) => formatPersonAge(row.bar.patient_birth_date), width: 62, align: 'right' },
  { id: 'id', label: 'Identifier', value: (row) => row.bar.patient_id, width: 120 },
  { id: 'issuer', label: 'Issuer', value: (row) => row.bar.issuer_of_patient_id, width: 110 },
  { id: 'city', label: 'City', value: (row) => row.city, width: 110, grow: 1 },
  { id: 'telephone', label: 'Telephone', value: (row) => row.patient_telephone_numbers, width: 120, hidden: true },
]

// Beyond these nobody looks for a person by scrolling; that there are more is said.
const MOST = 100

const keyOf = (row: FoundPatient) => String(row.bar.patient_pk)

/** Every patient, found by words of the name in any script, identifier, birth date or telephone. */
export default function FindScreen() {
  const { may } = useSession()
  const navigate = useNavigate()
  const [text, setText] = useState('')
  const [settled] = useDebouncedValue(text.trim(), 150)
  const [current, setCurrent] = useState<FoundPatient>()
  const asked = settled.length >= 2
  const found = useQuery({
    queryKey: ['patients', 'find', settled, MOST],
    queryFn: ({ signal }) => http.post<Page<FoundPatient>>('/api/patients/find', { text: settled, limit: MOST }, { signal }),
    enabled: asked,
    placeholderData: keepPreviousData,
    gcTime: 30_000,
  })
  useLive(['patient.changed', 'patient.merged'], [['patients']])
  const rows = asked ? found.data?.items : []
  const shown = rows?.find((row) => current && keyOf(row) === keyOf(current))
  return (
    <Screen
      title="Patients"
      note={rows?.length === MOST ? `the first ${MOST}; type more to find the others` : undefined}
      actions={
        may('patient.write') && may('schedule.write') ? (
          <Button component={Link} to="/desk/book" search={{ register: true } as never} leftSection={<IconUserPlus size={16} />}>
            Register a patient
          </Button>
        ) : null
      }
      patient={shown ? <PatientBar patient={barOf(shown.bar)} /> : null}
      inspectorLabel="The chosen patient"
      inspectorHint="Choose a patient: the address and the ways on stand here."
      inspector={
        shown ? (
          <Section title="Contact">
            <Facts
              facts={[
                ['Telephone', shown.patient_telephone_numbers],
                ['Address', [shown.patient_address, shown.city].filter(Boolean).join(', ')],
              ]}
            />
            <div className={classes['buttons']}>
              <Button component={Link} to={`/patients/${shown.bar.patient_pk}`} rightSection={<kbd>Enter</kbd>} data-primary>
                Open the record
              </Button>
              {may('schedule.write') ? (
                <Button component={Link} to={`/desk/book/${shown.bar.patient_pk}`} variant="default">
                  Book
                </Button>
              ) : null}
            </div>
          </Section>
        ) : null
      }
    >
      <WorkList
        id="patients"
        noun="patients"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        onCurrent={setCurrent}
        onOpen={(row) => void navigate({ to: `/patients/${row.bar.patient_pk}` })}
        search={{ text, onChange: setText, placeholder: 'Name, identifier, birth date or telephone' }}
        searchFocused
        error={found.error}
        onRetry={() => void found.refetch()}
        compact={(row) => (
          <>
            <div>
              <PersonName value={row.bar.patient_name} />
            </div>
            <div>
              {[SEX[row.bar.patient_sex ?? ''], row.bar.patient_birth_date, row.bar.patient_id].filter(Boolean).join(' · ')}
            </div>
          </>
        )}
        empty={
          asked
            ? { title: 'Nobody is found by this', hint: 'Try a part of the name, the whole identifier, or the birth date.' }
            : { title: 'Type who you look for', hint: 'Two letters of a name are enough; umlauts and other scripts are found by their Latin spelling too.' }
        }
      />
    </Screen>
  )
}
