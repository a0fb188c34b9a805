import { Button, Modal, SegmentedControl, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http } from '@/lib/api'
import { DateTime, Facts, Fault, Form, Glyph, Outline, ProblemNote, Section, StateSign, toast, toastProblem, useProblemForm } from '@/ui'
import classes from './interfaces.module.css'
import { adviceFor, needsAPerson, placeText, stateOf, typeText, type Message, type MessageContent, type MessageSegment } from './types'

/** What a message holds, what became of it, and what a person can do with it. */
export function MessageInspector({ message, mayWrite }: { message: Message; mayWrite: boolean }) {
  const client = useQueryClient()
  const [looking, setLooking] = useState(false)
  const [skipping, setSkipping] = useState(false)
  const path = `/api/interfaces/messages/${message.interface_message_pk}`
  const refresh = () => client.invalidateQueries({ queryKey: ['messages'] })
  const step = (name: string, done: string) =>
    http
      .post(`${path}/${name}`, { reason: '' })
      .then(refresh)
      .then(() => toast(done))
      .catch((error: unknown) => toastProblem(error))
  const inbound = message.direction === 'in'
  const advice = adviceFor(message)
  const canAgain = inbound ? ['failed', 'rejected', 'skipped'].includes(message.state) : true
  const canSkip = ['failed', 'rejected', 'queued', 'dead'].includes(message.state)
  return (
    <>
      <Section title={typeText(message.message_type)} aside={<StateSign state={stateOf(message)} of="queue" />}>
        {message.error_text && message.state !== 'applied' ? (
          <Fault calm={!needsAPerson(message)}>
            {message.error_location ? <strong>{placeText(message.error_location)}</strong> : null}
            <p>{message.error_text}</p>
          </Fault>
        ) : null}
        {advice ? <p className={classes['advice']}>{advice}</p> : null}
        {mayWrite ? (
          <div className={classes['buttons']}>
            {canAgain && inbound ? <Button onClick={() => void step('reprocess', 'It is applied again in a moment.')}>Apply again</Button> : null}
            {canAgain && !inbound ? (
              <Button
                variant={message.state === 'delivered' ? 'default' : 'filled'}
                onClick={() => void step('resend', 'It is in the queue again.')}
              >
                {message.state === 'queued' ? 'Send now' : 'Send again'}
              </Button>
            ) : null}
            {canSkip ? (
              <Button variant="default" onClick={() => setSkipping(true)}>
                Skip
              </Button>
            ) : null}
          </div>
        ) : null}
        <Facts
          facts={[
            [inbound ? 'Came' : 'Made', <DateTime key="created" value={message.created_at} />],
            [inbound ? 'From' : 'To', message.receiver_name ?? [message.sending_application, message.sending_facility].filter(Boolean).join(', ')],
            ['Address', message.network_address],
            ['Control number', message.message_control_id],
            ['Accession', message.accession_number],
            ['Answer', message.acknowledgment_code],
            ['Attempts', message.attempts || null],
            ['Next attempt', message.next_attempt_at && message.state === 'queued' ? <DateTime key="next" value={message.next_attempt_at} /> : null],
            ['Handled by', message.handled_by],
            ['Reason', message.handling_reason],
            ['Remark', message.state === 'applied' ? message.error_text : null],
            ['Note', message.duplicate_of_interface_message_pk ? 'Its control number came before with other content' : null],
          ]}
        />
      </Section>
      <Section title="Content">
        {looking ? (
          <Content path={path} pk={message.interface_message_pk} />
        ) : (
          <div className={classes['veil']}>
            <p>The content is patient data. Looking at it is recorded.</p>
            <Button variant="default" onClick={() => setLooking(true)}>
              Show the content
            </Button>
          </div>
        )}
      </Section>
      <Modal opened={skipping} onClose={() => setSkipping(false)} title="Skip this message?" size={460}>
        <SkipForm path={path} onDone={() => void refresh().then(() => setSkipping(false))} onCancel={() => setSkipping(false)} />
      </Modal>
    </>
  )
}

function SkipForm({ path, onDone, onCancel }: { path: string; onDone: () => void; onCancel: () => void }) {
  const form = useProblemForm<{ reason: string }>({ initialValues: { reason: '' } }, async (values) => {
    await http.post(`${path}/skip`, values)
    toast('The message is skipped. It is kept and can be taken back.')
    onDone()
  })
  return (
    <Form of={form} submit="Skip the message" onCancel={onCancel}>
      <p>Nothing is done with it, and the queue goes on. The message is kept and can be taken back.</p>
      <TextInput label="Reason" data-autofocus {...form.form.getInputProps('reason')} />
    </Form>
  )
}

function Content({ path, pk }: { path: string; pk: number }) {
  const [shown, setShown] = useState('named')
  const content = useQuery({
    queryKey: ['message-content', pk],
    queryFn: () => http.get<MessageContent>(path),
    gcTime: 0,
  })
  if (content.error) return <ProblemNote error={content.error} onRetry={() => void content.refetch()} />
  if (!content.data) return <Outline rows={10} />
  const { segments, acknowledgment, raw, doubts, encoding } = content.data
  return (
    <>
      {doubts.map((doubt) => (
        <p key={doubt} className={classes['doubt']}>
          <Glyph shape="alert" size={12} /> {doubt}
        </p>
      ))}
      <SegmentedControl
        fullWidth
        aria-label="How the content is shown"
        value={shown}
        onChange={setShown}
        data={[
          { value: 'named', label: 'Fields' },
          { value: 'raw', label: 'Raw' },
          { value: 'answer', label: 'Answer', disabled: acknowledgment.length === 0 },
        ]}
      />
      {shown === 'raw' ? (
        <>
          <pre className={classes['raw']}>{raw.length > 20_000 ? `${raw.slice(0, 20_000)}…` : raw.replaceAll('\r\n', '\n').replaceAll('\r', '\n')}</pre>
          <p className={classes['note']}>Read as {encoding}.</p>
        </>
      ) : (
        <Segments segments={shown === 'answer' ? acknowledgment : segments} />
      )}
    </>
  )
}

function Segments({ segments }: { segments: readonly MessageSegment[] }) {
  if (!segments.length) return <p className={classes['note']}>The bytes are no HL7 message; see them raw.</p>
  return (
    <div className={classes['segments']}>
      {segments.map((segment, index) => (
        <section key={`${segment.name}${index}`}>
          <h3>{segment.name}</h3>
          <dl>
            {segment.fields.map((field) => (
              <div key={field.number}>
                <dt>
                  <span>{field.number}</span> {field.name}
                </dt>
                <dd>{field.value}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </div>
  )
}
