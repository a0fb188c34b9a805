import { Button, SegmentedControl, Select, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { http, type Answer, type Page } from '@/lib/api'
import { ApiProblem, asProblem } from '@/lib/problem'
import { Form, Section, toast, useProblemForm, Wide } from '@/ui'
import classes from './desk.module.css'
import { PatientLine } from './PatientFinder'
import { parseBirthDate, personName, personTyped } from './typed'
import type { Candidate } from './types'

type Registered = Answer<'/api/patients', 'post'>
type Payer = Answer<'/api/patients/payers', 'get'>['items'][number]

const SEXES = [
  { value: 'F', label: 'Female' },
  { value: 'M', label: 'Male' },
  { value: 'O', label: 'Other' },
  { value: '', label: 'Not known' },
]
const ALLERGIES = [
  { value: 'not asked', label: 'Not asked' },
  { value: 'none', label: 'None known' },
  { value: 'some', label: 'Allergic' },
]
const LIKELY = 80

const substancesOf = (typed: string) =>
  typed
    .split(/[,;]/)
    .map((one) => one.trim())
    .filter(Boolean)

/** A new patient, with whoever may already be that person beside it while one types. */
export function RegisterForm({ typed, onRegistered, onIsThis, onCancel }: { typed: string; onRegistered: (patientPk: number) => void; onIsThis: (patientPk: number) => void; onCancel: () => void }) {
  const payers = useQuery({ queryKey: ['payers'], queryFn: () => http.get<Page<Payer>>('/api/patients/payers'), staleTime: 300_000 })
  const form = useProblemForm(
    {
      initialValues: {
        ...personTyped(typed),
        middle: '',
        patient_telephone_numbers: '',
        patient_address: '',
        city: '',
        state: '',
        postal_code: '',
        patient_id: '',
        issuer_of_patient_id: '',
        payer_pk: '',
        member_id: '',
        allergies: 'not asked',
        substances: '',
      },
      validate: {
        family: (value, values) => (value.trim() || values.given.trim() ? null : 'A name is needed'),
        patient_birth_date: (value) => (!value.trim() || parseBirthDate(value) ? null : 'A day that exists, as 1980-03-14, 14.03.1980 or 3/14/1980'),
        issuer_of_patient_id: (value, values) => (values.patient_id.trim() && !value.trim() ? 'An identifier needs its issuer' : null),
        substances: (value, values) => (values.allergies !== 'some' || substancesOf(value).length ? null : 'To what? Commas between several'),
        member_id: (value, values) => (values.payer_pk && !value.trim() ? 'As on the card' : null),
      },
    },
    async (values) => {
      const text = (value: string) => value.trim() || null
      try {
        const made = await http.post<Registered>('/api/patients', {
          patient_name: personName(values),
          patient_birth_date: parseBirthDate(values.patient_birth_date) ?? null,
          patient_sex: text(values.patient_sex),
          patient_telephone_numbers: text(values.patient_telephone_numbers),
          patient_address: text(values.patient_address),
          city: text(values.city),
          state: text(values.state),
          postal_code: text(values.postal_code),
          identifiers: values.patient_id.trim() ? [{ patient_id: values.patient_id, issuer_of_patient_id: values.issuer_of_patient_id }] : [],
          allergies: values.allergies === 'not asked' ? null : values.allergies === 'some' ? substancesOf(values.substances).map((substance) => ({ substance })) : [],
          coverages: values.payer_pk ? [{ payer_pk: Number(values.payer_pk), member_id: values.member_id }] : [],
        })
        toast('The patient is registered.')
        onRegistered(made.patient.patient_pk)
      } catch (error) {
        // The name is one field to the server and three to people.
        const refused = asProblem(error)
        throw new ApiProblem(
          refused.status,
          {
            title: refused.title,
            detail: refused.detail,
            errors: refused.errors.map((one) => ({ ...one, field: one.field.replace(/^(body\.)?patient_name$/, 'family').replace(/^(body\.)?allergies.*/, 'substances').replace(/^(body\.)?(identifiers|coverages)\W*\d+\W*/, '') })),
          },
          refused.requestId,
        )
      }
    },
  )
  const values = form.form.getValues()
  const asked = {
    patient_name: personName(values),
    patient_birth_date: parseBirthDate(values.patient_birth_date) ?? null,
    patient_sex: values.patient_sex || null,
    patient_telephone_numbers: values.patient_telephone_numbers.trim() || null,
  }
  const [settled] = useDebouncedValue(JSON.stringify(asked), 250)
  const enough = asked.patient_name.replace('^', '').length >= 3
  const duplicates = useQuery({
    queryKey: ['patients', 'duplicates', settled],
    queryFn: ({ signal }) => http.post<Page<Candidate>>('/api/patients/duplicates', JSON.parse(settled) as unknown, { signal }),
    enabled: enough,
    placeholderData: keepPreviousData,
    gcTime: 30_000,
  })
  const alike = enough ? (duplicates.data?.items ?? []) : []
  const likely = alike.some((one) => one.score >= LIKELY)
  const field = (name: keyof typeof values) => form.form.getInputProps(name)

  return (
    <div className={classes['register']}>
      <Form of={form} columns={2} submit={likely ? 'It is somebody else: register' : 'Register the patient'} onCancel={onCancel}>
        <TextInput label="Family name" autoComplete="off" autoFocus maxLength={64} {...field('family')} />
        <TextInput label="Given name" autoComplete="off" maxLength={64} {...field('given')} />
        <TextInput label="Birth date" placeholder="1980-03-14" autoComplete="off" maxLength={10} {...field('patient_birth_date')} />
        <div>
          <div className={classes['fieldLabel']} id="register-sex">
            Sex
          </div>
          <SegmentedControl fullWidth aria-labelledby="register-sex" data={SEXES} value={values.patient_sex} onChange={(value) => form.form.setFieldValue('patient_sex', value)} />
        </div>
        <TextInput label="Middle name" autoComplete="off" maxLength={64} {...field('middle')} />
        <TextInput label="Telephone" type="tel" autoComplete="off" maxLength={64} {...field('patient_telephone_numbers')} />
        <Wide>
          <TextInput label="Street and number" autoComplete="off" maxLength={128} {...field('patient_address')} />
        </Wide>
        <TextInput label="City" autoComplete="off" maxLength={64} {...field('city')} />
        <div className={classes['pair']}>
          <TextInput label="State" autoComplete="off" maxLength={32} {...field('state')} />
          <TextInput label="Postal code" autoComplete="off" maxLength={16} {...field('postal_code')} />
        </div>
        <Select
          label="Payer"
          placeholder="Pays alone, or not known yet"
          searchable
          clearable
          data={(payers.data?.items ?? []).map((one) => ({ value: String(one.payer_pk), label: one.name }))}
          {...field('payer_pk')}
          value={values.payer_pk || null}
          onChange={(value) => form.form.setFieldValue('payer_pk', value ?? '')}
        />
        <TextInput label="Member number" autoComplete="off" maxLength={80} disabled={!values.payer_pk} {...field('member_id')} />
        <div>
          <div className={classes['fieldLabel']} id="register-allergies">
            Allergies
          </div>
          <SegmentedControl fullWidth aria-labelledby="register-allergies" data={ALLERGIES} value={values.allergies} onChange={(value) => form.form.setFieldValue('allergies', value)} />
        </div>
        <TextInput label="Allergic to" placeholder="Iodinated contrast, latex" autoComplete="off" maxLength={400} disabled={values.allergies !== 'some'} {...field('substances')} />
        <TextInput label="Identifier of another house" placeholder="Without one, ours is given" autoComplete="off" maxLength={64} {...field('patient_id')} />
        <TextInput label="Its issuer" autoComplete="off" maxLength={64} {...field('issuer_of_patient_id')} />
      </Form>
      <aside aria-label="Possible duplicates" aria-live="polite">
        <Section title="Already here?">
          {alike.length ? (
            <ul className={classes['alike']}>
              {alike.map((one) => (
                <li key={one.found.bar.patient_pk} data-likely={one.score >= LIKELY || undefined}>
                  <PatientLine found={one.found} />
                  <p>
                    <strong>{one.score} %</strong> {one.reasons.join(', ')}
                  </p>
                  <Button variant="default" onClick={() => onIsThis(one.found.bar.patient_pk)}>
                    This is the patient
                  </Button>
                </li>
              ))}
            </ul>
          ) : (
            <p className={classes['quiet']}>{enough && duplicates.data ? 'Nobody here resembles this person.' : 'Whoever resembles the person you type stands here.'}</p>
          )}
        </Section>
      </aside>
    </div>
  )
}

/** Somebody who cannot say who they are: a record of its own, merged once the person is known. */
export function UnknownForm({ onRegistered, onCancel }: { onRegistered: (patientPk: number) => void; onCancel: () => void }) {
  const form = useProblemForm({ initialValues: { patient_sex: '', description: '' } }, async (values) => {
    const made = await http.post<Registered>('/api/patients/unknown', {
      patient_sex: values.patient_sex || null,
      description: values.description.trim() || null,
    })
    toast('An emergency record was made.')
    onRegistered(made.patient.patient_pk)
  })
  return (
    <div className={classes['unknown']}>
      <Form of={form} submit="Make the emergency record" onCancel={onCancel}>
        <div>
          <div className={classes['fieldLabel']} id="unknown-sex">
            Sex, as it appears
          </div>
          <SegmentedControl
            aria-labelledby="unknown-sex"
            data={SEXES}
            value={form.form.getValues().patient_sex}
            onChange={(value) => form.form.setFieldValue('patient_sex', value)}
          />
        </div>
        <TextInput
          label="What tells this person apart"
          description="It stands in the patient bar: about 60, grey beard, brought in at 02:50."
          autoFocus
          autoComplete="off"
          maxLength={400}
          {...form.form.getInputProps('description')}
        />
      </Form>
    </div>
  )
}
