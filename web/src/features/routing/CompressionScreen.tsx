import { Button } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useSession } from '@/lib/api'
import { formatBytes } from '@/lib/bytes'
import { DateTime, Facts, Fault, PersonName, Section, StateSign, toast, toastProblem, type WorkColumn } from '@/ui'
import { QueueScreen } from './QueueScreen'
import classes from './routing.module.css'
import { compressedText, COMPRESSIONS, savedText, stateOf, type Compressing } from './types'

const look = (one: Compressing) => stateOf(one)

const COLUMNS: readonly WorkColumn<Compressing>[] = [
  { id: 'state', label: 'State', value: look, render: (one) => <StateSign state={look(one)} of="queue" />, width: 118 },
  { id: 'patient', label: 'Patient', value: (one) => one.patient_name, render: (one) => <PersonName value={one.patient_name} />, width: 120, grow: 1 },
  {
    id: 'study',
    label: 'Study',
    value: (one) => [one.modalities.join(' '), one.study_description].filter(Boolean).join(' · '),
    width: 160,
    grow: 2,
  },
  { id: 'objects', label: 'Objects', value: compressedText, width: 92, grow: 1, align: 'right' },
  { id: 'before', label: 'Received', value: (one) => one.bytes_before, render: (one) => formatBytes(one.bytes_before), width: 84, align: 'right' },
  { id: 'after', label: 'Kept', value: (one) => one.bytes_after, render: (one) => formatBytes(one.bytes_after), width: 84, align: 'right' },
  { id: 'saved', label: 'Saved', value: savedText, width: 64, align: 'right' },
  { id: 'by', label: 'By the rule', value: (one) => one.requested_by, width: 110, grow: 1 },
  { id: 'updated', label: 'When', value: (one) => new Date(one.updated_at), render: (one) => <DateTime value={one.updated_at} />, width: 100 },
]

const VIEWS = { all: 'All', failed: 'Failed', waiting: 'Waiting', done: 'Done', restored: 'As received' }

const keyOf = (one: Compressing) => String(one.compression_pk)

/** Studies whose pictures a rule has compressed in their place: what waits, what it saved, what stays as it came and why. */
export default function CompressionScreen() {
  const { may } = useSession()
  return (
    <QueueScreen<Compressing>
      id="compression"
      title="Compression"
      from="/api/archive/compressions"
      live="compression.changed"
      views={VIEWS}
      actions={
        <Button component={Link} to="/system/rules" variant="default">
          Rules
        </Button>
      }
      keyOf={keyOf}
      look={look}
      columns={COLUMNS}
      isQuiet={(one) => one.state === 'canceled' || one.state === 'restored'}
      searchPlaceholder="Patient, study, rule"
      compact={(one) => [<PersonName key="name" value={one.patient_name} />, `${compressedText(one)} · ${savedText(one)}`]}
      hint="Choose a study to see what was compressed, and to put back what was received."
      empty={{ title: 'Nothing was compressed yet', hint: 'A rule that says “Compress in the archive” has its studies stand here.' }}
      inspector={(one) => <Inspector key={keyOf(one)} one={one} mayWrite={may('queue.write')} />}
    />
  )
}

function Inspector({ one, mayWrite }: { one: Compressing; mayWrite: boolean }) {
  const [busy, setBusy] = useState(false)
  const ask = (what: 'again' | 'cancel' | 'restore', done: string) => {
    setBusy(true)
    void http
      .post(`/api/archive/compressions/${one.compression_pk}/${what}`)
      .then(() => toast(done))
      .catch((error: unknown) => toastProblem(error))
      .finally(() => setBusy(false))
  }
  const open = one.state === 'waiting' || one.state === 'working' || one.state === 'restoring'
  return (
    <>
      <Section title={COMPRESSIONS[one.transfer_syntax_uid] ?? one.transfer_syntax_uid} aside={<StateSign state={look(one)} of="queue" />}>
        {one.last_error ? (
          <Fault calm={one.state !== 'failed'}>
            <strong>{one.last_error}</strong>
            <p>{one.state === 'failed' ? 'It is not tried again by itself. Mend what it names, then begin again.' : 'It is tried again; nothing is lost.'}</p>
          </Fault>
        ) : null}
        <Facts
          facts={[
            ['Compressed', compressedText(one)],
            ['Received', formatBytes(one.bytes_before)],
            ['Kept', one.bytes_before ? `${formatBytes(one.bytes_after)}, ${savedText(one)} less` : formatBytes(one.bytes_after)],
            ['By the rule', one.requested_by],
            ...(one.state === 'waiting' ? [['Next', <DateTime key="next" value={one.not_before} />] as [string, React.ReactNode]] : []),
          ]}
        />
        {one.left ? (
          <p className={classes['hint']}>
            {one.left === 1 ? 'One object stays' : `${one.left} objects stay`} as received: {one.first_reason}.
          </p>
        ) : null}
      </Section>
      {mayWrite ? (
        <div className={classes['buttons']}>
          {open ? (
            <Button variant="default" loading={busy} onClick={() => ask('cancel', 'It is stopped; what is compressed stays so.')}>
              Stop
            </Button>
          ) : (
            <Button variant="default" loading={busy} onClick={() => ask('again', 'It begins again.')}>
              Compress again
            </Button>
          )}
          {!open && one.objects ? (
            <Button variant="default" loading={busy} onClick={() => ask('restore', 'What was received is put back.')}>
              Put back what was received
            </Button>
          ) : null}
        </div>
      ) : null}
    </>
  )
}
