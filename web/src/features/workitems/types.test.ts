import { expect, it } from 'vitest'
import { cancelText, priorityText, progressText, readinessText } from './types'

it('says how far the performer is', () => {
  expect(progressText({ procedure_step_state: 'IN PROGRESS', procedure_step_progress: 39.6 })).toBe('40 %')
  expect(progressText({ procedure_step_state: 'IN PROGRESS', procedure_step_progress: null })).toBe('')
  expect(progressText({ procedure_step_state: 'COMPLETED', procedure_step_progress: 100 })).toBe('')
})

it('says what canceling means', () => {
  const others = { step_kind: null }
  expect(cancelText({ procedure_step_state: 'SCHEDULED', ...others })).toMatch(/at once/)
  expect(cancelText({ procedure_step_state: 'IN PROGRESS', ...others })).toMatch(/asked/)
  expect(cancelText({ procedure_step_state: 'COMPLETED', ...others })).toBeUndefined()
  expect(cancelText({ procedure_step_state: 'CANCELED', ...others })).toBeUndefined()
  expect(cancelText({ procedure_step_state: 'SCHEDULED', step_kind: 'acquisition' })).toMatch(/appointment/)
  // What is here is read: only its order can be cancelled.
  expect(cancelText({ procedure_step_state: 'SCHEDULED', step_kind: 'reading' })).toBeUndefined()
})

it('knows the words of the standard, and shows others as they are', () => {
  expect([priorityText('HIGH'), priorityText('URGENT')]).toEqual(['High', 'URGENT'])
  expect([readinessText('READY'), readinessText('X')]).toEqual(['ready', 'X'])
})
