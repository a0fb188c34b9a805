import { describe, expect, it } from 'vitest'
import { identityDiffers, reasonText, speaking, tally, VERDICT, verdictOf } from './rules'
import type { Candidate } from './types'

const compared = (field: string, verdict: 'agrees' | 'similar' | 'differs' | 'absent') => ({ field, verdict, order: 'a', study: 'b' })
const candidate = {
  compared: [
    compared('patient_name', 'similar'),
    compared('patient_id', 'differs'),
    compared('patient_birth_date', 'agrees'),
    compared('accession_number', 'differs'),
    compared('study_instance_uid', 'absent'),
  ],
} as Candidate

describe('comparison', () => {
  it('counts what agrees and names what differs', () => {
    const { agrees, similar, differs } = tally(candidate)
    expect([agrees, similar, differs.map((one) => one.field)]).toEqual([1, 1, ['patient_id', 'accession_number']])
  })

  it('warns of another patient, not of another number', () => {
    expect(identityDiffers(candidate).map((one) => one.field)).toEqual(['patient_id'])
  })

  it('leaves a UID of its own out', () => {
    expect(speaking(candidate).map((one) => one.field)).not.toContain('study_instance_uid')
  })

  it('leaves words that are not the same to the reader, and says where one is silent', () => {
    expect(verdictOf(compared('requested_procedure_description', 'absent')).word).toBe('Read both')
    expect(verdictOf({ ...compared('patient_sex', 'absent'), order: '' }).word).toBe('Not given')
  })

  it('has a word and a shape of its own for each verdict', () => {
    const looks = Object.values(VERDICT)
    expect(new Set(looks.map((look) => look.word)).size).toBe(looks.length)
    expect(new Set(looks.map((look) => look.shape)).size).toBe(looks.length)
  })
})

describe('why a study waits', () => {
  it.each([
    [{ field: 'accession_number', order: 'no such order', study: 'X9' }, 'There is no order with accession number X9'],
    [{ field: 'accession_number', order: 'no such order', study: '' }, 'The images carry no accession number'],
    [{ field: 'patient_name', order: 'Doe^Jane', study: 'Roe^Ann' }, 'Name: the images say Roe, Ann, the order Doe, Jane'],
    [{ field: 'link', order: 'taken back', study: 'wrong order' }, 'The link was taken back: wrong order'],
  ])('%o', (reason, text) => {
    expect(reasonText(reason)).toBe(text)
  })
})
