import { describe, expect, it } from 'vitest'
import { looksLikeAccession, parseBirthDate, personName, personTyped } from './typed'

describe('birth dates as people type them', () => {
  it.each([
    ['1961-04-03', '1961-04-03'],
    ['3.4.1961', '1961-04-03'],
    ['04/03/1961', '1961-04-03'],
    ['19610403', '1961-04-03'],
    ['29.02.2024', '2024-02-29'],
    ['29.02.2023', undefined],
    ['1961', undefined],
    ['31.04.1961', undefined],
  ])('%s is %s', (typed, date) => {
    expect(parseBirthDate(typed)).toBe(date)
  })
})

describe('a registration begun with what was typed', () => {
  it.each([
    ['okafor, ada 3.4.1961 f', { family: 'Okafor', given: 'Ada', patient_birth_date: '1961-04-03', patient_sex: 'F' }],
    ['Ada Grace Okafor 1961-04-03', { family: 'Okafor', given: 'Ada Grace', patient_birth_date: '1961-04-03', patient_sex: '' }],
    ['van der Meer, Pieter', { family: 'van der Meer', given: 'Pieter', patient_birth_date: '', patient_sex: '' }],
    ['Иванова', { family: 'Иванова', given: '', patient_birth_date: '', patient_sex: '' }],
    // One letter may be a name: it is a sex only after a family and a given name or a comma.
    ['O Kim', { family: 'Kim', given: 'O', patient_birth_date: '', patient_sex: '' }],
    ['WD00012', { family: '', given: '', patient_birth_date: '', patient_sex: '' }],
  ])('%s', (typed, person) => {
    expect(personTyped(typed)).toEqual(person)
  })

  it('makes a person name that stays within its components', () => {
    expect(personName({ family: ' Okafor^X ', given: 'Ada=1' })).toBe('Okafor X^Ada 1')
    expect(personName({ family: 'Cher', given: '' })).toBe('Cher')
  })
})

it.each([
  ['NORT260000001', true],
  ['NORT26', true],
  ['260001', true],
  ['Okafor', false],
  ['1961-04-03', false],
  ['19610403', false],
  ['Okafor 26', false],
])('%s begins an accession number: %s', (text, is) => {
  expect(looksLikeAccession(text)).toBe(is)
})
