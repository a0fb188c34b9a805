import type { Answer, Sent } from '@/lib/api'
import type { PatientBarPatient } from '@/ui'

export type PatientRecord = Answer<'/api/patients/{patient_pk}', 'get'>
export type Patient = PatientRecord['patient']
export type Bar = PatientRecord['bar']
export type Coverage = PatientRecord['coverages'][number]
export type Merged = PatientRecord['merged'][number]
export type FoundPatient = Answer<'/api/patients/find', 'post'>['items'][number]
export type Candidate = Answer<'/api/patients/{patient_pk}/duplicates', 'get'>['items'][number]
export type Change = Answer<'/api/patients/{patient_pk}/history', 'get'>['items'][number]
export type Payer = Answer<'/api/patients/payers', 'get'>['items'][number]
export type OrderLine = Answer<'/api/orders', 'get'>['items'][number]
export type Booking = Answer<'/api/patients/{patient_pk}/bookings', 'get'>['items'][number]
export type PriorReport = Answer<'/api/patients/{patient_pk}/reports', 'get'>[number]
export type Changes = Sent<'/api/patients/{patient_pk}', 'patch'>

export const SEX: Record<string, string> = { M: 'Male', F: 'Female', O: 'Other' }
export const PREGNANCY: Record<string, string> = {
  not_pregnant: 'Not pregnant',
  possibly_pregnant: 'Possibly pregnant',
  pregnant: 'Pregnant',
  unknown: 'Not known',
}

/** The server's bar as the patient bar of the screens takes it; of pregnancy only what matters at a scanner. */
export function barOf(bar: Bar): PatientBarPatient {
  const pregnant = ['pregnant', 'possibly_pregnant'].includes(bar.pregnancy_status ?? '')
  return {
    patient_pk: bar.patient_pk,
    patient_name: bar.patient_name,
    patient_id: bar.patient_id ?? 'no identifier',
    issuer_of_patient_id: bar.issuer_of_patient_id,
    patient_sex: bar.patient_sex,
    patient_birth_date: bar.patient_birth_date,
    allergies: bar.allergies,
    pregnancy_status: pregnant ? (PREGNANCY[bar.pregnancy_status ?? ''] ?? null) : null,
    implants: bar.implants ? [bar.implants] : null,
    special_needs: [bar.renal, bar.medical_alerts, bar.confidentiality, bar.deceased ? 'Deceased' : null, bar.unidentified ? 'Not identified' : null].filter(
      (mark): mark is string => Boolean(mark),
    ),
  }
}
