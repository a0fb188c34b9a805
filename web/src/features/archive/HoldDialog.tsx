import { Button, Modal, SegmentedControl, Textarea, TextInput } from '@mantine/core'
import { http } from '@/lib/api'
import { Form, useProblemForm } from '@/ui'
import type { StudyDetail } from './types'
import classes from './lifecycle.module.css'

/** Puts a study, or all that this patient has, under legal hold. */
export function HoldDialog({ study, onClose, onDone }: { study: StudyDetail; onClose: () => void; onDone: () => Promise<void> }) {
  const form = useProblemForm(
    {
      initialValues: { of: 'study', reason: '', until: '' },
      validate: { reason: (text: string) => (text.trim() ? null : 'Say why.') },
    },
    async ({ of, reason, until }) => {
      await http.post('/api/archive/holds', {
        study_instance_uid: of === 'study' ? study.study_instance_uid : null,
        patient_pk: of === 'study' ? null : study.patient_pk,
        reason,
        until: until || null,
      })
      await onDone()
    },
  )
  const field = form.form.getInputProps
  return (
    <Modal opened onClose={onClose} title="Put it under legal hold" size={560}>
      <p className={classes['quiet']}>While it stands, nothing of it is put in the trash or destroyed, whatever rule or person asks for it.</p>
      <Form of={form} submit="Place the hold" onCancel={onClose}>
        {study.patient_pk === null ? null : (
          <SegmentedControl
            aria-label="What is held"
            data={[
              { value: 'study', label: 'This study' },
              { value: 'patient', label: 'All studies of the patient' },
            ]}
            {...field('of')}
          />
        )}
        <Textarea label="Reason" description="It stays in the record." autosize minRows={2} maxLength={200} data-autofocus {...field('reason')} />
        <TextInput type="date" label="Until" description="Empty: until somebody lifts it." {...field('until')} />
      </Form>
    </Modal>
  )
}

export function LiftButton({ onClick }: { onClick: () => void }) {
  return (
    <Button variant="default" mt="sm" onClick={onClick}>
      Lift the hold
    </Button>
  )
}
