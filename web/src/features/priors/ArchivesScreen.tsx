import { Button, Checkbox, Modal, NumberInput, PasswordInput, Select, TextInput } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useSession } from '@/lib/api'
import { DateTime, Facts, Fault, Form, Screen, Section, StateSign, toast, toastProblem, useProblemForm, Wide, WorkList, type WorkColumn } from '@/ui'
import classes from './priors.module.css'
import { prefetchText, pulseOf, WAYS, whereOf, type Archive, type ArchiveFields, type Entity, type Retrieve } from './types'

const Pulse = ({ archive }: { archive: Archive }) => <StateSign state={pulseOf(archive)} of={archive.is_enabled ? 'device' : 'user'} />

const COLUMNS: readonly WorkColumn<Archive>[] = [
  { id: 'name', label: 'Archive', value: (archive) => archive.name, width: 150, grow: 1 },
  { id: 'where', label: 'Where', value: whereOf, width: 170, grow: 2 },
  { id: 'way', label: 'Way', value: (archive) => archive.retrieve, width: 92 },
  { id: 'issuer', label: 'Issuer of patient IDs', value: (archive) => archive.issuer_of_patient_id, width: 150 },
  { id: 'prefetch', label: 'Fetches', value: prefetchText, width: 190, grow: 1 },
  { id: 'pulse', label: 'Pulse', value: pulseOf, render: (archive) => <Pulse archive={archive} />, width: 120 },
]

const keyOf = (archive: Archive) => String(archive.remote_archive_pk)

/** The other archives that are asked for priors. */
export default function ArchivesScreen() {
  const { may } = useSession()
  const [currentPk, setCurrentPk] = useState<number>()
  const [adding, setAdding] = useState(false)
  const archives = useQuery({ queryKey: ['other-archives'], queryFn: () => http.get<Archive[]>('/api/priors/archives') })
  const mayWrite = may('config.write')
  const current = archives.data?.find((archive) => archive.remote_archive_pk === currentPk)
  return (
    <Screen
      title="Other archives"
      actions={
        <>
          <Button component={Link} to="/system/fetching" variant="default">
            Fetching
          </Button>
          {mayWrite ? (
            <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
              Add an archive
            </Button>
          ) : null}
        </>
      }
      inspectorLabel="The chosen archive"
      inspectorHint="Choose an archive to see whether it answers, and to change it."
      inspector={current ? <ArchiveInspector key={keyOf(current)} archive={current} mayWrite={mayWrite} /> : null}
    >
      <WorkList
        id="other-archives"
        noun="archives"
        rows={archives.data}
        rowKey={keyOf}
        columns={COLUMNS}
        onCurrent={(archive) => setCurrentPk(archive?.remote_archive_pk)}
        isUrgent={(archive) => pulseOf(archive) === 'down'}
        isQuiet={(archive) => !archive.is_enabled}
        error={archives.error}
        onRetry={() => void archives.refetch()}
        empty={{
          title: 'No other archive yet',
          hint: 'Add one, and it is asked for priors when an order is placed. What agrees with the patient can be fetched.',
        }}
      />
      <Modal opened={adding} onClose={() => setAdding(false)} title="Add an archive" size={640}>
        <ArchiveForm onDone={() => setAdding(false)} />
      </Modal>
    </Screen>
  )
}

function ArchiveInspector({ archive, mayWrite }: { archive: Archive; mayWrite: boolean }) {
  const client = useQueryClient()
  const [busy, setBusy] = useState(false)
  const refresh = () => client.invalidateQueries({ queryKey: ['other-archives'] })
  const path = `/api/priors/archives/${archive.remote_archive_pk}`
  const check = () => {
    setBusy(true)
    void http
      .post<{ fault: string | null }>(`${path}/check`)
      .then((answer) => toast(answer.fault ? `${archive.name}: ${answer.fault}` : `${archive.name} answers.`))
      .then(refresh)
      .catch((error: unknown) => toastProblem(error))
      .finally(() => setBusy(false))
  }
  const remove = () =>
    http
      .delete(path)
      .then(refresh)
      .then(() => toast('The archive is not asked any more; what was fetched from it stays.'))
      .catch((error: unknown) => toastProblem(error))
  return (
    <>
      <Section title={archive.name} aside={<Pulse archive={archive} />}>
        {archive.last_error ? (
          <Fault>
            <strong>
              <DateTime value={archive.last_error_at} />
            </strong>
            <p>{archive.last_error}</p>
          </Fault>
        ) : null}
        <Facts
          facts={[
            ['Where', whereOf(archive)],
            ['Way', WAYS[archive.retrieve]],
            ['Last answered', archive.last_answered_at ? <DateTime key="last" value={archive.last_answered_at} /> : 'never'],
          ]}
        />
        {mayWrite ? (
          <div className={classes['buttons']}>
            <Button variant="default" loading={busy} onClick={check}>
              Ask whether it answers
            </Button>
          </div>
        ) : null}
      </Section>
      {mayWrite ? (
        <Section title="Change">
          <ArchiveForm archive={archive} />
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

interface Values {
  name: string
  retrieve: Retrieve
  remote_ae_pk: string
  base_url: string
  user_name: string
  password: string
  issuer_of_patient_id: string
  prefetch_max: number
  years_max: number
  lead_hours: number
  is_enabled: boolean
}

function ArchiveForm({ archive, onDone }: { archive?: Archive; onDone?: () => void }) {
  const client = useQueryClient()
  const entities = useQuery({
    queryKey: ['application-entities'],
    queryFn: () => http.get<Entity[]>('/api/archive/application-entities'),
  })
  const form = useProblemForm<Values>(
    {
      initialValues: {
        name: archive?.name ?? '',
        retrieve: archive?.retrieve ?? 'C-GET',
        remote_ae_pk: archive?.remote_ae_pk ? String(archive.remote_ae_pk) : '',
        base_url: archive?.base_url ?? '',
        user_name: archive?.user_name ?? '',
        password: '',
        issuer_of_patient_id: archive?.issuer_of_patient_id ?? '',
        prefetch_max: archive?.prefetch_max ?? 3,
        years_max: archive?.years_max ?? 10,
        lead_hours: archive?.lead_hours ?? 24,
        is_enabled: archive?.is_enabled ?? true,
      },
      validate: {
        name: (value) => (value.trim() ? null : 'Give it a name'),
        issuer_of_patient_id: (value) => (value.trim() ? null : 'Say whose patient IDs it uses'),
      },
    },
    async (values) => {
      const web = values.retrieve === 'WADO-RS'
      const body: ArchiveFields = {
        ...values,
        remote_ae_pk: web || !values.remote_ae_pk ? null : Number(values.remote_ae_pk),
        base_url: web ? values.base_url : null,
        user_name: web ? values.user_name || null : null,
        password: values.password || null,
      }
      if (archive) await http.put(`/api/priors/archives/${archive.remote_archive_pk}`, body)
      else await http.post('/api/priors/archives', body)
      await client.invalidateQueries({ queryKey: ['other-archives'] })
      toast('The archive is saved.')
      onDone?.()
    },
  )
  const field = form.form.getInputProps
  const web = form.form.getValues().retrieve === 'WADO-RS'
  return (
    <Form of={form} submit={archive ? 'Save the archive' : 'Add the archive'} onCancel={onDone} columns={2}>
      <Wide>
        <TextInput label="Name" maxLength={64} {...field('name')} data-autofocus={archive ? undefined : true} />
      </Wide>
      <Wide>
        <Select
          label="How it is asked"
          data={Object.entries(WAYS).map(([value, label]) => ({ value, label }))}
          allowDeselect={false}
          {...field('retrieve')}
        />
      </Wide>
      {web ? (
        <>
          <Wide>
            <TextInput
              label="Address of its DICOMweb"
              placeholder="https://archive.example/dicom-web"
              autoCapitalize="none"
              spellCheck={false}
              {...field('base_url')}
            />
          </Wide>
          <TextInput label="User" autoCapitalize="none" autoComplete="off" {...field('user_name')} />
          <PasswordInput
            label="Password or token"
            placeholder={archive?.has_password ? 'as before' : undefined}
            autoComplete="new-password"
            {...field('password')}
          />
        </>
      ) : (
        <Wide>
          <Select
            label="AE title"
            data={entities.data?.map((entity) => ({ value: String(entity.remote_ae_pk), label: entity.ae_title })) ?? []}
            allowDeselect={false}
            {...field('remote_ae_pk')}
          />
        </Wide>
      )}
      <Wide>
        <TextInput
          label="Issuer of its patient IDs"
          description="A patient is asked for by the identifier of this issuer, never by name."
          {...field('issuer_of_patient_id')}
        />
      </Wide>
      <NumberInput label="Priors fetched unasked" min={0} max={20} clampBehavior="strict" {...field('prefetch_max')} />
      <NumberInput label="None older than, years" min={0} max={99} clampBehavior="strict" {...field('years_max')} />
      <NumberInput label="Before the appointment, hours" min={0} max={720} clampBehavior="strict" {...field('lead_hours')} />
      <Wide>
        <Checkbox label="It is asked" {...form.form.getInputProps('is_enabled', { type: 'checkbox' })} />
      </Wide>
    </Form>
  )
}
