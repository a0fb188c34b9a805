import { Button, Modal, Select, TextInput } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useSession, type Page } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { Facts, Form, PersonName, Screen, Section, toast, toastProblem, useProblemForm, WorkList, type WorkColumn, type WorkFilter } from '@/ui'
import { npiFault, particularsOf, save, type Particulars, type Practitioner, type User } from './particulars'
import classes from './practitioners.module.css'

const COLUMNS: readonly WorkColumn<Practitioner>[] = [
  {
    id: 'person_name',
    label: 'Name',
    value: (one) => formatPersonName(one.person_name),
    render: (one) => <PersonName value={one.person_name} />,
    width: 220,
    grow: 2,
  },
  { id: 'npi', label: 'NPI', value: (one) => one.npi ?? '', render: (one) => one.npi ?? 'missing', width: 120 },
  { id: 'taxonomy_code', label: 'Taxonomy', value: (one) => one.taxonomy_code, width: 120 },
  { id: 'phone', label: 'Phone', value: (one) => one.phone, width: 130, grow: 1 },
  { id: 'user', label: 'Account', value: (one) => one.user_display_name, width: 150, grow: 1 },
]

const FILTERS: readonly WorkFilter<Practitioner>[] = [
  {
    id: 'state',
    label: 'Show',
    options: [
      { value: 'npi', label: 'Without an NPI' },
      { value: 'account', label: 'With an account' },
    ],
    match: (one, value) => (value === 'npi' ? !one.npi : one.user_pk !== null),
  },
]

const keyOf = (one: Practitioner) => String(one.practitioner_pk)

/** Physicians who order, read and sign, as orders, reports and claims name them. */
export default function PractitionersScreen() {
  const navigate = useNavigate()
  const search: { add?: unknown } = useSearch({ strict: false })
  const { may } = useSession()
  const mayWrite = may('order.write') || may('config.write')
  const practitioners = useQuery({
    queryKey: ['practitioners', 'all'],
    queryFn: () => http.get<Practitioner[]>('/api/practitioners', { query: { limit: 500 } }),
  })
  const [currentPk, setCurrentPk] = useState<number>()
  const setAdding = (on: boolean) => void navigate({ to: '/practitioners', search: on ? { add: 1 } : {}, replace: true })
  const current = practitioners.data?.find((one) => one.practitioner_pk === currentPk)
  return (
    <Screen
      title="Physicians"
      actions={
        mayWrite ? (
          <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
            Add a physician
          </Button>
        ) : null
      }
      inspectorLabel="The chosen physician"
      inspectorHint="Choose a physician to see and change their particulars."
      inspector={current ? <Inspector key={current.practitioner_pk} one={current} mayWrite={mayWrite} /> : null}
    >
      <WorkList
        id="practitioners"
        noun="physicians"
        rows={practitioners.data}
        rowKey={keyOf}
        columns={COLUMNS}
        filters={FILTERS}
        defaultSort={{ column: 'person_name', descending: false }}
        onCurrent={(one) => setCurrentPk(one?.practitioner_pk)}
        error={practitioners.error}
        onRetry={() => void practitioners.refetch()}
        empty={{ title: 'No physicians yet', hint: 'Orders name who refers, reports who reads. Those of incoming orders appear here by themselves.' }}
      />
      <Modal opened={mayWrite && search.add !== undefined} onClose={() => setAdding(false)} title="Add a physician" size={640}>
        <PractitionerForm onDone={() => setAdding(false)} columns={2} />
      </Modal>
    </Screen>
  )
}

function PractitionerForm({ one, onDone, columns = 1 }: { one?: Practitioner; onDone?: () => void; columns?: 1 | 2 }) {
  const client = useQueryClient()
  const form = useProblemForm<Particulars>(
    {
      initialValues: particularsOf(one),
      validateInputOnBlur: ['npi'],
      validate: {
        family: (value, values) => (value.trim() || values.given.trim() || one?.person_name.includes('=') ? null : 'A name is needed'),
        npi: npiFault,
      },
    },
    async (values) => {
      await save(values, one)
      await client.invalidateQueries({ queryKey: ['practitioners'] })
      form.form.resetDirty()
      toast('The physician is saved.')
      onDone?.()
    },
  )
  const field = (name: keyof Particulars) => ({ autoComplete: 'off', ...form.form.getInputProps(name) })
  return (
    <Form of={form} submit={one ? 'Save the physician' : 'Add the physician'} columns={columns} onCancel={onDone}>
      <TextInput label="Family name" maxLength={64} data-autofocus {...field('family')} />
      <TextInput label="Given name" maxLength={64} {...field('given')} />
      <TextInput label="Middle name" maxLength={64} {...field('middle')} />
      <div className={classes['pair']}>
        <TextInput label="Title" placeholder="Dr." maxLength={32} {...field('prefix')} />
        <TextInput label="Suffix" placeholder="MD" maxLength={32} {...field('suffix')} />
      </div>
      <TextInput label="NPI" description="Ten digits; claims need it." inputMode="numeric" maxLength={10} {...field('npi')} />
      <TextInput label="Taxonomy code" description="The specialty, such as 2085R0202X." maxLength={10} {...field('taxonomy_code')} />
      <TextInput label="Phone" inputMode="tel" maxLength={32} {...field('phone')} />
      <TextInput label="E-mail" inputMode="email" maxLength={254} {...field('email')} />
    </Form>
  )
}

function Inspector({ one, mayWrite }: { one: Practitioner; mayWrite: boolean }) {
  const { may } = useSession()
  return (
    <>
      <Section title={formatPersonName(one.person_name)}>
        {mayWrite ? (
          <PractitionerForm one={one} />
        ) : (
          <Facts
            facts={[
              ['NPI', one.npi ?? 'missing'],
              ['Taxonomy code', one.taxonomy_code ?? ''],
              ['Phone', one.phone ?? ''],
              ['E-mail', one.email ?? ''],
            ]}
          />
        )}
      </Section>
      <Section title="Account">
        {may('user.admin') ? (
          <AccountOf one={one} />
        ) : (
          <p>{one.user_display_name ?? 'Signs in with no account here. An administrator can link one.'}</p>
        )}
      </Section>
    </>
  )
}

/** Which account is this person: what they sign carries this name and NPI. */
function AccountOf({ one }: { one: Practitioner }) {
  const client = useQueryClient()
  const users = useQuery({ queryKey: ['users'], queryFn: () => http.get<Page<User>>('/api/users') })
  const [busy, setBusy] = useState(false)
  const link = async (userPk: number | null) => {
    setBusy(true)
    try {
      if (userPk !== null) await http.patch(`/api/users/${userPk}`, { practitioner_pk: one.practitioner_pk })
      if (one.user_pk !== null && one.user_pk !== userPk) await http.patch(`/api/users/${one.user_pk}`, { practitioner_pk: null })
      toast(userPk === null ? 'No account is linked any more.' : 'The account is linked.')
    } catch (error) {
      toastProblem(error, 'The account was not linked')
    } finally {
      await client.invalidateQueries({ queryKey: ['practitioners'] })
      await client.invalidateQueries({ queryKey: ['users'] })
      setBusy(false)
    }
  }
  const free = (users.data?.items ?? []).filter(
    (user) => user.user_pk === one.user_pk || (user.practitioner_pk === null && !user.disabled),
  )
  return (
    <Select
      label="Signs in as"
      description="What this account signs carries the physician's name and NPI."
      placeholder="Nobody"
      searchable
      clearable
      disabled={busy || !users.data}
      data={free.map((user) => ({ value: String(user.user_pk), label: `${user.display_name} · ${user.username}` }))}
      value={one.user_pk === null ? null : String(one.user_pk)}
      onChange={(pk) => void link(pk === null ? null : Number(pk))}
      error={users.error ? 'The accounts could not be read' : undefined}
    />
  )
}
