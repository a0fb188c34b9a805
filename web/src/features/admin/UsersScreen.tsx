import { Button, Checkbox, CopyButton, Group, Modal, Select, Stack, TextInput } from '@mantine/core'
import { IconUserPlus } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState, type ReactNode } from 'react'
import { http, useActor, type Page } from '@/lib/api'
import { ROLES, ROLE_LABEL, type Role } from '@/lib/permissions'
import { formatPersonName } from '@/lib/personname'
import {
  ConfirmIrreversible,
  DateTime,
  Facts,
  Form,
  ProblemNote,
  Screen,
  Section,
  StateSign,
  toast,
  toastProblem,
  useProblemForm,
  WorkList,
  type WorkColumn,
  type WorkFilter,
} from '@/ui'
import classes from './admin.module.css'
import { Tokens } from './Tokens'
import { stateOfUser, type Invited, type Practitioner, type User } from './types'

const rolesOf = (user: User) => user.roles.map((role) => ROLE_LABEL[role]).join(', ')

const COLUMNS: readonly WorkColumn<User>[] = [
  { id: 'display_name', label: 'Name', value: (user) => user.display_name, width: 180, grow: 2 },
  { id: 'username', label: 'User name', value: (user) => user.username, width: 150, grow: 1 },
  { id: 'roles', label: 'Roles', value: rolesOf, width: 160, grow: 2 },
  {
    id: 'state',
    label: 'State',
    value: (user) => stateOfUser(user),
    render: (user) => <StateSign state={stateOfUser(user)} of="user" />,
    width: 110,
  },
  {
    id: 'authenticator',
    label: 'Authenticator',
    value: (user) => (user.has_totp ? 'enrolled' : user.mfa_required ? 'required, missing' : 'none'),
    width: 130,
  },
  {
    id: 'created_at',
    label: 'Since',
    value: (user) => new Date(user.created_at),
    render: (user) => <DateTime value={user.created_at} />,
    width: 130,
    hidden: true,
  },
]

const FILTERS: readonly WorkFilter<User>[] = [
  {
    id: 'state',
    label: 'State',
    options: [
      { value: 'active', label: 'Active' },
      { value: 'invited', label: 'Invited' },
      { value: 'disabled', label: 'Disabled' },
    ],
    match: (user, value) => stateOfUser(user) === value,
  },
]

const keyOf = (user: User) => String(user.user_pk)

/** Accounts and their roles, one-time links and API tokens. Accounts are never shared and never deleted. */
export default function UsersScreen() {
  const navigate = useNavigate()
  const search: { add?: unknown } = useSearch({ strict: false })
  const users = useQuery({ queryKey: ['users'], queryFn: () => http.get<Page<User>>('/api/users') })
  const [currentPk, setCurrentPk] = useState<number>()
  const [link, setLink] = useState<Invited>()
  const adding = search.add !== undefined
  const setAdding = (on: boolean) => void navigate({ to: '/users', search: on ? { add: 1 } : {}, replace: true })
  const current = users.data?.items.find((user) => user.user_pk === currentPk)

  return (
    <Screen
      title="Users"
      actions={
        <Button leftSection={<IconUserPlus size={16} />} onClick={() => setAdding(true)}>
          Add a user
        </Button>
      }
      inspectorLabel="The chosen user"
      inspectorHint="Choose a user to see and change the account."
      inspector={current ? <UserInspector key={current.user_pk} user={current} onLink={setLink} /> : null}
    >
      <WorkList
        id="users"
        noun="users"
        rows={users.data?.items}
        rowKey={keyOf}
        columns={COLUMNS}
        filters={FILTERS}
        defaultSort={{ column: 'display_name', descending: false }}
        onCurrent={(user) => setCurrentPk(user?.user_pk)}
        isQuiet={(user) => user.disabled}
        error={users.error}
        onRetry={() => void users.refetch()}
        empty={{ title: 'No users yet', hint: 'Add the first one; they set their own password by a one-time link.' }}
      />
      <AddUser opened={adding} onClose={() => setAdding(false)} onAdded={setLink} />
      <LinkDialog invited={link} onClose={() => setLink(undefined)} />
    </Screen>
  )
}

interface FieldProps<V> {
  value?: V
  onChange?: (value: V) => void
  error?: ReactNode
}

function RolesInput({ value, onChange, error }: FieldProps<Role[]>) {
  return (
    <Checkbox.Group
      label="Roles"
      description="What a person may do is the sum of their roles."
      value={value}
      onChange={(roles) => onChange?.(ROLES.filter((role) => roles.includes(role)))}
      error={error}
    >
      <div className={classes['roles']}>
        {ROLES.map((role) => (
          <Checkbox key={role} value={role} label={ROLE_LABEL[role]} />
        ))}
      </div>
    </Checkbox.Group>
  )
}

function PractitionerInput({ value, onChange, error }: FieldProps<number | null>) {
  const practitioners = useQuery({ queryKey: ['practitioners'], queryFn: () => http.get<Practitioner[]>('/api/practitioners') })
  return (
    <Select
      label="Is the practitioner"
      description="For those who order, read or sign: reports and results carry this name."
      placeholder="Nobody"
      searchable
      clearable
      data={(practitioners.data ?? []).map((one) => ({
        value: String(one.practitioner_pk),
        label: formatPersonName(one.person_name) + (one.npi ? ` · NPI ${one.npi}` : ''),
      }))}
      value={value == null ? null : String(value)}
      onChange={(pk) => onChange?.(pk === null ? null : Number(pk))}
      error={error}
    />
  )
}

function AddUser({ opened, onClose, onAdded }: { opened: boolean; onClose: () => void; onAdded: (invited: Invited) => void }) {
  const client = useQueryClient()
  const form = useProblemForm<{ display_name: string; username: string; roles: Role[]; practitioner_pk: number | null }>(
    { initialValues: { display_name: '', username: '', roles: [], practitioner_pk: null } },
    async (values) => {
      const invited = await http.post<Invited>('/api/users', values)
      await client.invalidateQueries({ queryKey: ['users'] })
      form.form.reset()
      onClose()
      onAdded(invited)
    },
  )
  return (
    <Modal opened={opened} onClose={onClose} title="Add a user" size={520}>
      <Form of={form} submit="Add and make the link" onCancel={onClose}>
        <TextInput label="Name, as colleagues read it" {...form.form.getInputProps('display_name')} data-autofocus />
        <TextInput
          label="User name"
          description="Letters, digits, point, dash and underscore."
          autoCapitalize="none"
          spellCheck={false}
          {...form.form.getInputProps('username')}
        />
        <RolesInput {...form.form.getInputProps('roles')} />
        <PractitionerInput {...form.form.getInputProps('practitioner_pk')} />
      </Form>
    </Modal>
  )
}

function LinkDialog({ invited, onClose }: { invited: Invited | undefined; onClose: () => void }) {
  const link = invited ? `${window.location.origin}${invited.invitation_path}` : ''
  return (
    <Modal opened={invited !== undefined} onClose={onClose} title="One-time link" size={520} closeOnClickOutside={false}>
      <Stack gap={12}>
        <p>
          Give this to <strong>{invited?.user.display_name}</strong> in person or by a safe way. It lets them set a password once, and is
          not shown again.
        </p>
        <TextInput aria-label="One-time link" value={link} readOnly onFocus={(event) => event.currentTarget.select()} />
        <Group justify="flex-end" gap={8}>
          <CopyButton value={link}>
            {({ copied, copy }) => <Button onClick={copy}>{copied ? 'Copied' : 'Copy the link'}</Button>}
          </CopyButton>
          <Button variant="default" onClick={onClose}>
            Done
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}

function UserInspector({ user, onLink }: { user: User; onLink: (invited: Invited) => void }) {
  const client = useQueryClient()
  const me = useActor()
  const [asking, setAsking] = useState<'disable' | 'reset'>()
  const refresh = () => client.invalidateQueries({ queryKey: ['users'] })
  const patch = (body: Record<string, unknown>) => http.patch<User>(`/api/users/${user.user_pk}`, body).then(refresh)
  const invite = useMutation({
    mutationFn: () => http.post<Invited>(`/api/users/${user.user_pk}/invitation`),
    onSuccess: onLink,
    onError: (error) => toastProblem(error, 'No link was made'),
  })
  const form = useProblemForm<{ display_name: string; roles: Role[]; practitioner_pk: number | null }>(
    { initialValues: { display_name: user.display_name, roles: user.roles, practitioner_pk: user.practitioner_pk } },
    async (values) => {
      await patch(values)
      form.form.resetDirty()
      toast('The account is changed.')
    },
  )
  return (
    <>
      <Section title={user.display_name} aside={<StateSign state={stateOfUser(user)} of="user" />}>
        <Facts
          facts={[
            ['User name', user.username],
            ['Since', <DateTime key="since" value={user.created_at} />],
            ['Authenticator', user.has_totp ? 'Enrolled' : user.mfa_required ? 'Required, not yet enrolled' : 'None'],
          ]}
        />
        <div className={classes['buttons']}>
          <Button variant="default" loading={invite.isPending} onClick={() => invite.mutate()}>
            {user.has_password ? 'New password link' : 'New invitation link'}
          </Button>
          {user.has_totp ? (
            <Button variant="default" onClick={() => setAsking('reset')}>
              Reset authenticator
            </Button>
          ) : null}
          {user.disabled ? (
            <Button variant="default" onClick={() => void patch({ disabled: false }).catch((error: unknown) => toastProblem(error))}>
              Enable
            </Button>
          ) : (
            <Button variant="default" disabled={user.user_pk === me.user_pk} onClick={() => setAsking('disable')}>
              Disable
            </Button>
          )}
        </div>
      </Section>
      <Section title="Account">
        <Form of={form} submit="Save the account">
          <TextInput label="Name" {...form.form.getInputProps('display_name')} />
          <RolesInput {...form.form.getInputProps('roles')} />
          <PractitionerInput {...form.form.getInputProps('practitioner_pk')} />
        </Form>
        <p className={classes['note']}>A change of roles signs the person out everywhere at once.</p>
      </Section>
      <Tokens user={user} />
      <ConfirmIrreversible
        opened={asking === 'disable'}
        title="Disable this account?"
        confirm="Disable the account"
        onConfirm={() => patch({ disabled: true })}
        onClose={() => setAsking(undefined)}
      >
        {user.display_name} is signed out everywhere at once, and tokens of the account stop working. What they wrote and signed stays. The
        account can be enabled again.
      </ConfirmIrreversible>
      <ConfirmIrreversible
        opened={asking === 'reset'}
        title="Reset the authenticator?"
        confirm="Reset the authenticator"
        onConfirm={() => patch({ reset_totp: true })}
        onClose={() => setAsking(undefined)}
      >
        The enrolled authenticator of {user.display_name} stops working at once. Make sure that it is really they who ask.
      </ConfirmIrreversible>
      {invite.error ? <ProblemNote error={invite.error} title="No link was made" /> : null}
    </>
  )
}
