/** Words and counts of the reconciliation: what agrees, what does not, and why a study waits. */
import { formatPersonName } from '@/lib/personname'
import type { Shape } from '@/ui'
import type { Candidate, Compared, Waiting } from './types'

const FIELD: Record<string, string> = {
  patient_name: 'Name',
  patient_id: 'Patient ID',
  patient_birth_date: 'Birth date',
  patient_sex: 'Sex',
  accession_number: 'Accession',
  modality: 'Modality',
  study_date: 'Date',
  study_instance_uid: 'Study UID',
  requested_procedure_description: 'Procedure',
  laterality: 'Side',
}

export function fieldWord(field: string): string {
  const word = FIELD[field] ?? field.replaceAll('_', ' ')
  return word.charAt(0).toUpperCase() + word.slice(1)
}

const SIDE: Record<string, string> = { L: 'Left', R: 'Right', B: 'Both' }
const SEX: Record<string, string> = { M: 'Male', F: 'Female', O: 'Other' }

/** A value as people read it. */
export function shown(field: string, value: string): string {
  if (!value) return ''
  if (field === 'patient_name') return formatPersonName(value)
  if (field === 'patient_sex') return SEX[value] ?? value
  if (field === 'laterality') return SIDE[value] ?? value
  return value
}

/** Every verdict has a word, a shape and a tint: never colour alone. */
export const VERDICT: Record<Compared['verdict'], { word: string; shape: Shape; tint: 'safe' | 'urgent' | 'danger' | 'quiet' }> = {
  agrees: { word: 'Agrees', shape: 'check', tint: 'safe' },
  similar: { word: 'Similar', shape: 'half', tint: 'urgent' },
  differs: { word: 'Differs', shape: 'alert', tint: 'danger' },
  absent: { word: 'Not given', shape: 'ring', tint: 'quiet' },
}

/** What the verdict on a field is called: free words that are not the same are for a person to read. */
export function verdictOf(compared: Compared): (typeof VERDICT)[Compared['verdict']] {
  const look = VERDICT[compared.verdict]
  return compared.verdict === 'absent' && compared.order && compared.study ? { ...look, word: 'Read both' } : look
}

/** The study's UID only speaks where it agrees: a scanner without a worklist makes its own. A side speaks where one is named. */
export function speaking(candidate: Candidate): Compared[] {
  return candidate.compared.filter(
    (one) =>
      (one.field !== 'study_instance_uid' || one.verdict === 'agrees') && (one.field !== 'laterality' || Boolean(one.order || one.study)),
  )
}

export function tally(candidate: Candidate): { agrees: number; similar: number; differs: Compared[] } {
  const compared = speaking(candidate)
  return {
    agrees: compared.filter((one) => one.verdict === 'agrees').length,
    similar: compared.filter((one) => one.verdict === 'similar').length,
    differs: compared.filter((one) => one.verdict === 'differs'),
  }
}

/** What says who the patient is; where it differs, the wrong patient is near. */
const IDENTITY = new Set(['patient_name', 'patient_id', 'patient_birth_date', 'patient_sex'])

export function identityDiffers(candidate: Candidate): Compared[] {
  return candidate.compared.filter((one) => one.verdict === 'differs' && IDENTITY.has(one.field))
}

type Reason = Waiting['reasons'][number]

/** Why a study waits, in a sentence. */
export function reasonText(reason: Reason): string {
  const field = reason['field'] ?? ''
  const order = shown(field, reason['order'] ?? '')
  const study = shown(field, reason['study'] ?? '')
  if (field === 'link') return `The link was taken back: ${study}`
  if (field === 'order') return 'The order was canceled, yet images came'
  if (field === 'accession_number' && reason['order'] === 'no such order') {
    return study ? `There is no order with accession number ${study}` : 'The images carry no accession number'
  }
  if (field === 'accession_number') return `${order} have this accession number`
  return `${fieldWord(field)}: the images say ${study || 'nothing'}, the order ${order || 'nothing'}`
}

/** Those for which more speaks than against; without any, the likeliest one alone. The others stay within reach. */
export function split(candidates: readonly Candidate[]): { likely: Candidate[]; others: Candidate[] } {
  const worth = candidates.filter((one) => one.score > 0)
  const likely = worth.length ? worth : candidates.slice(0, 1)
  return { likely, others: candidates.filter((one) => !likely.includes(one)) }
}

/** What the study is, in its own words. */
export function studyWords(study: { modalities_in_study: readonly string[]; study_description: string | null }): string {
  const modalities = study.modalities_in_study.join(', ')
  const words = study.study_description?.trim()
  if (!words) return `${modalities || 'A'} study without a description`
  return study.modalities_in_study.some((one) => words.startsWith(one)) ? words : [modalities, words].filter(Boolean).join(' ')
}

/** What a scanner's work is, in its own words. */
export function workWords(work: { modality: string; performed_procedure_step_description: string | null }): string {
  return studyWords({ modalities_in_study: [work.modality], study_description: work.performed_procedure_step_description }).replace(
    'study without',
    'work without',
  )
}
