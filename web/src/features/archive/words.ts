import { formatDicomDate } from '@/lib/time'
import type { Change, Removal, RetentionRule, RetentionRuleFields } from './types'

/** PS3.16 CID 7011: why images are rejected, in the words of the standard and of a person. */
export const REJECTION: Record<'113001' | '113037' | '113038' | '113039', { label: string; hint: string }> = {
  '113001': { label: 'Quality', hint: 'Blurred, cut off or repeated: not for reading.' },
  '113037': { label: 'Patient safety', hint: 'Wrong patient or wrong side: must never be seen with this patient.' },
  '113038': { label: 'Wrong worklist entry', hint: 'Taken under another order: goes out again under the right one.' },
  '113039': { label: 'Retention expired', hint: 'Its time is over by policy.' },
}

const FIELD: Record<string, string> = {
  StudyInstanceUID: 'Study',
  SeriesInstanceUID: 'Series',
  ReferencedSeriesSequence: 'Images that it names',
  PatientID: 'Patient ID',
  IssuerOfPatientID: 'Issuer of the ID',
  PatientName: 'Patient',
  PatientBirthDate: 'Born',
  PatientSex: 'Sex',
  AccessionNumber: 'Accession number',
  StudyID: 'Study ID',
  ReferringPhysicianName: 'Referring physician',
  OperatorsName: 'Operator',
  PerformingPhysicianName: 'Performing physician',
  BodyPartExamined: 'Body part',
  ProtocolName: 'Protocol',
  SeriesNumber: 'Series number',
  InstanceNumber: 'Image number',
}

/** A DICOM keyword as people read it: `StudyDescription` → `Study description`. */
export function fieldWord(keyword: string): string {
  return FIELD[keyword] ?? keyword.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').replace(/ [A-Z]/g, (part) => part.toLowerCase())
}

/** A value as people read it. A UID is told by its end, which is where two of them differ. */
export function valueWord(change: Pick<Change, 'field'>, value: string): string {
  if (!value) return 'empty'
  if (change.field.endsWith('UID') && value.length > 20) return `…${value.slice(-12)}`
  if (change.field.endsWith('Date')) return formatDicomDate(value) || value
  if (change.field.endsWith('Time')) return value.replace(/^(\d{2})(\d{2})(\d{2}).*$/, '$1:$2:$3')
  if (change.field.endsWith('Name')) return value.replace(/\^+/g, ' ').trim()
  return value
}

/** What a removal took: `the study`, `series 3, T1 axial`, `image 12`. */
export function tookWord(removal: Pick<Removal, 'level' | 'series_number' | 'series_description' | 'instance_number' | 'instances'>): string {
  const images = `${removal.instances.toLocaleString()} ${removal.instances === 1 ? 'image' : 'images'}`
  if (removal.level === 'STUDY') return `The study, ${images}`
  const series = [removal.series_number === null ? '' : `series ${removal.series_number}`, removal.series_description].filter(Boolean).join(', ')
  if (removal.level === 'SERIES') return series ? `${series.charAt(0).toUpperCase()}${series.slice(1)}, ${images}` : images
  if (removal.instance_number !== null) return `Image ${removal.instance_number}${series ? ` of ${series}` : ''}`
  return images
}

/** What becomes of it, in the words of the state table. */
export function stateOfRemoval(removal: Pick<Removal, 'restored_at' | 'purged_at' | 'purge_at' | 'is_held'>): string {
  if (removal.restored_at) return 'restored'
  if (removal.purged_at) return 'destroyed'
  if (removal.is_held) return 'held'
  return removal.purge_at ? 'in_trash' : 'hidden'
}

/** Days until then, to the nearest whole one; none where it has passed. */
export function daysUntil(moment: string, now: Date): number {
  return Math.max(0, Math.round((new Date(moment).getTime() - now.getTime()) / 86_400_000))
}

/** Whom a rule is for, in one line. */
export function forWhom(rule: Pick<RetentionRule, 'modalities' | 'institution_name' | 'study_description' | 'patient_age_from' | 'patient_age_below'>): string {
  const { patient_age_from: from, patient_age_below: below } = rule
  const age =
    from !== null && below !== null ? `aged ${from} to ${below - 1}` : from !== null ? `aged ${from} and older` : below !== null ? `younger than ${below}` : ''
  const words =
    [
      rule.modalities.join(', '),
      rule.study_description ? `“${rule.study_description}”` : '',
      rule.institution_name ? `at ${rule.institution_name}` : '',
      age,
    ]
      .filter(Boolean)
      .join(', ') || 'all studies'
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** How long a rule keeps, in one line. */
export function keepsWord(rule: Pick<RetentionRuleFields, 'keep_years' | 'keep_until_age'>): string {
  const years = `${rule.keep_years} ${rule.keep_years === 1 ? 'year' : 'years'}`
  return rule.keep_until_age ? `${years}, at least until the age of ${rule.keep_until_age}` : years
}

/** The usual reasons for which something goes into the trash. */
export const WHY_TRASH = ['Sent twice', 'Test images', 'Wrong patient, taken again', 'Not of this hospital'] as const
