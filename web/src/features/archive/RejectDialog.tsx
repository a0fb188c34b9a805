import { Button, Modal, Textarea } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { http } from '@/lib/api'
import { asProblem } from '@/lib/problem'
import { Refusal } from '@/ui'
import classes from './lifecycle.module.css'
import type { Series, StudyDetail } from './types'
import { REJECTION } from './words'

type Code = keyof typeof REJECTION
const CODES: readonly Code[] = ['113001', '113037', '113038']

/** Rejects series by a note that other archives understand (IHE IOCM). */
export function RejectDialog({
  study,
  series,
  onClose,
  onDone,
}: {
  study: StudyDetail
  series: readonly Series[]
  onClose: () => void
  onDone: () => Promise<void>
}) {
  const [code, setCode] = useState<Code>()
  const [reason, setReason] = useState('')
  const images = series.reduce((sum, one) => sum + one.number_of_series_related_instances, 0)
  const saving = useMutation({
    mutationFn: () =>
      http.post('/api/archive/rejections', {
        study_instance_uid: study.study_instance_uid,
        series_instance_uids: series.map((one) => one.series_instance_uid),
        code_value: code,
        reason: reason.trim(),
      }),
    onSuccess: onDone,
  })
  return (
    <Modal opened onClose={onClose} title={`Reject ${series.length} series, ${images.toLocaleString()} images`} size={620}>
      <div className={classes['dialog']}>
        <div className={classes['codes']} role="group" aria-label="Why">
          {CODES.map((one) => (
            <button key={one} type="button" aria-pressed={code === one} onClick={() => setCode(one)}>
              <strong>{REJECTION[one].label}</strong>
              <small>{REJECTION[one].hint}</small>
            </button>
          ))}
        </div>
        <Textarea
          label="In your words"
          description="It stands in the note, which goes to other archives."
          autosize
          minRows={2}
          maxLength={200}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        <p className={classes['quiet']}>The images are hidden here, and a Key Object note in the study tells other archives to do the same. The rejection can be lifted.</p>
        {saving.error ? <Refusal problem={asProblem(saving.error)} /> : null}
        <div className={classes['foot']}>
          <Button variant="default" onClick={onClose}>
            Go back
          </Button>
          <Button data-tone="danger" disabled={!code || !reason.trim()} loading={saving.isPending} onClick={() => saving.mutate()}>
            Reject them
          </Button>
        </div>
      </div>
    </Modal>
  )
}
