import { expect, it } from 'vitest'
import { formatBytes, meaningOfAccepting, stateOf, type QuarantinedObject } from './types'

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
