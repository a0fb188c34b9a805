import { expect, it } from 'vitest'
import { cancelText, priorityText, progressText, readinessText } from './types'

it('says how far the performer is', () => {
  expect(progressText({ procedure_step_state: 'IN PROGRESS', procedure_step_progress: 39.6 })).toBe('40 %')
  expect(progressText({ procedure_step_state: 'IN PROGRESS', procedure_step_progress: null })).toBe('')
  expect(progressText({ procedure_step_state: 'COMPLETED', procedure_step_progress: 100 })).toBe('')
})

it('says what canceling means', () => {
  expect(cancelText('SCHEDULED')).toMatch(/at once/)
  expect(cancelText('IN PROGRESS')).toMatch(/asked/)
  expect(cancelText('COMPLETED')).toBeUndefined()
  expect(cancelText('CANCELED')).toBeUndefined()
})

it('knows the words of the standard, and shows others as they are', () => {
  expect([priorityText('HIGH'), priorityText('URGENT')]).toEqual(['High', 'URGENT'])
  expect([readinessText('READY'), readinessText('X')]).toEqual(['ready', 'X'])
})
