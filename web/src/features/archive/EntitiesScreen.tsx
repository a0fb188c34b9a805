import { Button, Checkbox, Modal, NumberInput, TextInput } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo, useState, type ReactNode } from 'react'
import { http, useSession } from '@/lib/api'
import {
  ConfirmIrreversible,
  Form,
  Screen,
  Section,
  StateSign,
  toast,
  useProblemForm,
  Wide,
  WorkList,
  type WorkAction,
  type WorkColumn,
} from '@/ui'
import classes from './archive.module.css'
import type { EchoAnswer, Entity, EntityFields } from './types'

const RIGHTS = [
  { value: 'verify', label: 'Ask whether we answer (C-ECHO)' },
  { value: 'store', label: 'Send objects here' },
  { value: 'find', label: 'Search' },
  { value: 'move', label: 'Have objects sent (C-MOVE)' },
  { value: 'get', label: 'Fetch objects (C-GET)' },
  { value: 'worklist', label: 'Read the worklist' },
  { value: 'mpps', label: 'Report performed steps' },
  { value: 'commitment', label: 'Ask for storage commitment' },
  { value: 'workitems', label: 'Work items: ask, perform, watch' },
  { value: 'availability', label: 'Is told which objects are here' },
  { value: 'notify', label: 'Tell us which objects it has' },
] as const

const EMPTY: EntityFields = { ae_title: '', host: '', port: 104, description: '', rights: ['verify', 'store', 'find', 'worklist', 'mpps'] }

/** What an echo said, by the peer's key; kept while the screen is open. */
type Echoes = Readonly<Record<number, EchoAnswer | undefined>>

const keyOf = (entity: Entity) => String(entity.remote_ae_pk)

function pulse(echo: EchoAnswer | undefined): string {
  if (!echo) return 'unknown'
  return echo.answered ? 'up' : 'down'
}

/** The DICOM peers that are known here: modalities, workstations, other archives. Others are refused. */
export default function EntitiesScreen() {
  const { may } = useSession()
  const navigate = useNavigate()
  const search: { add?: unknown } = useSearch({ strict: false })
  const entities = useQuery({
    queryKey: ['application-entities'],
    queryFn: () => http.get<Entity[]>('/api/archive/application-entities'),
  })
  const [currentPk, setCurrentPk] = useState<number>()
  const [echoes, setEchoes] = useState<Echoes>({})
  const mayWrite = may('config.write')
  const current = entities.data?.find((entity) => entity.remote_ae_pk === currentPk)
  const setAdding = (on: boolean) =>
    void navigate({ to: '/application-entities', search: on ? { add: 1 } : {}, replace: true })
  const echo = async (entity: Entity) => {
    const answer = await http.post<EchoAnswer>(`/api/archive/application-entities/${entity.remote_ae_pk}/echo`)
    setEchoes((before) => ({ ...before, [entity.remote_ae_pk]: answer }))
  }
  const columns = useMemo<readonly WorkColumn<Entity>[]>(
    () => [
      { id: 'ae_title', label: 'AE title', value: (entity) => entity.ae_title, width: 150, grow: 1 },
      { id: 'description', label: 'Description', value: (entity) => entity.description, width: 180, grow: 2 },
      { id: 'host', label: 'Address', value: (entity) => `${entity.host}:${entity.port}`, width: 170, grow: 1 },
      { id: 'rights', label: 'May', value: (entity) => entity.rights.join(', '), width: 180, grow: 2 },
      {
        id: 'echo',
        label: 'Echo',
        value: (entity) => pulse(echoes[entity.remote_ae_pk]),
        render: (entity) => <StateSign state={pulse(echoes[entity.remote_ae_pk])} of="device" />,
        width: 130,
      },
    ],
    [echoes],
  )
  const actions: WorkAction<Entity>[] = mayWrite
    ? [
        {
          id: 'echo',
          label: 'Echo',
          keys: 'e',
          run: async (chosen) => {
            for (const entity of chosen) await echo(entity)
          },
        },
      ]
    : []
  return (
    <Screen
      title="Application entities"
      actions={
        <>
          <Button component={Link} to="/system/associations" variant="default">
            Connected now
          </Button>
          {mayWrite ? (
            <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
              Add an application entity
            </Button>
          ) : null}
        </>
      }
      inspectorLabel="The chosen application entity"
      inspectorHint="Choose one to see and change what it may do."
      inspector={
        current ? (
          <EntityInspector
            key={current.remote_ae_pk}
            entity={current}
            answer={echoes[current.remote_ae_pk]}
            readOnly={!mayWrite}
          />
        ) : null
      }
    >
      <WorkList
        id="application-entities"
        noun="application entities"
        rows={entities.data}
        rowKey={keyOf}
        columns={columns}
        actions={actions}
        onCurrent={(entity) => setCurrentPk(entity?.remote_ae_pk)}
        error={entities.error}
        onRetry={() => void entities.refetch()}
        empty={{
          title: 'No application entity is known',
          hint: 'A modality can send only once its title and host stand here. Add the first one.',
        }}
      />
      <Modal opened={mayWrite && search.add !== undefined} onClose={() => setAdding(false)} title="Add an application entity" size={640}>
        <EntityForm columns={2} onDone={() => setAdding(false)} />
      </Modal>
    </Screen>
  )
}

function EntityInspector({
  entity,
  answer,
  readOnly,
}: {
  entity: Entity
  answer: EchoAnswer | undefined
  readOnly: boolean
}) {
  const client = useQueryClient()
  const [removing, setRemoving] = useState(false)
  return (
    <Section title={entity.ae_title}>
      {answer?.detail ? <p className={classes['note']}>{answer.detail}</p> : null}
      <EntityForm
        entity={entity}
        readOnly={readOnly}
        more={
          <Button variant="default" color="danger" onClick={() => setRemoving(true)}>
            Forget it
          </Button>
        }
      />
      <ConfirmIrreversible
        opened={removing}
        title={`Forget ${entity.ae_title}?`}
        confirm="Forget the application entity"
        onConfirm={async () => {
          await http.delete(`/api/archive/application-entities/${entity.remote_ae_pk}`)
          await client.invalidateQueries({ queryKey: ['application-entities'] })
          toast('It is forgotten.')
        }}
        onClose={() => setRemoving(false)}
      >
        It can neither call nor be sent to any more. What it sent stays.
      </ConfirmIrreversible>
    </Section>
  )
}

function EntityForm({
  entity,
  columns = 1,
  readOnly = false,
  more,
  onDone,
}: {
  entity?: Entity
  columns?: 1 | 2
  readOnly?: boolean
  more?: ReactNode
  onDone?: () => void
}) {
  const client = useQueryClient()
  const initial: EntityFields = entity
    ? {
        ae_title: entity.ae_title,
        host: entity.host,
        port: entity.port,
        description: entity.description ?? '',
        rights: entity.rights,
      }
    : EMPTY
  const form = useProblemForm<EntityFields>({ initialValues: initial }, async (values) => {
    const body = { ...values, port: Number(values.port), description: values.description?.trim() ? values.description.trim() : null }
    if (entity) await http.put(`/api/archive/application-entities/${entity.remote_ae_pk}`, body)
    else await http.post('/api/archive/application-entities', body)
    await client.invalidateQueries({ queryKey: ['application-entities'] })
    toast('The application entity is saved.')
    onDone?.()
  })
  const field = (name: keyof EntityFields) => form.form.getInputProps(name)
  const fields = (
    <>
      <TextInput label="AE title" maxLength={16} readOnly={readOnly} {...field('ae_title')} />
      <TextInput label="Description" maxLength={128} readOnly={readOnly} {...field('description')} />
      <TextInput label="Host" description="Calls are taken from this address alone." readOnly={readOnly} {...field('host')} />
      <NumberInput label="Port" min={1} max={65535} allowDecimal={false} thousandSeparator="" readOnly={readOnly} {...field('port')} />
      <Wide>
        <Checkbox.Group label="It may" {...field('rights')}>
          <div className={classes['rights']}>
            {RIGHTS.map((right) => (
              <Checkbox key={right.value} value={right.value} label={right.label} disabled={readOnly} />
            ))}
          </div>
        </Checkbox.Group>
      </Wide>
    </>
  )
  if (readOnly) return <div>{fields}</div>
  return (
    <Form of={form} submit={entity ? 'Save' : 'Add the application entity'} columns={columns} onCancel={onDone} more={more}>
      {fields}
    </Form>
  )
}
