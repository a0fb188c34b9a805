import { expect, it } from 'vitest'
import { prefetchText, progressText, pulseOf, stateOf } from './types'

it('says what is fetched unasked', () => {
  expect(prefetchText({ prefetch_max: 0, years_max: 10, lead_hours: 24 })).toBe('only on asking')
  expect(prefetchText({ prefetch_max: 1, years_max: 1, lead_hours: 2 })).toBe('the best prior of 1 year, 2 h before')
  expect(prefetchText({ prefetch_max: 3, years_max: 10, lead_hours: 24 })).toBe('the 3 best priors of 10 years, 24 h before')
})

it('tells how far a fetching is, and what did not come', () => {
  expect(progressText({ received: 2, failed: 0, expected: 5 })).toBe('2 of 5')
  expect(progressText({ received: 2, failed: 1, expected: null })).toBe('2, 1 not')
  expect(stateOf({ state: 'waiting', attempts: 2 })).toBe('retrying')
  expect(stateOf({ state: 'failed', attempts: 2 })).toBe('failed')
})

it('knows an archive as down until it answers again', () => {
  expect(pulseOf({ is_enabled: true, last_error: 'no answer', last_answered_at: '2026-01-01T00:00:00Z' })).toBe('down')
  expect(pulseOf({ is_enabled: false, last_error: 'no answer', last_answered_at: null })).toBe('disabled')
  expect(pulseOf({ is_enabled: true, last_error: null, last_answered_at: null })).toBe('unknown')
})
