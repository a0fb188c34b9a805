import { describe, expect, it } from 'vitest'
import { daysUntil, fieldWord, forWhom, keepsWord, stateOfRemoval, tookWord, valueWord } from './words'

describe('words about corrections', () => {
  it('reads keywords as people do', () => {
    expect(fieldWord('StudyDescription')).toBe('Study description')
    expect(fieldWord('PatientID')).toBe('Patient ID')
    expect(fieldWord('Laterality')).toBe('Laterality')
  })
  it('tells UIDs apart by their ends, dates as dates, and says that nothing is there', () => {
    expect(valueWord({ field: 'StudyInstanceUID' }, '1.2.826.0.1.3680043.8.498.123456789012')).toBe('…123456789012')
    expect(valueWord({ field: 'StudyDate' }, '20260102')).toBe('2026-01-02')
    expect(valueWord({ field: 'StudyTime' }, '030405.12')).toBe('03:04:05')
    expect(valueWord({ field: 'PatientName' }, 'Doe^Jane')).toBe('Doe Jane')
    expect(valueWord({ field: 'Laterality' }, '')).toBe('empty')
  })
})

describe('words about removals', () => {
  const nothing = { series_number: null, series_description: null, instance_number: null }
  it('says what was taken', () => {
    expect(tookWord({ ...nothing, level: 'STUDY', instances: 1200 })).toBe('The study, 1,200 images')
    expect(tookWord({ ...nothing, level: 'SERIES', series_number: 3, series_description: 'T1', instances: 1 })).toBe('Series 3, T1, 1 image')
    expect(tookWord({ ...nothing, level: 'IMAGE', series_number: 3, instance_number: 12, instances: 1 })).toBe('Image 12 of series 3')
    expect(tookWord({ ...nothing, level: 'IMAGE', instances: 4 })).toBe('4 images')
  })
  it('says what becomes of it', () => {
    const standing = { restored_at: null, purged_at: null, purge_at: '2026-12-01T00:00:00Z', is_held: false }
    expect(stateOfRemoval(standing)).toBe('in_trash')
    expect(stateOfRemoval({ ...standing, purge_at: null })).toBe('hidden')
    expect(stateOfRemoval({ ...standing, is_held: true })).toBe('held')
    expect(stateOfRemoval({ ...standing, restored_at: '2026-11-01T00:00:00Z' })).toBe('restored')
    expect(stateOfRemoval({ ...standing, purged_at: '2026-12-02T00:00:00Z' })).toBe('destroyed')
  })
  it('counts the days that are left, and no day below none', () => {
    expect(daysUntil('2026-12-01T00:00:00Z', new Date('2026-11-29T06:00:00Z'))).toBe(2)
    expect(daysUntil('2026-12-01T00:00:00Z', new Date('2026-12-03T00:00:00Z'))).toBe(0)
  })
})

describe('words about retention', () => {
  const all = { modalities: [], institution_name: null, study_description: null, patient_age_from: null, patient_age_below: null }
  it('says whom a rule is for and how long it keeps', () => {
    expect(forWhom(all)).toBe('All studies')
    expect(forWhom({ ...all, modalities: ['CT', 'MR'], patient_age_below: 18 })).toBe('CT, MR, younger than 18')
    expect(forWhom({ ...all, patient_age_from: 18, patient_age_below: 30 })).toBe('Aged 18 to 29')
    expect(keepsWord({ keep_years: 1 })).toBe('1 year')
    expect(keepsWord({ keep_years: 10, keep_until_age: 28 })).toBe('10 years, at least until the age of 28')
  })
})
