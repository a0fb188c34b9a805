import { describe, expect, it } from 'vitest'
import { changesOf, formOf, nameOf, safetyChanges, safetyOf, told } from './record'
import type { Patient, PatientRecord } from './types'

const patient = {
  patient_name: 'Yamada^Tarou^^Dr.=山田^太郎=やまだ^たろう',
  patient_birth_date: '1961-04-03',
  patient_sex: 'M',
  patient_address: '4 Mill Lane',
  city: 'Bath',
  deceased: false,
} as Patient

describe('a record in a form', () => {
  it('keeps every group and component of a name through form and back', () => {
    expect(nameOf(formOf(patient))).toBe(patient.patient_name)
    expect(nameOf({ ...formOf(patient), ideographic: '', phonetic: '' })).toBe('Yamada^Tarou^^Dr.')
    expect(nameOf({ ...formOf(patient), family: '', given: '', prefix: '', phonetic: '' })).toBe('=山田^太郎')
  })

  it('sends only what was changed, and nothing for nothing', () => {
    expect(changesOf(patient, formOf(patient))).toEqual({})
    expect(changesOf(patient, { ...formOf(patient), city: ' ', given: 'Jirou', deceased: true })).toEqual({
      patient_name: 'Yamada^Jirou^^Dr.=山田^太郎=やまだ^たろう',
      city: null,
      deceased: true,
    })
  })

  it('sends of the safety marks only what was changed, and no list of allergies that nobody touched', () => {
    const record = {
      patient: { implants: null, egfr_ml_min: 55, medical_alerts: 'Falls' },
      bar: { allergies: ['Latex'] },
      allergies: [{ substance: 'Latex', reaction: null, severe: true }],
    } as unknown as PatientRecord
    const before = safetyOf(record)
    expect(safetyChanges(before, { ...before })).toEqual({ patient: {}, allergies: undefined })
    expect(safetyChanges(before, { ...before, implants: ' Pacemaker ', egfr_ml_min: '', medical_alerts: 'Falls ' })).toEqual({
      patient: { implants: 'Pacemaker', egfr_ml_min: null },
      allergies: undefined,
    })
    const iodine = { substance: ' Iodine', reaction: '', severe: false }
    expect(safetyChanges(before, { ...before, allergies: [...before.allergies, iodine] }).allergies).toEqual([
      { substance: 'Latex', reaction: null, severe: true },
      { substance: 'Iodine', reaction: null, severe: false },
    ])
    expect(safetyChanges(before, { ...before, allergies: [] }).allergies).toBeNull()
  })

  it('tells a change in words', () => {
    expect(told({ patient_sex: ['M', null], allergies: [[], ['Latex']], patient_name: ['A^B', 'C^B'] })).toEqual([
      { field: 'Sex', before: 'Male', after: 'nothing' },
      { field: 'Allergies', before: 'none known', after: 'Latex' },
      { field: 'Name', before: 'A, B', after: 'C, B' },
    ])
    expect(told({ allergies: [null, []] })).toEqual([{ field: 'Allergies', before: 'not asked', after: 'none known' }])
  })
})
