import { describe, expect, it } from 'vitest'
import { BASIC, datesOf, demandText, faultText, moved, progressText, stateOf, waitText, withDates } from './types'

describe('a study on its way', () => {
  it('is retrying once an attempt failed', () => {
    expect(stateOf({ state: 'waiting', attempts: 0 })).toBe('waiting')
    expect(stateOf({ state: 'waiting', attempts: 2 })).toBe('retrying')
    expect(stateOf({ state: 'sent', attempts: 0 })).toBe('sent')
  })

  it('says how far it is', () => {
    expect(progressText({ sent: 120, waiting: 180, refused: 0 })).toBe('120 of 300')
    expect(progressText({ sent: 298, waiting: 0, refused: 2 })).toBe('298, 2 refused')
    expect(progressText({ sent: 10, waiting: 5, refused: 1 })).toBe('10 of 16, 1 refused')
  })

  it('says what went wrong', () => {
    expect(faultText({ last_error: '1 objects were refused', first_refusal: 'status A700' })).toBe(
      '1 objects were refused: status A700',
    )
    expect(faultText({ last_error: null, first_refusal: null })).toBe('')
  })
})

describe('a rule', () => {
  it('is said in one line', () => {
    expect(demandText([])).toBe('Every study')
    expect(
      demandText([
        { keyword: 'Modality', operator: 'is', values: ['CT', 'MR'] },
        { keyword: 'StationName', operator: 'absent', values: [] },
      ]),
    ).toBe('Modality is CT or MR and Station is not given')
  })

  it('waits', () => {
    expect([0, 45, 60, 600].map(waitText)).toEqual(['0 s', '45 s', '1 min', '10 min'])
  })
})

it('moves a rule a place up or down, and no further', () => {
  expect(moved([1, 2, 3], 3, -1)).toEqual([1, 3, 2])
  expect(moved([1, 2, 3], 1, 1)).toEqual([2, 1, 3])
  expect(moved([1, 2, 3], 1, -1)).toEqual([1, 2, 3])
  expect(moved([1, 2, 3], 9, 1)).toEqual([1, 2, 3])
})

it('never keeps dates and moves them', () => {
  const kept = withDates(BASIC, 'kept')
  expect(datesOf(kept)).toBe('kept')
  expect(withDates(kept, 'moved')).toMatchObject({ retain_full_dates: false, move_dates: true })
  expect(datesOf(BASIC)).toBe('removed')
})
