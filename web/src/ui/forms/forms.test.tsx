import { TextInput } from '@mantine/core'
import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it, vi } from 'vitest'
import { ApiProblem } from '@/lib/problem'
import { drawn } from '../testing'
import { ConfirmIrreversible, ReauthDialog } from './dialogs'
import { Form } from './Form'
import { fieldPath, useProblemForm } from './useProblemForm'

function Sample({ onSave }: { onSave: (values: { npi: string }) => Promise<void> }) {
  const form = useProblemForm({ initialValues: { npi: '' } }, onSave)
  return (
    <Form of={form} submit="Save">
      <TextInput label="NPI" {...form.form.getInputProps('npi')} />
    </Form>
  )
}

describe('forms', () => {
  it('puts the reason at its field, keeps what was typed, and takes the focus there', async () => {
    const user = userEvent.setup()
    drawn(<Sample onSave={() => Promise.reject(new ApiProblem(422, { detail: 'No.', errors: [{ field: 'npi', reason: 'ten digits' }] }))} />)
    await user.type(screen.getByLabelText('NPI'), '123')
    await user.click(screen.getByRole('button', { name: 'Save' }))
    expect(await screen.findByText('ten digits')).toBeDefined()
    expect((screen.getByLabelText('NPI') as HTMLInputElement).value).toBe('123')
    await waitFor(() => expect(document.activeElement).toBe(screen.getByLabelText('NPI')))
    expect(screen.queryByRole('alert')).toBeNull()
  })

  it('says in the form what belongs to no field', async () => {
    const user = userEvent.setup()
    drawn(<Sample onSave={() => Promise.reject(new ApiProblem(409, { detail: 'The slot is taken.', request_id: 'ab12' }))} />)
    await user.click(screen.getByRole('button', { name: 'Save' }))
    expect((await screen.findByRole('alert')).textContent).toContain('The slot is taken.')
    expect(screen.getByText('Request ab12')).toBeDefined()
  })

  it.each([
    ['steps[0].modality', 'steps.0.modality'],
    ['body.roles', 'roles'],
  ])('%s is the field %s', (field, path) => {
    expect(fieldPath(field)).toBe(path)
  })
})

describe('dialogs', () => {
  it('asks for the code only when the server does, and sends both', async () => {
    const user = userEvent.setup()
    const onConfirm = vi
      .fn()
      .mockRejectedValueOnce(new ApiProblem(403, { detail: 'Code.', errors: [{ field: 'totp', reason: 'required' }] }))
      .mockResolvedValueOnce(undefined)
    const onClose = vi.fn()
    drawn(<ReauthDialog opened username="ines" onConfirm={onConfirm} onClose={onClose} />)
    await user.type(screen.getByLabelText('Password'), 'correct horse')
    expect(screen.queryByLabelText('Code from your authenticator')).toBeNull()
    await user.click(screen.getByRole('button', { name: 'Sign' }))
    await user.type(await screen.findByLabelText('Code from your authenticator'), '123 456')
    await user.click(screen.getByRole('button', { name: 'Sign' }))
    expect(onConfirm).toHaveBeenLastCalledWith({ password: 'correct horse', totp: '123456' })
    await waitFor(() => expect(onClose).toHaveBeenCalled())
  })

  it('keeps an irreversible act locked until its word is typed, and stays open when refused', async () => {
    const user = userEvent.setup()
    const onConfirm = vi.fn().mockRejectedValue(new ApiProblem(409, { detail: 'It has images.' }))
    const onClose = vi.fn()
    drawn(
      <ConfirmIrreversible opened title="Delete?" confirm="Delete the study" typed="DELETE" onConfirm={onConfirm} onClose={onClose}>
        All images go.
      </ConfirmIrreversible>,
    )
    const button = screen.getByRole('button', { name: 'Delete the study' }) as HTMLButtonElement
    expect(button.disabled).toBe(true)
    await user.type(screen.getByLabelText('Type DELETE to go on'), 'DELETE')
    await user.click(button)
    expect((await screen.findByRole('alert')).textContent).toContain('It has images.')
    expect(onClose).not.toHaveBeenCalled()
  })
})
