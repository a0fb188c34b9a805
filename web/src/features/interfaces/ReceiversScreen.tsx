import { Button, Checkbox, Group, Modal, TextInput } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useLive, useSession, type Page } from '@/lib/api'
import { DateTime, Facts, Fault, Form, Screen, Section, StateSign, toast, toastProblem, useProblemForm, Wide, WorkList, type WorkColumn } from '@/ui'
import classes from './interfaces.module.css'
import type { Receiver, ReceiverFields } from './types'

const addressOf = (receiver: Receiver) => `${receiver.is_encrypted ? 'TLS ' : ''}${receiver.host}:${receiver.port}`

function pulseOf(receiver: Receiver): string {
  if (!receiver.enabled) return 'disabled'
  if (receiver.last_error) return 'down'
  return receiver.last_delivered_at ? 'up' : 'unknown'
}

const Pulse = ({ receiver }: { receiver: Receiver }) => (
  <StateSign state={pulseOf(receiver)} of={receiver.enabled ? 'device' : 'user'} />
)

const COLUMNS: readonly WorkColumn<Receiver>[] = [
  { id: 'name', label: 'Receiver', value: (receiver) => receiver.name, width: 150, grow: 1 },
  { id: 'address', label: 'Address', value: addressOf, width: 160, grow: 1 },
  { id: 'types', label: 'Gets', value: (receiver) => receiver.message_types.join(', '), width: 110 },
  { id: 'pulse', label: 'Pulse', value: pulseOf, render: (receiver) => <Pulse receiver={receiver} />, width: 130 },
  {
    id: 'delivered',
    label: 'Last delivered',
    value: (receiver) => (receiver.last_delivered_at ? new Date(receiver.last_delivered_at) : null),
    render: (receiver) => <DateTime value={receiver.last_delivered_at} />,
    width: 130,
  },
  { id: 'error', label: 'Last error', value: (receiver) => receiver.last_error, width: 180, grow: 2 },
]

const keyOf = (receiver: Receiver) => String(receiver.interface_receiver_pk)

/** The systems that results go to, each with its pulse. */
export default function ReceiversScreen() {
  const { may } = useSession()
  const [currentPk, setCurrentPk] = useState<number>()
  const [adding, setAdding] = useState(false)
  const receivers = useQuery({ queryKey: ['receivers'], queryFn: () => http.get<Page<Receiver>>('/api/interfaces/receivers') })
  useLive(['interface_receiver.changed', 'interface_message.changed'], [['receivers']])
  const mayWrite = may('config.write')
  const current = receivers.data?.items.find((receiver) => receiver.interface_receiver_pk === currentPk)
  return (
    <Screen
      title="Receivers of results"
      actions={
        <>
          <Button component={Link} to="/system/messages" variant="default">
            Messages
          </Button>
          {mayWrite ? (
            <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
              Add a receiver
            </Button>
          ) : null}
        </>
      }
      inspectorLabel="The chosen receiver"
      inspectorHint="Choose a receiver to see and change it."
      inspector={current ? <ReceiverInspector key={keyOf(current)} receiver={current} mayWrite={mayWrite} /> : null}
    >
      <WorkList
        id="receivers"
        noun="receivers"
        rows={receivers.data?.items}
        rowKey={keyOf}
        columns={COLUMNS}
        onCurrent={(receiver) => setCurrentPk(receiver?.interface_receiver_pk)}
        isUrgent={(receiver) => pulseOf(receiver) === 'down'}
        isQuiet={(receiver) => !receiver.enabled}
        error={receivers.error}
        onRetry={() => void receivers.refetch()}
        empty={{ title: 'No receiver yet', hint: 'Add the hospital system that should get signed reports as ORU^R01.' }}
      />
      <Modal opened={adding} onClose={() => setAdding(false)} title="Add a receiver" size={560}>
        <ReceiverForm onDone={() => setAdding(false)} />
      </Modal>
    </Screen>
  )
}

function ReceiverInspector({ receiver, mayWrite }: { receiver: Receiver; mayWrite: boolean }) {
  const client = useQueryClient()
  const remove = () =>
    http
      .delete(`/api/interfaces/receivers/${receiver.interface_receiver_pk}`)
      .then(() => client.invalidateQueries({ queryKey: ['receivers'] }))
      .then(() => toast('The receiver is removed.'))
      .catch((error: unknown) => toastProblem(error))
  return (
    <>
      <Section title={receiver.name} aside={<Pulse receiver={receiver} />}>
        {receiver.last_error ? (
          <Fault>
            <strong>
              <DateTime value={receiver.last_error_at} />
            </strong>
            <p>{receiver.last_error}</p>
            <p>What waits is kept and tried again; nothing is lost.</p>
          </Fault>
        ) : null}
        <Facts
          facts={[
            ['Address', addressOf(receiver)],
            ['Certificate must name', receiver.is_encrypted ? (receiver.certificate_name ?? receiver.host) : null],
            ['Last delivered', receiver.last_delivered_at ? <DateTime key="last" value={receiver.last_delivered_at} /> : 'never'],
          ]}
        />
      </Section>
      {mayWrite ? (
        <Section title="Change">
          <ReceiverForm receiver={receiver} />
          <div className={classes['buttons']}>
            <Button variant="default" onClick={() => void remove()}>
              Remove
            </Button>
          </div>
        </Section>
      ) : null}
    </>
  )
}

type Values = Omit<Required<ReceiverFields>, 'port' | 'certificate_name'> & { port: string; certificate_name: string }

function ReceiverForm({ receiver, onDone }: { receiver?: Receiver; onDone?: () => void }) {
  const client = useQueryClient()
  const form = useProblemForm<Values>(
    {
      initialValues: {
        name: receiver?.name ?? '',
        host: receiver?.host ?? '',
        port: String(receiver?.port ?? 2575),
        receiving_application: receiver?.receiving_application ?? '',
        receiving_facility: receiver?.receiving_facility ?? '',
        message_types: receiver?.message_types ?? ['ORU^R01'],
        enabled: receiver?.enabled ?? true,
        is_encrypted: receiver?.is_encrypted ?? false,
        certificate_name: receiver?.certificate_name ?? '',
      },
      validate: { port: (value) => (/^\d{1,5}$/.test(value.trim()) ? null : '1 to 65535') },
    },
    async (values) => {
      const body = { ...values, certificate_name: values.certificate_name || null, port: Number(values.port) }
      if (receiver) await http.put(`/api/interfaces/receivers/${receiver.interface_receiver_pk}`, body)
      else await http.post('/api/interfaces/receivers', body)
      await client.invalidateQueries({ queryKey: ['receivers'] })
      toast('The receiver is saved; what waits for it is tried now.')
      onDone?.()
    },
  )
  const field = form.form.getInputProps
  return (
    <Form of={form} submit={receiver ? 'Save the receiver' : 'Add the receiver'} onCancel={onDone} columns={2}>
      <Wide>
        <TextInput label="Name" maxLength={64} {...field('name')} data-autofocus={receiver ? undefined : true} />
      </Wide>
      <TextInput label="Host" autoCapitalize="none" spellCheck={false} {...field('host')} />
      <TextInput label="Port" inputMode="numeric" {...field('port')} />
      <TextInput label="Receiving application" description="MSH-5" {...field('receiving_application')} />
      <TextInput label="Receiving facility" description="MSH-6" {...field('receiving_facility')} />
      <Wide>
        <Checkbox
          label="By TLS only (MLLPS)"
          description="Our certificate is shown, and its certificate must be good by our authorities."
          {...form.form.getInputProps('is_encrypted', { type: 'checkbox' })}
        />
      </Wide>
      {form.form.getValues().is_encrypted ? (
        <Wide>
          <TextInput
            label="Name in its certificate"
            placeholder={form.form.getValues().host || 'the host'}
            autoCapitalize="none"
            spellCheck={false}
            {...field('certificate_name')}
          />
        </Wide>
      ) : null}
      <Wide>
        <Checkbox.Group label="What it gets" {...field('message_types')}>
          <Group mt="xs">
            <Checkbox value="ORU^R01" label="Signed reports (ORU^R01)" />
            <Checkbox value="OMG^O19" label="That images are here (OMG^O19)" />
          </Group>
        </Checkbox.Group>
      </Wide>
      <Wide>
        <Checkbox label="Messages go out to it" {...form.form.getInputProps('enabled', { type: 'checkbox' })} />
      </Wide>
    </Form>
  )
}
