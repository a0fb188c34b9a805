import type { Answer } from './api/bodies'

/** A patient as every list of the server carries it. */
export type Bar = Answer<'/api/patients/{patient_pk}/bar', 'get'>

const PREGNANCY: Record<string, string> = { pregnant: 'pregnant', possibly_pregnant: 'possibly pregnant' }

/** The server's bar as the patient bar of the screens takes it. */
export function barOf(bar: Bar) {
  const needs = [
    bar.unidentified ? 'Not identified' : null,
    bar.deceased ? 'Deceased' : null,
    bar.renal,
    bar.medical_alerts,
    bar.confidentiality,
  ]
  return {
    patient_pk: bar.patient_pk,
    patient_name: bar.patient_name,
    patient_id: bar.patient_id ?? 'no identifier',
    issuer_of_patient_id: bar.issuer_of_patient_id,
    patient_sex: bar.patient_sex,
    patient_birth_date: bar.patient_birth_date,
    allergies: bar.allergies,
    pregnancy_status: PREGNANCY[bar.pregnancy_status ?? ''] ?? null,
    implants: bar.implants ? [bar.implants] : null,
    special_needs: needs.filter((need): need is string => Boolean(need)),
  }
}
