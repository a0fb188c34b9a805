import { SegmentedControl, Textarea, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, type Page } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { Form, Section, toast, useProblemForm } from '@/ui'
import classes from './desk.module.css'
import { DiagnosesField } from './DiagnosesField'
import { Picker } from './Picker'
import { changeOf, type Before } from './ordering'
import { PRIORITIES, type Diagnosis, type Order, type Referrer } from './types'

/** What was asked is said anew, of all procedures of the order, as long as none has begun. */
export function ChangeOrder({ order, onDone }: { order: Order; onDone: () => void }) {
  const client = useQueryClient()
  const pk = order.imaging_service_request.imaging_service_request_pk
  const asked = order.lines[0]?.requested_procedure
  const [referrer, setReferrer] = useState<Referrer>()
  // The order lives while the form is open; what was changed is what differs from what the form began with.
  const [before] = useState<Before>(() => ({
    // HIGH is what DICOM says for urgent (0040,1003).
    requested_procedure_priority: asked?.requested_procedure_priority.replace('HIGH', 'URGENT') ?? 'ROUTINE',
    reason_for_the_requested_procedure: asked?.reason_for_the_requested_procedure ?? '',
    diagnosis_codes: order.diagnoses as Pick<Diagnosis, 'code' | 'description'>[],
    referring_practitioner_pk: order.imaging_service_request.referring_practitioner_pk ?? null,
    referring_physician_name: order.imaging_service_request.referring_physician_name ?? '',
  }))
  const form = useProblemForm({ initialValues: { ...before, more_comments: '' } }, async (values) => {
    const next = await http.patch<Order>(`/api/orders/${pk}`, changeOf(before, values))
    client.setQueryData(['order', pk], next)
    toast('The order is changed.')
    onDone()
  })
  const values = form.form.getValues()
  return (
    <Section title="Change what was asked">
      <div className={classes['sheet']}>
        <Form of={form} submit="Save the change" onCancel={onDone}>
          <div>
            <div className={classes['fieldLabel']} id="change-priority">
              Priority
            </div>
            <SegmentedControl
              aria-labelledby="change-priority"
              data={PRIORITIES}
              value={values.requested_procedure_priority}
              onChange={(value) => form.form.setFieldValue('requested_procedure_priority', value)}
              className={classes['priority']}
              data-chosen={values.requested_procedure_priority}
            />
          </div>
          <Textarea label="Reason, as the referrer writes it" autosize minRows={2} maxRows={5} maxLength={400} {...form.form.getInputProps('reason_for_the_requested_procedure')} />
          <DiagnosesField value={values.diagnosis_codes} error={form.form.errors['diagnosis_codes']} onChange={(next) => form.form.setFieldValue('diagnosis_codes', next)} />
          <Picker<Referrer>
            id="change-referrer"
            label="Referring physician"
            placeholder="Name or NPI"
            value={formatPersonName(referrer?.person_name ?? values.referring_physician_name)}
            error={form.form.errors['referring_practitioner_pk'] ?? form.form.errors['referring_physician_name']}
            search={async (typed, signal) => (await http.post<Page<Referrer>>('/api/orders/referrers/find', { text: typed }, { signal })).items}
            keyOf={(one) => String(one.practitioner_pk)}
            line={(one) => (
              <span className={classes['choice']}>
                <span>{formatPersonName(one.person_name)}</span>
                <span>{one.npi ? `NPI ${one.npi}` : 'no NPI'}</span>
              </span>
            )}
            onPick={(one) => {
              setReferrer(one)
              form.form.setFieldValue('referring_practitioner_pk', one.practitioner_pk)
              form.form.setFieldValue('referring_physician_name', one.person_name)
            }}
            onClear={() => {
              setReferrer(undefined)
              form.form.setFieldValue('referring_practitioner_pk', null)
              form.form.setFieldValue('referring_physician_name', '')
            }}
            onText={(typed) => {
              setReferrer(undefined)
              form.form.setFieldValue('referring_practitioner_pk', null)
              form.form.setFieldValue('referring_physician_name', typed)
            }}
            none="Nobody is found by this."
          />
          <TextInput label="Add a note for the technologist" autoComplete="off" maxLength={2000} {...form.form.getInputProps('more_comments')} />
        </Form>
      </div>
    </Section>
  )
}
