import { expect, it } from 'vitest'
import { availabilityText, bytesText, doesText, objectsText, promiseText, rateText, sinceText, stateOf } from './types'

it('says bytes and how fast they go', () => {
  expect([0, 999, 52_400, 3_240_000_000].map(bytesText)).toEqual(['0 B', '999 B', '52.4 kB', '3.2 GB'])
  expect(rateText({ bytes_per_s: 0 })).toBe('rests')
  expect(rateText({ bytes_per_s: 12_500_000 })).toBe('12.5 MB/s')
})

it('says objects both ways', () => {
  expect(objectsText({ received: 0, sent: 0 })).toBe('none')
  expect(objectsText({ received: 3, sent: 0 })).toBe('3 in')
  expect(objectsText({ received: 3, sent: 40 })).toBe('3 in, 40 out')
})

it('says what is done in few words', () => {
  expect(doesText({ operation: 'C-FIND', service: 'Unified Procedure Step - Pull SOP Class' })).toBe('C-FIND · Unified Procedure Step - Pull')
  expect(doesText({ operation: 'C-MOVE', service: 'Study Root Query/Retrieve Information Model - MOVE' })).toBe('C-MOVE · Study Root - MOVE')
  expect(doesText({ operation: '', service: '' })).toBe('nothing yet')
})

it('says how long', () => {
  const at = new Date('2026-11-25T03:00:00Z').getTime()
  expect(['2026-11-25T02:59:48Z', '2026-11-25T02:55:30Z', '2026-11-25T00:55:00Z'].map((from) => sinceText(from, at))).toEqual([
    '12 s',
    '4 min',
    '2 h 05',
  ])
  expect(sinceText('2026-11-25T03:00:05Z', at)).toBe('0 s')
})

it('says where a commitment stands', () => {
  const heard = '2026-11-25T03:00:00Z'
  expect(stateOf({ reported_at: null, attempt_count: 0, failed: null })).toBe('waiting')
  expect(stateOf({ reported_at: null, attempt_count: 2, failed: 0 })).toBe('retrying')
  expect(stateOf({ reported_at: heard, attempt_count: 0, failed: 0 })).toBe('completed')
  expect(stateOf({ reported_at: heard, attempt_count: 0, failed: 2 })).toBe('failed')
  expect(promiseText({ objects: 120, failed: null })).toBe('120, not looked at yet')
  expect(promiseText({ objects: 120, failed: 0 })).toBe('all 120')
  expect(promiseText({ objects: 120, failed: 2 })).toBe('118 of 120')
})

it('says of how many objects a peer tells what', () => {
  expect(availabilityText({ online: 2, nearline: 1, offline: 0, unavailable: 0 })).toBe('2 online, 1 nearline')
  expect(availabilityText({ online: 0, nearline: 0, offline: 0, unavailable: 3 })).toBe('3 not to be had any more')
})
