import type { Answer, Sent } from '@/lib/api'

export type ClaimRow = Answer<'/api/billing/claims', 'get'>['items'][number]
export type Claim = Answer<'/api/billing/claims/{claim_pk}', 'get'>
export type Line = Claim['lines'][number]
export type Finding = Claim['findings'][number]
export type Queue = Answer<'/api/billing/queues', 'get'>['items'][number]
export type Batch = Answer<'/api/billing/batches', 'get'>['items'][number]
export type BatchMade = Answer<'/api/billing/batches', 'post'>
export type Settings = Answer<'/api/billing/settings', 'get'>
export type Provider = Settings['providers'][number]
export type Submitter = Sent<'/api/billing/settings/submitter', 'put'>
export type Fee = Answer<'/api/billing/fees', 'get'>['items'][number]
export type Coverage = Sent<'/api/billing/claims/{claim_pk}/coverage', 'put'>
export type Payer = Answer<'/api/patients/payers', 'get'>['items'][number]
export type Diagnosis = Answer<'/api/orders/diagnoses/find', 'post'>['items'][number]
export type Practitioner = Answer<'/api/practitioners', 'get'>[number]

/** Where a claim can be mended, in the order in which people do it. */
export const NEEDS: Record<string, string> = {
  coverage: 'Coverage',
  patient: 'Patient data',
  diagnosis: 'Diagnosis',
  referrer: 'Referrer',
  coding: 'Coding',
  fee: 'Fee',
  duplicate: 'Duplicate?',
  reader: 'Reader',
  place_of_service: 'Place of service',
  billing_provider: 'Biller',
  site: 'Site',
  submitter: 'Submitter',
  report: 'Report',
}

export const COMPONENT: Record<string, string> = { global: 'Global', TC: 'Technical (TC)', '26': 'Professional (26)' }

/** CMS place of service codes that imaging is billed with. */
export const PLACES: Record<string, string> = {
  '11': 'Office or imaging centre',
  '19': 'Off-campus outpatient hospital',
  '21': 'Inpatient hospital',
  '22': 'On-campus outpatient hospital',
  '23': 'Emergency room, hospital',
  '20': 'Urgent care',
  '24': 'Ambulatory surgical centre',
  '31': 'Skilled nursing facility',
  '49': 'Independent clinic',
  '15': 'Mobile unit',
}
