import { Button } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useSession } from '@/lib/api'
import {
  DateTime,
  Facts,
  Fault,
  PersonName,
  Section,
  StateSign,
  toast,
  toastProblem,
  type WorkColumn,
} from '@/ui'
import { QueueScreen } from './QueueScreen'
import classes from './routing.module.css'
import { faultText, progressText, stateOf, type Sending } from './types'

const COLUMNS: readonly WorkColumn<Sending>[] = [
  {
    id: 'state',
    label: 'State',
    value: stateOf,
    render: (sending) => <StateSign state={stateOf(sending)} of="queue" />,
    width: 118,
  },
  {
    id: 'patient',
    label: 'Patient',
    value: (sending) => sending.patient_name,
    render: (sending) => <PersonName value={sending.patient_name} />,
    width: 150,
    grow: 1,
  },
  {
    id: 'study',
    label: 'Study',
    value: (sending) => [sending.modalities.join(' '), sending.study_description].filter(Boolean).join(' · '),
    width: 160,
    grow: 2,
  },
  { id: 'to', label: 'To', value: (sending) => sending.ae_title, width: 120 },
  { id: 'how', label: 'How', value: (sending) => (sending.is_deidentified ? 'without names' : 'as it is'), width: 112, hidden: true },
  { id: 'objects', label: 'Objects', value: progressText, width: 110, align: 'right' },
  { id: 'fault', label: 'What is wrong', value: faultText, width: 180, grow: 2 },
  {
    id: 'updated',
    label: 'When',
    value: (sending) => new Date(sending.updated_at),
    render: (sending) => <DateTime value={sending.updated_at} />,
    width: 116,
  },
  { id: 'by', label: 'By', value: (sending) => sending.requested_by, width: 120, hidden: true },
]

const VIEWS = {
  all: 'All',
  failed: 'Failed',
  waiting: 'Waiting',
  sending: 'Sending',
  sent: 'Sent',
}

const keyOf = (sending: Sending) => String(sending.forwarding_pk)

/** Studies on their way to other archives: what waits, what arrived, what a person must look at. */
export default function SendingScreen() {
  const { may } = useSession()
  return (
    <QueueScreen<Sending>
      id="sending"
      title="Sending"
      from="/api/routing/forwardings"
      live="forwarding.changed"
      views={VIEWS}
      actions={
        <>
          <Button component={Link} to="/system/compression" variant="default">
            Compression
          </Button>
          <Button component={Link} to="/system/rules" variant="default">
            Rules
          </Button>
        </>
      }
      keyOf={keyOf}
      look={stateOf}
      columns={COLUMNS}
      isQuiet={(sending) => sending.state === 'canceled'}
      searchPlaceholder="Patient, study, destination"
      compact={(sending) => [<PersonName key="name" value={sending.patient_name} />, `${sending.ae_title} · ${progressText(sending)}`]}
      hint="Choose a study to see how far it is, and to send it again or stop it."
      empty={{ title: 'Nothing was sent yet', hint: 'Studies that a rule sends to another archive stand here until they arrived.' }}
      inspector={(sending) => <SendingInspector key={keyOf(sending)} sending={sending} mayWrite={may('queue.write')} />}
    />
  )
}

function SendingInspector({ sending, mayWrite }: { sending: Sending; mayWrite: boolean }) {
  const [busy, setBusy] = useState(false)
  const ask = (what: 'again' | 'cancel', done: string) => {
    setBusy(true)
    void http
      .post(`/api/routing/forwardings/${sending.forwarding_pk}/${what}`)
      .then(() => toast(done))
      .catch((error: unknown) => toastProblem(error))
      .finally(() => setBusy(false))
  }
  const fault = faultText(sending)
  return (
    <>
      <Section title={`To ${sending.ae_title}`} aside={<StateSign state={stateOf(sending)} of="queue" />}>
        {fault ? (
          <Fault>
            <strong>{fault}</strong>
            <p>
              {sending.state === 'failed'
                ? 'It is not tried again by itself. Mend what it names, then send it again.'
                : 'It is kept and tried again; nothing is lost.'}
            </p>
          </Fault>
        ) : null}
        <Facts
          facts={[
            ['Objects', progressText(sending)],
            ['Sent by', sending.requested_by],
            ['Attempts', sending.attempts ? String(sending.attempts) : 'none failed'],
            ...(sending.state === 'waiting'
              ? [['Next', <DateTime key="next" value={sending.not_before} />] as [string, React.ReactNode]]
              : []),
          ]}
        />
      </Section>
      {mayWrite ? (
        <div className={classes['buttons']}>
          {sending.state === 'sending' ? null : (
            <Button loading={busy} onClick={() => ask('again', 'It is sent again.')}>
              Send again
            </Button>
          )}
          {sending.state === 'waiting' || sending.state === 'sending' ? (
            <Button variant="default" loading={busy} onClick={() => ask('cancel', 'It is stopped; what arrived stays there.')}>
              Stop
            </Button>
          ) : null}
        </div>
      ) : null}
    </>
  )
}
