import { Button, Group, Modal } from '@mantine/core'

/** Asked only where the archive did not take the work that leaving would lose; `priors` are those of it that are not of the study that is read. */
export function LeaveQuestion({ priors, onStay, onLeave }: { priors: readonly string[]; onStay: () => void; onLeave: () => void }) {
  return (
    <Modal opened onClose={onStay} title="The measurements are not kept" centered size="sm">
      <p>The archive did not take them just now. If you leave this study, they are gone.</p>
      {priors.length ? <p>Also those on: {priors.join(', ')}.</p> : null}
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={onLeave} color="red">
          Leave without them
        </Button>
        <Button data-autofocus onClick={onStay}>
          Stay on the study
        </Button>
      </Group>
    </Modal>
  )
}
