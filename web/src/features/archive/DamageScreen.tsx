import { Button } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useLive, useSession } from '@/lib/api'
import { DateTime, Facts, PersonName, Screen, Section, toast, toastProblem, WorkList, type WorkColumn } from '@/ui'
import classes from './archive.module.css'
import { checkText, type Damage, type Integrity } from './types'

const COLUMNS: readonly WorkColumn<Damage>[] = [
  {
    id: 'patient',
    label: 'Patient',
    value: (damage) => damage.patient_name,
    render: (damage) => <PersonName value={damage.patient_name} />,
    width: 160,
    grow: 1,
  },
  {
    id: 'study',
    label: 'Study',
    value: (damage) => [damage.modality, damage.study_description].filter(Boolean).join(' · '),
    width: 180,
    grow: 2,
  },
  { id: 'source', label: 'Sent here by', value: (damage) => damage.source_application_entity_title, width: 130 },
  { id: 'reason', label: 'What is wrong', value: (damage) => damage.reason, width: 220, grow: 2 },
  {
    id: 'found',
    label: 'Found',
    value: (damage) => new Date(damage.found_at),
    render: (damage) => <DateTime value={damage.found_at} />,
    width: 130,
  },
]

const keyOf = (damage: Damage) => String(damage.stored_object_pk)

/** Images that are not what was received any more, and how they are had again. */
export default function DamageScreen() {
  const { may } = useSession()
  const [currentPk, setCurrentPk] = useState<number>()
  const integrity = useQuery({
    queryKey: ['integrity'],
    queryFn: () => http.get<Integrity>('/api/archive/integrity'),
    refetchInterval: 60_000,
  })
  useLive(['object.damaged'], [['integrity']])
  const current = integrity.data?.damaged.find((damage) => damage.stored_object_pk === currentPk)
  return (
    <Screen
      title="Damaged images"
      actions={
        <Button component={Link} to="/system/store" variant="default">
          The store
        </Button>
      }
      note={integrity.data ? checkText(integrity.data) : undefined}
      inspectorLabel="The chosen object"
      inspectorHint="Choose an object to see how it is had again."
      inspector={current ? <DamageInspector key={keyOf(current)} damage={current} mayCheck={may('config.write')} /> : null}
    >
      <WorkList
        id="damage"
        noun="objects"
        rows={integrity.data?.damaged}
        rowKey={keyOf}
        columns={COLUMNS}
        defaultSort={{ column: 'found', descending: true }}
        onCurrent={(damage) => setCurrentPk(damage?.stored_object_pk)}
        isUrgent={() => true}
        error={integrity.error}
        onRetry={() => void integrity.refetch()}
        empty={{
          title: 'Nothing is damaged',
          hint: 'All that is kept is read again, a little each minute; what is not as it was received stands here.',
        }}
      />
    </Screen>
  )
}

function DamageInspector({ damage, mayCheck }: { damage: Damage; mayCheck: boolean }) {
  const client = useQueryClient()
  const [busy, setBusy] = useState(false)
  const check = () => {
    setBusy(true)
    void http
      .post<{ whole: boolean }>(`/api/archive/damaged/${damage.stored_object_pk}/check`)
      .then(({ whole }) => toast(whole ? 'It is whole again.' : 'It is still damaged.'))
      .then(() => client.invalidateQueries({ queryKey: ['integrity'] }))
      .catch((error: unknown) => toastProblem(error))
      .finally(() => setBusy(false))
  }
  return (
    <Section title="A damaged image">
      <p className={classes['detail']}>
        Have {damage.source_application_entity_title ?? 'its sender'} send the study again: the same image takes the place of this
        one by itself. Or mend the disk, and check again.
      </p>
      <Facts
        facts={[
          ['What is wrong', damage.reason],
          ['Object', String(damage.stored_object_pk)],
          ['Kind', damage.role],
          ['Patient ID', damage.patient_id],
          ['Instance', <span key="instance" className={classes['uid']}>{damage.sop_instance_uid ?? 'not filed'}</span>],
        ]}
      />
      {mayCheck ? (
        <Button variant="default" mt="sm" loading={busy} onClick={check}>
          Check again
        </Button>
      ) : null}
    </Section>
  )
}
