import type { Answer } from '@/lib/api'
import { formatMoment } from '@/lib/time'
import type { PatientBarPatient } from '@/ui'

export type ResultPage = Answer<'/api/results', 'get'>
export type Result = ResultPage['items'][number]
export type ResultDetail = Answer<'/api/results/{requested_procedure_pk}', 'get'>
export type SignedVersion = ResultDetail['versions'][number]
export type ResultImages = Answer<'/api/results/studies/{study_pk}', 'get'>

/** What makes a result move; `report.*` is a signature. */
export const LIVE = [
  'report.preliminary',
  'report.final',
  'report.addended',
  'study.linked',
  'order.changed',
  'step.changed',
  'appointment.changed',
]

/** The report's state machine where there is a text, the order's before. */
export const isReport = (state: string) => ['preliminary', 'final', 'addended'].includes(state)

const SECTION_TITLE: Record<string, string> = {
  indication: 'Indication',
  technique: 'Technique',
  comparison: 'Comparison',
  findings: 'Findings',
  impression: 'Impression',
}
/** The impression is read first; it stands above the rest. */
const ORDER = ['impression', 'findings', 'indication', 'comparison', 'technique']

/** The sections of a version that say something, the impression first. */
export function sectionsOf(version: SignedVersion): { key: string; title: string; lines: string[] }[] {
  return ORDER.flatMap((key) => {
    const text = version.sections[key]?.trim()
    return text ? [{ key, title: SECTION_TITLE[key] ?? key, lines: text.split('\n').filter((line) => line.trim()) }] : []
  })
}

/** Said where there is no text yet: how far it is. */
/** When the patient is expected, by the clock of the site. */
export function bookedFor(result: Result): string {
  return formatMoment(result.starts_at, new Date(), result.time_zone)
}

export function waitingText(result: Result): string {
  switch (result.state) {
    case 'acquired':
      return result.first_image_at
        ? `The images came ${formatMoment(result.first_image_at)}. The report follows.`
        : 'The examination is done. The report follows.'
    case 'in progress':
      return 'The examination is going on.'
    case 'scheduled':
      return result.starts_at ? `Booked for ${bookedFor(result)}.` : 'Scheduled.'
    case 'canceled':
      return `The order was cancelled${result.state_reason ? `: ${result.state_reason}.` : '.'}`
    case 'discontinued':
      return `The examination was discontinued${result.state_reason ? `: ${result.state_reason}.` : '.'}`
    default:
      return 'Ordered; no appointment yet.'
  }
}

export function barOf(patient: Result['patient']): PatientBarPatient {
  return {
    patient_pk: patient.patient_pk,
    patient_name: patient.patient_name,
    patient_id: patient.patient_id ?? '',
    issuer_of_patient_id: patient.issuer_of_patient_id,
    patient_sex: patient.patient_sex,
    patient_birth_date: patient.patient_birth_date,
    allergies: patient.allergies,
    pregnancy_status: ['pregnant', 'possibly_pregnant'].includes(patient.pregnancy_status ?? '')
      ? (patient.pregnancy_status ?? '').replace('_', ' ')
      : null,
    implants: patient.implants ? [patient.implants] : null,
    special_needs: patient.medical_alerts ? [patient.medical_alerts] : null,
  }
}
