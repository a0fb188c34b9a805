import { Button, CopyButton, Group, Modal, Select, Stack, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http } from '@/lib/api'
import { Age, DateTime, Form, Outline, ProblemNote, Section, StateSign, toastProblem, useProblemForm } from '@/ui'
import classes from './admin.module.css'
import type { Token, User } from './types'

const DAYS = [
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '366', label: 'One year' },
]

function stateOfToken(token: Token): string {
  if (token.revoked_at) return 'revoked'
  return token.expires_at && new Date(token.expires_at) < new Date() ? 'expired' : 'active'
}

/** Bearer tokens with which programs act as this user. */
export function Tokens({ user }: { user: User }) {
  const client = useQueryClient()
  const queryKey = ['users', user.user_pk, 'tokens']
  const tokens = useQuery({ queryKey, queryFn: () => http.get<Token[]>(`/api/users/${user.user_pk}/tokens`) })
  const [adding, setAdding] = useState(false)
  const [made, setMade] = useState<Token>()
  const revoke = useMutation({
    mutationFn: (pk: number) => http.delete(`/api/tokens/${pk}`),
    onSuccess: () => client.invalidateQueries({ queryKey }),
    onError: (error) => toastProblem(error, 'The token still works'),
  })
  const form = useProblemForm<{ label: string; days: string }>({ initialValues: { label: '', days: '90' } }, async (values) => {
    const token = await http.post<Token>(`/api/users/${user.user_pk}/tokens`, {
      label: values.label,
      days: Number(values.days),
    })
    await client.invalidateQueries({ queryKey })
    form.form.reset()
    setAdding(false)
    setMade(token)
  })
  return (
    <Section
      title="API tokens"
      aside={
        <Button variant="default" onClick={() => setAdding(true)}>
          New token
        </Button>
      }
    >
      {tokens.error ? <ProblemNote error={tokens.error} onRetry={() => void tokens.refetch()} /> : null}
      {tokens.isPending ? <Outline rows={2} /> : null}
      {tokens.data?.length === 0 ? <p className={classes['note']}>No program acts as this user.</p> : null}
      <ul className={classes['tokens']}>
        {tokens.data?.map((token) => {
          const state = stateOfToken(token)
          return (
            <li key={token.api_token_pk}>
              <div>
                <strong>{token.label}</strong>
                <div className={classes['note']}>
                  {token.last_used_at ? (
                    <>
                      used <Age since={token.last_used_at} /> ago
                    </>
                  ) : (
                    'never used'
                  )}
                  {token.expires_at ? (
                    <>
                      {', until '}
                      <DateTime value={token.expires_at} />
                    </>
                  ) : (
                    ', without end'
                  )}
                </div>
              </div>
              {state === 'active' ? (
                <Button
                  variant="default"
                  loading={revoke.isPending && revoke.variables === token.api_token_pk}
                  onClick={() => revoke.mutate(token.api_token_pk)}
                >
                  Revoke
                </Button>
              ) : (
                <StateSign state={state} of="user" />
              )}
            </li>
          )
        })}
      </ul>
      <Modal opened={adding} onClose={() => setAdding(false)} title="New API token" size={420}>
        <Form of={form} submit="Make the token" onCancel={() => setAdding(false)}>
          <TextInput label="What it is for" placeholder="CT 1 gateway" data-autofocus {...form.form.getInputProps('label')} />
          <Select label="Good for" data={DAYS} allowDeselect={false} {...form.form.getInputProps('days')} />
          <p className={classes['note']}>It may do what {user.display_name} may do.</p>
        </Form>
      </Modal>
      <Modal opened={made !== undefined} onClose={() => setMade(undefined)} title="The token" size={520} closeOnClickOutside={false}>
        <Stack gap={12}>
          <p>Copy it now into the program that needs it. It is not shown again.</p>
          <TextInput aria-label="Token" value={made?.token ?? ''} readOnly onFocus={(event) => event.currentTarget.select()} />
          <Group justify="flex-end" gap={8}>
            <CopyButton value={made?.token ?? ''}>
              {({ copied, copy }) => <Button onClick={copy}>{copied ? 'Copied' : 'Copy the token'}</Button>}
            </CopyButton>
            <Button variant="default" onClick={() => setMade(undefined)}>
              Done
            </Button>
          </Group>
        </Stack>
      </Modal>
    </Section>
  )
}
