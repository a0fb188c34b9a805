import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { enter, takeOver } from './entry'
import type { ReadingItem } from './types'

const ITEM = {
  requested_procedure_pk: 7,
  other_procedure_pks: [8],
  reading_state: 'unread',
  report_pk: null,
} as unknown as ReadingItem
const REPORT = { report_pk: 3, state: 'draft', may_edit: true, editor_name: null }

type Reply = { status: number; body?: unknown }
let asked: { call: string; body: unknown }[]
let reply: (call: string) => Reply

beforeEach(() => {
  asked = []
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    const call = `${init.method} ${path}`
    asked.push({ call, body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined })
    const { status, body } = reply(call)
    return Promise.resolve(new Response(JSON.stringify(body ?? {}), { status, headers: { 'content-type': 'application/json' } }))
  })
})
afterEach(() => vi.unstubAllGlobals())

const calls = () => asked.map((one) => one.call)

it('takes every procedure of the study and begins one report for them', async () => {
  reply = () => ({ status: 200, body: REPORT })
  expect(await enter(ITEM, true)).toEqual({ mode: 'write', report: REPORT })
  expect(calls()).toEqual(['POST /api/reading-list/7/claim', 'POST /api/reading-list/8/claim', 'POST /api/reports'])
  expect(asked.at(-1)?.body).toEqual({ requested_procedure_pks: [7, 8] })
})

it('begins nothing where somebody else reads', async () => {
  reply = () => ({ status: 409, body: { detail: 'Dr. Sato is reading this.' } })
  expect(await enter(ITEM, true)).toEqual({ mode: 'held', report: null, why: 'Dr. Sato is reading this.', by: 'reader' })
  expect(calls()).toEqual(['POST /api/reading-list/7/claim'])
})

it('opens a report that somebody else is writing without touching it', async () => {
  const theirs = { ...REPORT, may_edit: false, editor_name: 'Dr. Sato' }
  reply = () => ({ status: 200, body: theirs })
  expect(await enter({ ...ITEM, report_pk: 3 }, true)).toMatchObject({ mode: 'held', by: 'writer', why: 'Dr. Sato is writing this report.' })
})

it('takes nothing to look at a final report, or for who does not write', async () => {
  const final = { ...REPORT, state: 'final', may_edit: false }
  reply = () => ({ status: 200, body: final })
  expect(await enter({ ...ITEM, reading_state: 'final', report_pk: 3 }, true)).toEqual({ mode: 'signed', report: final })
  expect(await enter(ITEM, false)).toEqual({ mode: 'look', report: null })
  expect(calls()).toEqual(['GET /api/reports/3'])
})

it('falls back to the first procedure where they were reported apart', async () => {
  let opened = 0
  reply = (call) => (call === 'POST /api/reports' && opened++ === 0 ? { status: 409 } : { status: 200, body: REPORT })
  expect(await enter(ITEM, true)).toMatchObject({ mode: 'write' })
  expect(asked.at(-1)?.body).toEqual({ requested_procedure_pks: [7] })
})

it('takes over with the reason, and the draft too where somebody is writing it', async () => {
  const theirs = { ...REPORT, may_edit: false, editor_name: 'Dr. Sato' }
  reply = (call) => ({ status: 200, body: call.endsWith('/editor') ? REPORT : theirs })
  const held = { mode: 'held', report: null, why: '', by: 'reader' } as const
  expect(await takeOver({ ...ITEM, other_procedure_pks: [] }, held, 'Off duty')).toEqual({ mode: 'write', report: REPORT })
  expect(asked).toEqual([
    { call: 'POST /api/reading-list/7/claim', body: { take_over_reason: 'Off duty' } },
    { call: 'POST /api/reports', body: { requested_procedure_pks: [7] } },
    { call: 'POST /api/reports/3/editor', body: { reason: 'Off duty' } },
  ])
})
