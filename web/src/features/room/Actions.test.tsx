import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { drawn } from '@/ui/testing'
import { Actions } from './Actions'
import type { Booking } from './types'

const BOOKING = {
  scheduled_procedure_step_pk: 4, scheduled_procedure_step_status: 'ARRIVED', status_changed_at: '2026-11-25T09:00:00Z',
  starts_at: '2026-11-25T09:00:00Z', appointment_pk: 3, imaging_service_request_pk: 2, requested_procedure_priority: 'ROUTINE',
  number_of_images: 0, patient: { patient_name: 'Doe^Jane', allergies: ['Iodine (anaphylaxis)'] },
} as Booking // prettier-ignore

// jsdom has no fonts to wait for; a growing text field does.
beforeEach(() => Object.defineProperty(document, 'fonts', { value: new EventTarget(), configurable: true }))
afterEach(() => vi.unstubAllGlobals())

describe('contrast for an allergic patient', () => {
  it('is asked for a reason where the server refuses, and sent again with it', async () => {
    const sent: unknown[] = []
    vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
      const body = JSON.parse(String(init.body)) as { allergy_reason?: string }
      sent.push(body)
      const [status, answer] = body.allergy_reason
        ? [200, { ...BOOKING, scheduled_procedure_step_status: 'READY' }]
        : [422, { title: 'Some fields need attention', detail: 'Mind the patient’s allergies.', errors: [{ field: 'allergy_reason', reason: 'say why' }] }]
      return Promise.resolve(new Response(JSON.stringify(answer), { status, headers: { 'Content-Type': status === 200 ? 'application/json' : 'application/problem+json' } }))
    })
    drawn(
      <QueryClientProvider client={new QueryClient()}>
        <Actions booking={BOOKING} line={[BOOKING]} checked={['allergies', 'contrast']} openChecks={0} alarms={[]} onPick={vi.fn()} />
      </QueryClientProvider>,
    )
    const user = userEvent.setup()
    await user.click(screen.getByRole('button', { name: 'Ready for the scan' }))
    const dialog = await screen.findByRole('dialog', { name: 'Give contrast in spite of the allergies?' })
    expect(dialog.textContent).toContain('Iodine (anaphylaxis)')
    const confirm = within(dialog).getByRole('button', { name: 'Make ready with contrast' })
    expect(confirm.hasAttribute('disabled')).toBe(true)
    await user.click(within(dialog).getByText('Pre-medicated as ordered'))
    await user.click(confirm)
    await vi.waitFor(() => expect(sent).toHaveLength(2))
    expect(sent[1]).toEqual({ move: 'prepare', checks: ['allergies', 'contrast'], allergy_reason: 'Pre-medicated as ordered' })
    await vi.waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
  })
})

describe('a scan that contradicts its order', () => {
  it('is completed only after what contradicts it was read', async () => {
    const sent: unknown[] = []
    vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
      sent.push(JSON.parse(String(init.body)))
      return Promise.resolve(new Response(JSON.stringify(BOOKING), { headers: { 'Content-Type': 'application/json' } }))
    })
    const booking = { ...BOOKING, scheduled_procedure_step_status: 'STARTED', number_of_images: 2 } as Booking
    drawn(
      <QueryClientProvider client={new QueryClient()}>
        <Actions booking={booking} line={[booking]} checked={[]} openChecks={0} alarms={['Knee AP is marked RIGHT, ordered is LEFT']} onPick={vi.fn()} />
      </QueryClientProvider>,
    )
    const user = userEvent.setup()
    await user.click(screen.getByRole('button', { name: 'The scan is complete' }))
    const dialog = await screen.findByRole('dialog', { name: 'Complete in spite of this?' })
    expect(dialog.textContent).toContain('Knee AP is marked RIGHT, ordered is LEFT')
    expect(sent).toEqual([])
    await user.click(within(dialog).getByRole('button', { name: 'Complete all the same' }))
    await vi.waitFor(() => expect(sent).toEqual([{ move: 'complete', checks: [] }]))
  })
})
