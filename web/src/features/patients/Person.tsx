import { Button, SegmentedControl, Switch, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http } from '@/lib/api'
import { ApiProblem, asProblem } from '@/lib/problem'
import { DicomDate, Facts, Form, PersonName, Section, toast, useProblemForm, Wide } from '@/ui'
import classes from './patients.module.css'
import { changesOf, formOf } from './record'
import { SEX, type PatientRecord } from './types'

const SEXES = [
  { value: 'F', label: 'Female' },
  { value: 'M', label: 'Male' },
  { value: 'O', label: 'Other' },
  { value: '', label: 'Not known' },
]

/** Who the patient is and how to reach them. */
export function Person({ record, mayWrite }: { record: PatientRecord; mayWrite: boolean }) {
  const [editing, setEditing] = useState(false)
  const { patient } = record
  return (
    <Section
      title="Person"
      aside={
        mayWrite && !editing ? (
          <Button variant="default" onClick={() => setEditing(true)}>
            Change
          </Button>
        ) : null
      }
    >
      {editing ? (
        <PersonForm record={record} onDone={() => setEditing(false)} />
      ) : (
        <Facts
          facts={[
            [
              'Name',
              <span key="name" className={classes['wrap']}>
                <PersonName value={patient.patient_name} />
              </span>,
            ],
            ['Birth date', <DicomDate key="born" value={patient.patient_birth_date} />],
            ['Sex', SEX[patient.patient_sex ?? ''] ?? 'Not known'],
            ['Telephone', patient.patient_telephone_numbers],
            ['E-mail', patient.email],
            ['Address', [patient.patient_address, [patient.postal_code, patient.city].filter(Boolean).join(' '), patient.state, patient.country].filter(Boolean).join(', ')],
            ['Language', patient.language],
            ['Deceased', patient.deceased ? 'yes' : null],
            [
              'Identifiers',
              <ul key="ids" className={classes['plain']}>
                {record.identifiers.map((one) => (
                  <li key={`${one.issuer_of_patient_id} ${one.patient_id}`}>
                    <strong>{one.patient_id}</strong> <span className={classes['quiet']}>{one.issuer_of_patient_id}</span>
                  </li>
                ))}
              </ul>,
            ],
          ]}
        />
      )}
    </Section>
  )
}

function PersonForm({ record, onDone }: { record: PatientRecord; onDone: () => void }) {
  const client = useQueryClient()
  const pk = record.patient.patient_pk
  const [writings, setWritings] = useState(() => record.patient.patient_name.includes('='))
  // The record lives while the form is open; what was changed is what differs from what the form began with.
  const [before] = useState(record.patient)
  const form = useProblemForm({ initialValues: formOf(before) }, async (values) => {
    const changes = changesOf(before, values)
    if (Object.keys(changes).length) {
      try {
        client.setQueryData(['patient', pk], await http.patch<PatientRecord>(`/api/patients/${pk}`, changes))
      } catch (error) {
        // One field to the server, several to people.
        const refused = asProblem(error)
        const errors = refused.errors.map((one) => ({ ...one, field: one.field.replace(/^(body\.)?patient_name$/, 'family') }))
        throw new ApiProblem(refused.status, { title: refused.title, detail: refused.detail, errors }, refused.requestId)
      }
      await client.invalidateQueries({ queryKey: ['patient', pk] })
      toast('The record is changed.')
    }
    onDone()
  })
  const field = (name: keyof ReturnType<typeof formOf>) => form.form.getInputProps(name)
  const values = form.form.getValues()
  return (
    <Form of={form} columns={2} submit="Save the changes" onCancel={onDone}>
      <TextInput label="Family name" autoFocus autoComplete="off" {...field('family')} />
      <TextInput label="Given name" autoComplete="off" {...field('given')} />
      <TextInput label="Middle name" autoComplete="off" {...field('middle')} />
      <div className={classes['pair']}>
        <TextInput label="Prefix" autoComplete="off" {...field('prefix')} />
        <TextInput label="Suffix" autoComplete="off" {...field('suffix')} />
      </div>
      {writings ? (
        <>
          <TextInput label="Ideographic" description="Family, a blank, given" autoComplete="off" {...field('ideographic')} />
          <TextInput label="Phonetic" description="Family, a blank, given" autoComplete="off" {...field('phonetic')} />
        </>
      ) : (
        <Wide>
          <Button variant="subtle" onClick={() => setWritings(true)}>
            Write the name in other characters too
          </Button>
        </Wide>
      )}
      <TextInput label="Birth date" placeholder="1980-03-14" autoComplete="off" {...field('patient_birth_date')} />
      <TextInput label="Language" autoComplete="off" {...field('language')} />
      <Wide>
        <div className={classes['label']} id="person-sex">
          Sex
        </div>
        <SegmentedControl fullWidth aria-labelledby="person-sex" data={SEXES} value={values.patient_sex} onChange={(value) => form.form.setFieldValue('patient_sex', value)} />
      </Wide>
      <TextInput label="Telephone" type="tel" autoComplete="off" {...field('patient_telephone_numbers')} />
      <TextInput label="E-mail" type="email" autoComplete="off" {...field('email')} />
      <Wide>
        <TextInput label="Street and number" autoComplete="off" {...field('patient_address')} />
      </Wide>
      <TextInput label="City" autoComplete="off" {...field('city')} />
      <TextInput label="Postal code" autoComplete="off" {...field('postal_code')} />
      <TextInput label="State" autoComplete="off" {...field('state')} />
      <TextInput label="Country" placeholder="US" maxLength={2} autoComplete="off" {...field('country')} />
      <Wide>
        <Switch label="Deceased" checked={values.deceased} onChange={(event) => form.form.setFieldValue('deceased', event.currentTarget.checked)} />
      </Wide>
    </Form>
  )
}
