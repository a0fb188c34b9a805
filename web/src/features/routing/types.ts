import type { Answer, Sent } from '@/lib/api'

export type Sending = Answer<'/api/routing/forwardings', 'get'>['items'][number]
export type SendingPage = Answer<'/api/routing/forwardings', 'get'>
export type Rule = Answer<'/api/routing/rules', 'get'>[number]
export type RuleFields = Sent<'/api/routing/rules', 'post'>
export type Condition = RuleFields['conditions'][number]
export type Operator = Condition['operator']
export type Deidentify = NonNullable<RuleFields['deidentify']>
export type Compressing = Answer<'/api/archive/compressions', 'get'>['items'][number]
export type CompressingPage = Answer<'/api/archive/compressions', 'get'>
export type Person = Answer<'/api/users', 'get'>['items'][number]
export type Trial = Answer<'/api/routing/rules/trial', 'post'>
export type Entity = Answer<'/api/archive/application-entities', 'get'>[number]

/** The state as the state table has it: what waits after a failure is being tried again. */
export function stateOf(sending: { state: string; attempts: number }): string {
  return sending.state === 'waiting' && sending.attempts > 0 ? 'retrying' : sending.state
}

/** `120 of 300`, and what was refused. */
export function progressText(sending: Pick<Sending, 'sent' | 'waiting' | 'refused'>): string {
  const all = sending.sent + sending.waiting + sending.refused
  const refused = sending.refused ? `, ${sending.refused} refused` : ''
  return sending.waiting ? `${sending.sent} of ${all}${refused}` : `${sending.sent}${refused}`
}

/** What went wrong, in words. */
export function faultText(sending: Pick<Sending, 'last_error' | 'first_refusal'>): string {
  return [sending.last_error, sending.first_refusal].filter(Boolean).join(': ')
}

/** The lossless syntaxes that pictures can be kept in (PS3.6 table A-1). */
export const COMPRESSIONS: Readonly<Record<string, string>> = {
  '1.2.840.10008.1.2.4.202': 'High-Throughput JPEG 2000, lossless',
  '1.2.840.10008.1.2.4.90': 'JPEG 2000, lossless',
  '1.2.840.10008.1.2.4.80': 'JPEG-LS, lossless',
  '1.2.840.10008.1.2.5': 'RLE, lossless',
}

/** All that a rule does, in one line. */
export function actsText(
  rule: Pick<Rule, 'ae_title' | 'deidentify' | 'compress_to' | 'notice_roles' | 'notice_user_pks' | 'is_told_by_hl7' | 'tell_url'>,
): string {
  const told = Boolean(rule.notice_roles?.length || rule.notice_user_pks?.length || rule.is_told_by_hl7 || rule.tell_url)
  return [
    rule.ae_title ? `send to ${rule.ae_title}${rule.deidentify ? ' without names' : ''}` : '',
    rule.compress_to ? 'compress' : '',
    told ? 'notify' : '',
  ]
    .filter(Boolean)
    .join(', ')
}

/** How much smaller, in whole percent; nothing while nothing is compressed. */
export function savedText(one: Pick<Compressing, 'bytes_before' | 'bytes_after'>): string {
  return one.bytes_before ? `${Math.round((1 - one.bytes_after / one.bytes_before) * 100)} %` : ''
}

/** `12 of 40`, and what stays as it came. */
export function compressedText(one: Pick<Compressing, 'objects' | 'waiting' | 'left'>): string {
  const left = one.left ? `, ${one.left} as received` : ''
  return one.waiting ? `${one.objects} of ${one.objects + one.waiting + one.left}${left}` : `${one.objects}${left}`
}

export const KEYWORDS: Readonly<Record<string, string>> = {
  Modality: 'Modality',
  SourceApplicationEntityTitle: 'Sent here by (AE title)',
  StudyDescription: 'Study description',
  SeriesDescription: 'Series description',
  BodyPartExamined: 'Body part',
  ProtocolName: 'Protocol',
  StationName: 'Station',
  InstitutionName: 'Institution',
  Manufacturer: 'Manufacturer',
  ReferringPhysicianName: 'Referring physician',
  PatientID: 'Patient ID',
  IssuerOfPatientID: 'Issuer of the patient ID',
  AccessionNumber: 'Accession number',
}

export const OPERATORS: Readonly<Record<Operator, string>> = {
  is: 'is',
  is_not: 'is not',
  contains: 'contains',
  starts_with: 'starts with',
  exists: 'is given',
  absent: 'is not given',
}

export const takesValues = (operator: Operator) => operator !== 'exists' && operator !== 'absent'

/** A rule's demands in one line, as a person would say them. */
export function demandText(conditions: readonly Condition[]): string {
  if (!conditions.length) return 'Every study'
  return conditions
    .map(({ keyword, operator, values = [] }) =>
      [KEYWORDS[keyword] ?? keyword, OPERATORS[operator], values.join(' or ')].filter(Boolean).join(' '),
    )
    .join(' and ')
}

/** `90` → `90 s`, `600` → `10 min`. */
export function waitText(seconds: number): string {
  return seconds && seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`
}


/** Nothing but what the basic profile keeps. */
export const BASIC: Deidentify = {
  retain_full_dates: false,
  move_dates: false,
  retain_patient_characteristics: false,
  retain_device_identity: false,
  retain_uids: false,
  retain_institution_identity: false,
  allow_burned_in: false,
}

export type DeidentifyOption = Exclude<keyof Deidentify, 'retain_full_dates' | 'move_dates'>

/** Options of PS3.15 E.3, as a person would say them. */
export const OPTIONS: Readonly<Record<DeidentifyOption, string>> = {
  retain_patient_characteristics: 'Sex, age, size and weight stay',
  retain_device_identity: 'The device stays named',
  retain_institution_identity: 'The institution stays named',
  retain_uids: 'UIDs stay (they can be joined with ours)',
  allow_burned_in: 'Pictures that may show a name go out too',
}

export const DATES = { removed: 'Removed', moved: 'Moved by a secret number of days', kept: 'Kept' } as const
export type Dates = keyof typeof DATES

export const datesOf = (deidentify: Deidentify): Dates =>
  deidentify.retain_full_dates ? 'kept' : deidentify.move_dates ? 'moved' : 'removed'

export const withDates = (deidentify: Deidentify, dates: Dates): Deidentify => ({
  ...deidentify,
  retain_full_dates: dates === 'kept',
  move_dates: dates === 'moved',
})

/** The keys with one of them a place up or down. */
export function moved(keys: readonly number[], key: number, by: -1 | 1): number[] {
  const from = keys.indexOf(key)
  const to = from + by
  if (from < 0 || to < 0 || to >= keys.length) return [...keys]
  const next = keys.filter((one) => one !== key)
  next.splice(to, 0, key)
  return next
}
