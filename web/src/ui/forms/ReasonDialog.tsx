import { Button, Chip, Group, Modal, Textarea } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { asProblem } from '@/lib/problem'
import { Refusal } from './dialogs'
import classes from './forms.module.css'

/** Says what will happen, and asks why: by one press, or in words. */
export function ReasonDialog({
  opened,
  title,
  children,
  reasons,
  confirm,
  danger = false,
  onConfirm,
  onClose,
}: {
  opened: boolean
  title: string
  children: ReactNode
  reasons: readonly string[]
  confirm: string
  danger?: boolean
  onConfirm: (reason: string) => Promise<void>
  onClose: () => void
}) {
  const [reason, setReason] = useState('')
  const saving = useMutation({
    mutationFn: () => onConfirm(reason.trim()),
    onSuccess: () => {
      setReason('')
      onClose()
    },
  })
  return (
    <Modal opened={opened} onClose={onClose} title={title} size={560}>
      <div className={classes['dialog']}>
        {children}
        <Chip.Group value={reasons.includes(reason) ? reason : ''} onChange={(value) => setReason(value)}>
          <Group gap={8}>
            {reasons.map((one) => (
              <Chip key={one} value={one} variant="outline">
                {one}
              </Chip>
            ))}
          </Group>
        </Chip.Group>
        <Textarea
          label="Reason"
          description="It stays in the record."
          autosize
          minRows={2}
          maxLength={200}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {saving.error ? <Refusal problem={asProblem(saving.error)} /> : null}
        <div className={classes['buttons']}>
          <Button variant="default" onClick={onClose}>
            Go back
          </Button>
          <Button
            data-tone={danger ? 'danger' : undefined}
            disabled={!reason.trim()}
            loading={saving.isPending}
            onClick={() => saving.mutate()}
          >
            {confirm}
          </Button>
        </div>
      </div>
    </Modal>
  )
}
