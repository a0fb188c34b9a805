import type { ViewerStudy } from '@/viewer'
import type { Answer } from '@/lib/api'
import type { PatientBarPatient } from '@/ui'

export type ReadingPage = Answer<'/api/reading-list', 'get'>
export type ReadingItem = ReadingPage['items'][number]
export type UnmatchedPage = Answer<'/api/reading-list/unmatched', 'get'>
export type UnmatchedStudy = UnmatchedPage['items'][number]
export type PriorStudy = Answer<'/api/reading-list/studies/{study_pk}/priors', 'get'>[number]
export type Picture = Answer<'/api/priors/studies/{study_pk}/elsewhere', 'get'>
export type ElsewhereStudy = Picture['studies'][number]
export type NextCase = Answer<'/api/reading-list/next', 'get'>
export type Report = Answer<'/api/reports/{report_pk}', 'get'>
export type SignedVersion = Report['versions'][number]
export type KeyImage = Report['key_images'][number]
export type PriorReport = Answer<'/api/patients/{patient_pk}/reports', 'get'>[number]
export type Template = Answer<'/api/report-templates', 'get'>[number]
export type Finding = Answer<'/api/reports/{report_pk}/check', 'post'>[number]
export type DraftSaved = Answer<'/api/reports/{report_pk}/draft', 'put'>
export type Site = Answer<'/api/sites', 'get'>[number]

/** What keeps lists of cases fresh: images, links to orders, claims, reports. */
export const LIST_EVENTS = [
  'study.updated',
  'study.linked',
  'study.unmatched',
  'order.changed',
  'step.changed',
  'reading.changed',
  'report.changed',
  'report.preliminary',
  'report.final',
  'report.addended',
] as const

/** A case's study as the viewer takes it. */
export function viewerStudy(item: ReadingItem): ViewerStudy {
  return {
    study_pk: item.study_pk,
    study_instance_uid: item.study_instance_uid,
    study_date: item.study_date,
    study_description: item.requested_procedure_description,
    modalities_in_study: [item.modality],
    body_part_examined: item.body_part_examined,
    site_code: item.site_code,
  }
}

export function viewerPrior(prior: PriorStudy): ViewerStudy {
  const { study_pk, study_instance_uid, study_date, study_description, modalities_in_study, body_part_examined } = prior
  return { study_pk, study_instance_uid, study_date, study_description, modalities_in_study, body_part_examined }
}

/** The patient as the server gives it, for the patient bar. */
export function barOf(patient: ReadingItem['patient']): PatientBarPatient {
  const alerts = [
    patient.medical_alerts,
    patient.renal,
    patient.deceased ? 'Deceased' : null,
    patient.unidentified ? 'Not identified' : null,
  ]
  return {
    patient_pk: patient.patient_pk,
    patient_name: patient.patient_name,
    patient_id: patient.patient_id ?? '',
    issuer_of_patient_id: patient.issuer_of_patient_id,
    patient_sex: patient.patient_sex,
    patient_birth_date: patient.patient_birth_date,
    allergies: patient.allergies,
    pregnancy_status: patient.pregnancy_status,
    implants: patient.implants ? [patient.implants] : [],
    special_needs: alerts.filter((alert): alert is string => Boolean(alert)),
  }
}

/** Seconds that the service level allows from the first image to the final report. */
export function allowedSeconds(item: Pick<ReadingItem, 'first_image_at' | 'due_at'>): number {
  return Math.max(1, (Date.parse(item.due_at) - Date.parse(item.first_image_at)) / 1000)
}

/** What the age of a case runs from; nothing runs once it is signed. */
export const runningSince = (item: Pick<ReadingItem, 'reading_state' | 'first_image_at'>) =>
  item.reading_state === 'final' ? undefined : item.first_image_at

export interface ListFilter {
  show: 'open' | 'unread' | 'mine' | 'signed'
  modality: readonly string[]
  body_part_examined: string | null
  site_pk: number | null
}

export const EVERYTHING: ListFilter = { show: 'open', modality: [], body_part_examined: null, site_pk: null }

const STATES: Record<ListFilter['show'], readonly string[]> = {
  open: ['unread', 'draft', 'preliminary'],
  unread: ['unread'],
  mine: ['unread', 'draft', 'preliminary'],
  signed: ['final'],
}

/** A filter as the server takes it. */
export function queryOf(filter: ListFilter, text: string) {
  return {
    state: STATES[filter.show],
    mine: filter.show === 'mine' ? true : undefined,
    modality: filter.modality,
    body_part_examined: filter.body_part_examined,
    site_pk: filter.site_pk,
    text: text.trim(),
  }
}

/** Who holds a case, from where this person stands. */
export function holderOf(item: Pick<ReadingItem, 'claimed_by' | 'claimed_by_user_pk'>, userPk: number | null): 'nobody' | 'me' | 'other' {
  if (item.claimed_by_user_pk === null) return 'nobody'
  return item.claimed_by_user_pk === userPk ? 'me' : 'other'
}

/** How old a prior was when the current study was made, as it is said in large type: `14 months`, `3 days`. */
export function priorAge(priorDate: string | null, currentDate: string | null): string {
  const prior = /^(\d{4})-(\d{2})-(\d{2})/.exec(priorDate ?? '')
  const current = /^(\d{4})-(\d{2})-(\d{2})/.exec(currentDate ?? '')
  if (!prior || !current) return 'date unknown'
  const days = Math.round((Date.parse(current[0]) - Date.parse(prior[0])) / 86_400_000)
  const say = (count: number, unit: string) => `${count} ${unit}${count === 1 ? '' : 's'}`
  if (days < 0) return `${say(-days, 'day')} later`
  if (days === 0) return 'same day'
  if (days < 14) return say(days, 'day')
  if (days < 62) return say(Math.floor(days / 7), 'week')
  const months =
    (Number(current[1]) - Number(prior[1])) * 12 +
    (Number(current[2]) - Number(prior[2])) -
    (Number(current[3]) < Number(prior[3]) ? 1 : 0)
  return months < 24 ? say(months, 'month') : say(Math.floor(months / 12), 'year')
}

/** Age and sex in a narrow column: `88 y F`. */
export function ageAndSex(patient: ReadingItem['patient']): string {
  return [patient.age, patient.patient_sex].filter(Boolean).join(' ')
}

/** Whether an archive has answered, in words. */
export function askedWords(asked: Pick<Picture['asked'][number], 'archive_name' | 'state' | 'last_error' | 'is_cut'>): string {
  const { archive_name: name } = asked
  if (asked.state === 'failed') return `${name} could not be asked: ${asked.last_error ?? 'no answer'}.`
  if (asked.state === 'asking') return `${name} is being asked.`
  if (asked.state === 'waiting') return asked.last_error ? `${name} is tried again: ${asked.last_error}.` : `${name} is asked in time.`
  return asked.is_cut ? `${name} has more than can be listed here.` : `${name} has answered.`
}

/** How far the fetching of a prior is, in words. */
export function fetchedWords(
  study: Pick<ElsewhereStudy, 'fetch_state' | 'received' | 'failed' | 'number_of_study_related_instances' | 'last_error'>,
): string {
  const all = study.number_of_study_related_instances
  const count = all ? `${study.received} of ${all}` : `${study.received}`
  const failed = study.failed ? `, ${study.failed} not` : ''
  if (study.fetch_state === 'fetched') return `${count} images came${failed}`
  if (study.fetch_state === 'fetching') return `${count} images${failed}`
  if (study.fetch_state === 'waiting' && !study.last_error) return 'in the queue'
  return study.last_error ?? ''
}

/** How much is known from earlier. Until both have been answered nobody may read that there is nothing. */
export function earlierNote(studies: number | undefined, reports: number | undefined): string {
  if (studies === undefined || reports === undefined) return 'being looked up'
  if (!studies && !reports) return 'nothing known here'
  return `${studies} ${studies === 1 ? 'study' : 'studies'}, ${reports} ${reports === 1 ? 'report' : 'reports'}`
}
