import { screen } from '@testing-library/react'
import { describe, expect, it } from 'vitest'
import { PatientBar, type PatientBarPatient } from './PatientBar'
import { drawn } from './testing'

const patient: PatientBarPatient = {
  patient_pk: 7,
  patient_name: 'Yamada^Tarou=山田^太郎=やまだ^たろう',
  patient_id: 'MC-004711',
  issuer_of_patient_id: 'MERCY',
  patient_sex: 'M',
  patient_birth_date: '19630402',
}
const bar = () => screen.getByRole('region', { name: 'Patient' }).textContent

describe('the patient bar', () => {
  it('shows every group of the name, sex, birth date, and the identifier with its issuer', () => {
    drawn(<PatientBar patient={patient} />)
    for (const part of ['Yamada, Tarou', '山田 太郎', 'やまだ たろう', 'Male', 'born 1963-04-02', 'MC-004711', 'MERCY']) expect(bar()).toContain(part)
  })

  it('tells "none" from "not asked"', () => {
    const { rerender } = drawn(<PatientBar patient={{ ...patient, allergies: [] }} />)
    expect(bar()).toContain('No known allergies')
    rerender(<PatientBar patient={{ ...patient, allergies: null }} />)
    expect(bar()).toContain('Allergies not asked')
    rerender(<PatientBar patient={{ ...patient, allergies: ['Penicillin'], implants: ['Pacemaker'], pregnancy_status: 'pregnant' }} />)
    for (const part of ['Allergy: Penicillin', 'Implant: Pacemaker', 'Pregnant']) expect(bar()).toContain(part)
  })
})
