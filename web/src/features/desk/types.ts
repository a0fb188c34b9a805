import type { Answer, Sent } from '@/lib/api'
import type { PatientBarPatient } from '@/ui'

export type Booking = Answer<'/api/schedule/days/{day}', 'get'>['items'][number]
export type Resource = Answer<'/api/schedule/resources', 'get'>[number]
export type Slot = Answer<'/api/schedule/slots', 'get'>[number]
export type Site = Answer<'/api/orders/sites', 'get'>['items'][number]
export type Bar = Booking['patient']
export type FoundPatient = Answer<'/api/patients/find', 'post'>['items'][number]
export type Candidate = Answer<'/api/patients/duplicates', 'post'>['items'][number]
export type PatientRecord = Answer<'/api/patients/{patient_pk}', 'get'>
export type Procedure = Answer<'/api/procedures', 'get'>['items'][number]
export type Diagnosis = Answer<'/api/orders/diagnoses/find', 'post'>['items'][number]
export type Referrer = Answer<'/api/orders/referrers/find', 'post'>['items'][number]
export type OrderLine = Answer<'/api/orders', 'get'>['items'][number]
export type Order = Answer<'/api/orders/{imaging_service_request_pk}', 'get'>
export type NewOrder = Sent<'/api/orders', 'post'>

export const PRIORITIES = [
  { value: 'ROUTINE', label: 'Routine' },
  { value: 'URGENT', label: 'Urgent' },
  { value: 'STAT', label: 'STAT' },
]
const PREGNANCY: Record<string, string> = { pregnant: 'pregnant', possibly_pregnant: 'possibly pregnant' }

/** The server's bar as the patient bar of the screens takes it. */
export function barOf(bar: Bar): PatientBarPatient {
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
    special_needs: [bar.renal, bar.medical_alerts, bar.confidentiality, bar.deceased ? 'Deceased' : null, bar.unidentified ? 'Not identified' : null].filter(
      (mark): mark is string => Boolean(mark),
    ),
  }
}
