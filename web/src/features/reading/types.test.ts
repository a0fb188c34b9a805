import { describe, expect, it } from 'vitest'
import { allowedSeconds, earlierNote, EVERYTHING, holderOf, priorAge, queryOf } from './types'

describe('what is known from earlier', () => {
  it('says that there is nothing only once both have answered', () => {
    expect(earlierNote(undefined, 0)).toBe('being looked up')
    expect(earlierNote(0, undefined)).toBe('being looked up')
    expect(earlierNote(0, 0)).toBe('nothing known here')
    expect(earlierNote(1, 2)).toBe('1 study, 2 reports')
  })
})

describe('the reading list', () => {
  it('asks for what the filter says', () => {
    expect(queryOf(EVERYTHING, '  ')).toEqual({
      state: ['unread', 'draft', 'preliminary'],
      mine: undefined,
      modality: [],
      body_part_examined: null,
      site_pk: null,
      text: '',
    })
    expect(queryOf({ ...EVERYTHING, show: 'mine', modality: ['CT', 'MR'] }, ' doe')).toMatchObject({
      mine: true,
      modality: ['CT', 'MR'],
      text: 'doe',
    })
    expect(queryOf({ ...EVERYTHING, show: 'signed' }, '').state).toEqual(['final'])
  })

  it('knows who holds a case', () => {
    expect(holderOf({ claimed_by: null, claimed_by_user_pk: null }, 1)).toBe('nobody')
    expect(holderOf({ claimed_by: 'A', claimed_by_user_pk: 1 }, 1)).toBe('me')
    expect(holderOf({ claimed_by: 'B', claimed_by_user_pk: 2 }, 1)).toBe('other')
  })

  it('gives the clock the time its service level allows', () => {
    expect(allowedSeconds({ first_image_at: '2026-11-25T03:00:00Z', due_at: '2026-11-25T04:00:00Z' })).toBe(3600)
  })

  it('says how old a prior is against the current study', () => {
    expect(priorAge('2026-11-24', '2026-11-25')).toBe('1 day')
    expect(priorAge('2026-11-25', '2026-11-25')).toBe('same day')
    expect(priorAge('2026-10-25', '2026-11-25')).toBe('4 weeks')
    expect(priorAge('2025-09-20', '2026-11-25')).toBe('14 months')
    expect(priorAge('2021-11-25', '2026-11-25')).toBe('5 years')
    expect(priorAge('2026-11-26', '2026-11-25')).toBe('1 day later')
    expect(priorAge(null, '2026-11-25')).toBe('date unknown')
  })
})
