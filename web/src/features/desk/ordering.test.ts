import { afterEach, describe, expect, it, vi } from 'vitest'
import { changeOf, orderAndBook, type Before } from './ordering'
import type { NewOrder, Resource, Slot } from './types'

const what: NewOrder = { patient_pk: 1, site_pk: 2, procedures: [{ procedure_pk: 3 }], requested_procedure_priority: 'ROUTINE' }
const key = '6c1d1f4e-0d55-4f4d-9a53-2a9d5b7f3f10'
const order = { lines: [{ requested_procedure: { requested_procedure_pk: 7 } }] }
const slot: Slot = { modality_resource_pk: 5, starts_at: '2026-11-25T12:00:00Z', ends_at: '2026-11-25T12:15:00Z' }

function answering(body: unknown, status = 201) {
  const fetch = vi.fn<(path: string, init: RequestInit) => Promise<Response>>(() =>
    Promise.resolve(new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } })),
  )
  vi.stubGlobal('fetch', fetch)
  return () => fetch.mock.calls.map(([path, init]) => [path, init.method, JSON.parse(init.body as string)] as const)
}

describe('ordering with a time', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
  })

  it('is one call, so that nothing is left half-made', async () => {
    const calls = answering({ order, booking: { appointment_pk: 9 } })
    const done = await orderAndBook(what, { kind: 'slot', slot }, key)
    expect(calls()).toEqual([['/api/schedule/orders', 'POST', { ...what, modality_resource_pk: 5, starts_at: slot.starts_at, idempotency_key: key }]])
    expect(done).toMatchObject({ line: order.lines[0], booking: { appointment_pk: 9 }, walkedIn: false })
  })

  it('asks for no time where the patient is here now', async () => {
    const calls = answering({ order, booking: {} })
    const done = await orderAndBook(what, { kind: 'walk-in', resource: { modality_resource_pk: 6 } as Resource }, key)
    expect(calls()).toEqual([['/api/schedule/orders', 'POST', { ...what, modality_resource_pk: 6, idempotency_key: key }]])
    expect(done.walkedIn).toBe(true)
  })

  it('places the order alone where a time is found later', async () => {
    const calls = answering(order)
    const done = await orderAndBook(what, { kind: 'later' }, key)
    expect(calls()).toEqual([['/api/orders', 'POST', { ...what, idempotency_key: key }]])
    expect(done.booking).toBeUndefined()
  })

  it('passes on that the time is taken', async () => {
    answering({ title: 'This collides with what is already there', status: 409, errors: [{ field: 'starts_at', reason: 'taken' }] }, 409)
    await expect(orderAndBook(what, { kind: 'slot', slot }, key)).rejects.toMatchObject({ status: 409 })
  })
})

describe('what was changed of an order', () => {
  const before: Before = {
    requested_procedure_priority: 'ROUTINE',
    reason_for_the_requested_procedure: 'fell',
    diagnosis_codes: [{ code: 'R51.9', description: 'Headache' }],
    referring_practitioner_pk: 4,
    referring_physician_name: 'Berg^Tom',
  }
  const nothing = {
    requested_procedure_priority: null,
    reason_for_the_requested_procedure: null,
    diagnosis_codes: null,
    more_comments: null,
    referring_practitioner_pk: null,
    referring_physician_name: null,
  }
  const change = (after: Partial<Before>) => changeOf(before, { ...before, more_comments: ' ', ...after })

  it('leaves out what stands', () => {
    expect(change({})).toEqual(nothing)
    expect(change({ reason_for_the_requested_procedure: ' fell ' })).toEqual(nothing)
  })

  it('says what is new, also that nothing is left', () => {
    expect(change({ requested_procedure_priority: 'STAT', diagnosis_codes: [] })).toEqual({ ...nothing, requested_procedure_priority: 'STAT', diagnosis_codes: [] })
    expect(change({ reason_for_the_requested_procedure: '' })).toEqual({ ...nothing, reason_for_the_requested_procedure: '' })
  })

  it('names another physician by key, a typed one by name, and nobody by an empty name', () => {
    expect(change({ referring_practitioner_pk: 5, referring_physician_name: 'Lund^Eva' })).toEqual({ ...nothing, referring_practitioner_pk: 5 })
    expect(change({ referring_practitioner_pk: null, referring_physician_name: 'Dr. Who' })).toEqual({ ...nothing, referring_physician_name: 'Dr. Who' })
    expect(change({ referring_practitioner_pk: null, referring_physician_name: '' })).toEqual({ ...nothing, referring_physician_name: '' })
  })
})
