import { ActionIcon, Button, Checkbox, NumberInput, Select, TextInput } from '@mantine/core'
import { IconPlus, IconTrash } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http } from '@/lib/api'
import { ApiProblem } from '@/lib/problem'
import { DicomDate, Facts, Form, Glyph, Section, toast, useProblemForm, Wide } from '@/ui'
import classes from './patients.module.css'
import { safetyChanges, safetyOf, sameAllergies } from './record'
import { PREGNANCY, type PatientRecord } from './types'

/** What must be known before contrast, radiation or a magnet. */
export function Safety({ record, mayWrite }: { record: PatientRecord; mayWrite: boolean }) {
  const [editing, setEditing] = useState(false)
  const { patient } = record
  return (
    <Section
      title="Safety"
      aside={
        mayWrite && !editing ? (
          <Button variant="default" onClick={() => setEditing(true)}>
            Change
          </Button>
        ) : null
      }
    >
      {editing ? (
        <SafetyForm record={record} onDone={() => setEditing(false)} />
      ) : (
        <Facts
          facts={[
            [
              'Allergies',
              record.allergies.length ? (
                <ul key="allergies" className={classes['plain']}>
                  {record.allergies.map((one) => (
                    <li key={one.substance} className={one.severe ? classes['danger'] : undefined}>
                      {one.severe ? <Glyph shape="alert" size={12} /> : null} {one.substance}
                      {one.reaction ? `: ${one.reaction}` : ''}
                      {one.severe ? ' (severe)' : ''}
                    </li>
                  ))}
                </ul>
              ) : (
                <span key="none" className={record.bar.allergies ? undefined : classes['quiet']}>
                  {record.bar.allergies ? 'none known' : 'not asked'}
                </span>
              ),
            ],
            ['Implants', patient.implants ?? <span className={classes['quiet']}>none recorded</span>],
            ['Pregnancy', patient.pregnancy_status ? PREGNANCY[patient.pregnancy_status] : null],
            [
              'Kidneys',
              patient.egfr_ml_min === null ? null : (
                <span key="egfr">
                  eGFR {patient.egfr_ml_min} ml/min {patient.egfr_date ? <DicomDate value={patient.egfr_date} /> : null}
                </span>
              ),
            ],
            ['Weight', patient.patient_weight_kg === null ? null : `${patient.patient_weight_kg} kg`],
            ['Height', patient.patient_size_m === null ? null : `${patient.patient_size_m} m`],
            ['Alerts', patient.medical_alerts],
            ['Needs', patient.special_needs],
            ['Confidentiality', patient.confidentiality],
          ]}
        />
      )}
    </Section>
  )
}

function SafetyForm({ record, onDone }: { record: PatientRecord; onDone: () => void }) {
  const client = useQueryClient()
  const pk = record.patient.patient_pk
  // The record lives while the form is open; what was changed is what differs from what the form began with.
  const [before] = useState(() => safetyOf(record))
  const form = useProblemForm(
    {
      initialValues: before,
      validate: { allergies: { substance: (value: string) => (value.trim() ? null : 'What must not be given?') } },
    },
    async (values) => {
      const changes = safetyChanges(before, values)
      if (changes.allergies !== undefined && !sameAllergies(before, safetyOf(record))) {
        const now = record.allergies.map((one) => one.substance).join(', ') || (record.bar.allergies ? 'none known' : 'not asked')
        throw new ApiProblem(409, { title: 'Not saved: the allergies were changed meanwhile', detail: `They are now: ${now}. Cancel, look at them, and change them again.` })
      }
      let next = record
      // The numbers first: they can be refused, and then nothing is half saved.
      if (Object.keys(changes.patient).length) next = await http.patch<PatientRecord>(`/api/patients/${pk}`, changes.patient)
      if (changes.allergies !== undefined) next = await http.put<PatientRecord>(`/api/patients/${pk}/allergies`, { allergies: changes.allergies })
      client.setQueryData(['patient', pk], next)
      await client.invalidateQueries({ queryKey: ['patient', pk] })
      toast('The safety marks are changed.')
      onDone()
    },
  )
  const field = form.form.getInputProps
  const { allergies } = form.form.getValues()
  return (
    <Form of={form} columns={2} submit="Save the safety marks" onCancel={onDone}>
      <Wide>
        <div className={classes['label']}>Allergies</div>
        {allergies.map((_, index) => (
          <div key={index} className={classes['allergy']}>
            <TextInput aria-label="Substance" placeholder="Substance" maxLength={64} autoComplete="off" {...field(`allergies.${index}.substance`)} />
            <TextInput aria-label="Reaction" placeholder="Reaction" maxLength={128} autoComplete="off" {...field(`allergies.${index}.reaction`)} />
            <Checkbox label="Severe" {...form.form.getInputProps(`allergies.${index}.severe`, { type: 'checkbox' })} />
            <ActionIcon aria-label="Remove this allergy" onClick={() => form.form.removeListItem('allergies', index)}>
              <IconTrash size={16} />
            </ActionIcon>
          </div>
        ))}
        <div className={classes['allergies']}>
          <Button
            variant="default"
            leftSection={<IconPlus size={16} />}
            onClick={() => form.form.insertListItem('allergies', { substance: '', reaction: '', severe: false })}
          >
            Add an allergy
          </Button>
          {allergies.length ? null : <Checkbox label="Asked: none known" {...form.form.getInputProps('none_known', { type: 'checkbox' })} />}
        </div>
      </Wide>
      <Wide>
        <TextInput label="Implants and devices" placeholder="Pacemaker, cochlear implant, clips" maxLength={400} autoComplete="off" {...field('implants')} />
      </Wide>
      <Wide>
        <Select
          label="Pregnancy"
          clearable
          placeholder="Does not apply"
          data={Object.entries(PREGNANCY).map(([value, label]) => ({ value, label }))}
          value={form.form.getValues().pregnancy_status || null}
          error={form.form.errors['pregnancy_status']}
          onChange={(value) => form.form.setFieldValue('pregnancy_status', value ?? '')}
        />
      </Wide>
      <NumberInput label="eGFR, ml/min" hideControls clampBehavior="none" {...field('egfr_ml_min')} />
      <TextInput label="eGFR taken on" placeholder="2026-11-02" autoComplete="off" {...field('egfr_date')} />
      <NumberInput label="Weight, kg" hideControls clampBehavior="none" decimalScale={1} {...field('patient_weight_kg')} />
      <NumberInput label="Height, m" hideControls clampBehavior="none" decimalScale={2} {...field('patient_size_m')} />
      <Wide>
        <TextInput label="Medical alerts" maxLength={400} autoComplete="off" {...field('medical_alerts')} />
      </Wide>
      <TextInput label="Special needs" placeholder="Wheelchair, interpreter" maxLength={64} autoComplete="off" {...field('special_needs')} />
      <TextInput label="Confidentiality" placeholder="VIP, staff" maxLength={64} autoComplete="off" {...field('confidentiality')} />
    </Form>
  )
}
