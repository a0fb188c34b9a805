import { SegmentedControl, Textarea, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { http } from '@/lib/api'
import { Form, Section, toast, useProblemForm } from '@/ui'
import classes from './desk.module.css'
import { DiagnosesField } from './DiagnosesField'
import { PRIORITIES, type Diagnosis, type Order } from './types'

/** What was asked is said anew, of all procedures of the order, as long as none has begun. */
export function ChangeOrder({ order, onDone }: { order: Order; onDone: () => void }) {
  const client = useQueryClient()
  const pk = order.imaging_service_request.imaging_service_request_pk
  const asked = order.lines[0]?.requested_procedure
  const before = {
    // HIGH is what DICOM says for urgent (0040,1003).
    requested_procedure_priority: asked?.requested_procedure_priority.replace('HIGH', 'URGENT') ?? 'ROUTINE',
    reason_for_the_requested_procedure: asked?.reason_for_the_requested_procedure ?? '',
    diagnosis_codes: order.diagnoses as Pick<Diagnosis, 'code' | 'description'>[],
  }
  const form = useProblemForm({ initialValues: { ...before, more_comments: '' } }, async (values) => {
    // Only what was changed travels: procedures of one order may differ in the rest.
    const codes = values.diagnosis_codes.map((one) => one.code)
    const reason = values.reason_for_the_requested_procedure.trim()
    const next = await http.patch<Order>(`/api/orders/${pk}`, {
      requested_procedure_priority: values.requested_procedure_priority === before.requested_procedure_priority ? null : values.requested_procedure_priority,
      reason_for_the_requested_procedure: reason === before.reason_for_the_requested_procedure ? null : reason,
      diagnosis_codes: codes.join() === before.diagnosis_codes.map((one) => one.code).join() ? null : codes,
      more_comments: values.more_comments.trim() || null,
    })
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
          <TextInput label="Add a note for the technologist" autoComplete="off" maxLength={2000} {...form.form.getInputProps('more_comments')} />
        </Form>
      </div>
    </Section>
  )
}
