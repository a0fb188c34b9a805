import { Button, Select, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, type Page } from '@/lib/api'
import { Facts, Form, Section, toast, useProblemForm, Wide } from '@/ui'
import classes from './patients.module.css'
import type { Coverage, PatientRecord, Payer } from './types'

const ORDER = ['', 'First', 'Second', 'Third']
const RELATIONS = [
  { value: 'self', label: 'own self' },
  { value: 'spouse', label: 'spouse' },
  { value: 'child', label: 'child' },
  { value: 'other', label: 'other' },
]

/** Who pays, in their order. A coverage that is replaced ends and is kept. */
export function Coverages({ record, mayWrite }: { record: PatientRecord; mayWrite: boolean }) {
  const [editing, setEditing] = useState<number>()
  const free = [1, 2, 3].find((priority) => !record.coverages.some((one) => one.priority === priority))
  return (
    <Section
      title="Coverage"
      aside={
        mayWrite && free && editing === undefined ? (
          <Button variant="default" onClick={() => setEditing(free)}>
            Add
          </Button>
        ) : null
      }
    >
      {record.coverages.length || editing ? null : <p className={classes['quiet']}>Nobody is known to pay: claims would go to the patient.</p>}
      {record.coverages.map((one) =>
        editing === one.priority ? null : (
          <div key={one.coverage_pk} className={classes['card']}>
            <div className={classes['cardHead']}>
              <strong>{one.payer.name}</strong>
              <span className={classes['quiet']}>{ORDER[one.priority]} payer</span>
              {mayWrite && editing === undefined ? (
                <Button variant="subtle" onClick={() => setEditing(one.priority)}>
                  Change
                </Button>
              ) : null}
            </div>
            <Facts
              facts={[
                ['Member', one.member_id],
                ['Group', one.group_number],
                ['Plan', one.plan_name],
                ['Insured', one.relationship === 'self' ? null : `${one.relationship}: ${one.subscriber_name ?? ''}`],
              ]}
            />
          </div>
        ),
      )}
      {editing ? (
        <CoverageForm key={editing} record={record} priority={editing} known={record.coverages.find((one) => one.priority === editing)} onDone={() => setEditing(undefined)} />
      ) : null}
    </Section>
  )
}

function CoverageForm({ record, priority, known, onDone }: { record: PatientRecord; priority: number; known: Coverage | undefined; onDone: () => void }) {
  const client = useQueryClient()
  const pk = record.patient.patient_pk
  const payers = useQuery({ queryKey: ['payers'], queryFn: () => http.get<Page<Payer>>('/api/patients/payers'), staleTime: 300_000 })
  const form = useProblemForm(
    {
      initialValues: {
        payer_pk: known ? String(known.payer.payer_pk) : '',
        member_id: known?.member_id ?? '',
        group_number: known?.group_number ?? '',
        plan_name: known?.plan_name ?? '',
        relationship: known?.relationship ?? 'self',
        subscriber_name: known?.subscriber_name ?? '',
        subscriber_birth_date: known?.subscriber_birth_date ?? '',
        subscriber_sex: '',
      },
      validate: { payer_pk: (value) => (value ? null : 'Choose who pays') },
    },
    async (values) => {
      const given = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.trim() === '' ? null : value.trim()]))
      const next = await http.put<PatientRecord>(`/api/patients/${pk}/coverage`, {
        ...given,
        member_id: values.member_id,
        payer_pk: Number(values.payer_pk),
        priority,
      })
      client.setQueryData(['patient', pk], next)
      toast('The coverage is saved.')
      onDone()
    },
  )
  const field = (name: string) => form.form.getInputProps(name)
  const other = form.form.getValues().relationship !== 'self'
  return (
    <div className={classes['sheet']}>
      <Form of={form} columns={2} submit={known ? 'Replace the coverage' : 'Save the coverage'} onCancel={onDone}>
        <Wide>
          <Select
            label={`${ORDER[priority]} payer`}
            searchable
            autoFocus
            data={(payers.data?.items ?? []).map((payer) => ({ value: String(payer.payer_pk), label: `${payer.name} (${payer.payer_id})` }))}
            {...field('payer_pk')}
          />
        </Wide>
        <TextInput label="Member number" autoComplete="off" maxLength={80} {...field('member_id')} />
        <TextInput label="Group" autoComplete="off" maxLength={50} {...field('group_number')} />
        <TextInput label="Plan" autoComplete="off" maxLength={60} {...field('plan_name')} />
        <Select label="The patient is the insured’s" allowDeselect={false} data={RELATIONS} {...field('relationship')} />
        {other ? (
          <>
            <TextInput label="Insured’s name" description="Family^Given" autoComplete="off" {...field('subscriber_name')} />
            <TextInput label="Insured’s birth date" placeholder="1980-05-04" autoComplete="off" {...field('subscriber_birth_date')} />
          </>
        ) : null}
      </Form>
    </div>
  )
}
