import { expect, it } from 'vitest'
import { checkText, formatBytes, meaningOfAccepting, stateOf, type QuarantinedObject } from './types'

const waiting = { reason: 'content-differs', resolution: null } as QuarantinedObject

it('writes bytes as people read them', () => {
  expect([0, 999, 1000, 52_400, 3_240_000_000, 123_456_000_000_000].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '52.4 kB',
    '3.2 GB',
    '123 TB',
  ])
})

it('names the state of an object by what was decided', () => {
  expect(stateOf(waiting)).toBe('quarantined')
  expect(stateOf({ ...waiting, resolution: 'discarded' })).toBe('discarded')
  expect(stateOf({ ...waiting, resolution: 'retried' })).toBe('released')
})

it('says what accepting does to each kind', () => {
  expect(meaningOfAccepting(waiting)).toContain('takes the place')
  expect(meaningOfAccepting({ ...waiting, reason: 'patient-differs' })).toContain('laid over')
})

it('says how the reading-again stands', () => {
  const check = { started_at: '2026-11-02T10:00:00Z', finished_at: null, objects: 12_000, bytes: 1, damaged: 0 }
  expect(checkText({ check: null, completed_at: null })).toBe('not all was read again yet')
  expect(checkText({ check, completed_at: null })).toMatch(/^12,000 objects read since 2026-11-02; not all was read again yet$/)
  expect(checkText({ check: { ...check, finished_at: '2026-11-03T10:00:00Z' }, completed_at: '2026-11-03T10:00:00Z' })).toBe(
    'all was read on 2026-11-03',
  )
})
