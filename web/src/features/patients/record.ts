import { formatPersonName, parsePersonName } from '@/lib/personname'
import { PREGNANCY, SEX, type Change, type Changes, type Patient, type PatientRecord } from './types'

/** A record's own fields as a form holds them: text, empty where nothing is known. */
export interface RecordForm {
  family: string
  given: string
  middle: string
  prefix: string
  suffix: string
  ideographic: string
  phonetic: string
  patient_birth_date: string
  patient_sex: string
  patient_telephone_numbers: string
  email: string
  patient_address: string
  city: string
  state: string
  postal_code: string
  country: string
  language: string
  deceased: boolean
}

export function formOf(patient: Patient): RecordForm {
  const { alphabetic } = parsePersonName(patient.patient_name)
  const [, ideographic = '', phonetic = ''] = patient.patient_name.split('=')
  const text = (value: string | null | undefined) => value ?? ''
  return {
    family: text(alphabetic?.family),
    given: text(alphabetic?.given),
    middle: text(alphabetic?.middle),
    prefix: text(alphabetic?.prefix),
    suffix: text(alphabetic?.suffix),
    ideographic: ideographic.replaceAll('^', ' ').trim(),
    phonetic: phonetic.replaceAll('^', ' ').trim(),
    patient_birth_date: text(patient.patient_birth_date),
    patient_sex: text(patient.patient_sex),
    patient_telephone_numbers: text(patient.patient_telephone_numbers),
    email: text(patient.email),
    patient_address: text(patient.patient_address),
    city: text(patient.city),
    state: text(patient.state),
    postal_code: text(patient.postal_code),
    country: text(patient.country),
    language: text(patient.language),
    deceased: patient.deceased,
  }
}

const clean = (part: string) => part.replace(/[\^=\\]/g, ' ').replace(/\s+/g, ' ').trim()

/** PS3.5 6.2.1: five components, then the ideographic and phonetic groups, with nothing left hanging at the end. */
export function nameOf(form: Pick<RecordForm, 'family' | 'given' | 'middle' | 'prefix' | 'suffix' | 'ideographic' | 'phonetic'>): string {
  const alphabetic = [form.family, form.given, form.middle, form.prefix, form.suffix].map(clean).join('^').replace(/\^+$/, '')
  const group = (text: string) => {
    const [family = '', ...rest] = clean(text).split(' ')
    return [family, rest.join(' ')].filter(Boolean).join('^')
  }
  return [alphabetic, group(form.ideographic), group(form.phonetic)].join('=').replace(/=+$/, '')
}

/** Only what was changed travels, so that two people at two desks do not undo each other. */
export function changesOf(patient: Patient, form: RecordForm): Partial<Changes> {
  const before = formOf(patient)
  const changes: Record<string, unknown> = {}
  const name = nameOf(form)
  if (name !== nameOf(before)) changes['patient_name'] = name
  for (const key of Object.keys(before) as (keyof RecordForm)[]) {
    if (['family', 'given', 'middle', 'prefix', 'suffix', 'ideographic', 'phonetic'].includes(key)) continue
    const value = form[key]
    const now = typeof value === 'string' ? value.trim() : value
    if (now !== before[key]) changes[key] = now === '' ? null : now
  }
  return changes
}

/** What must be known before contrast, radiation or a magnet, as a form holds it. */
export interface SafetyForm {
  none_known: boolean
  allergies: { substance: string; reaction: string; severe: boolean }[]
  implants: string
  pregnancy_status: string
  egfr_ml_min: number | string
  egfr_date: string
  patient_weight_kg: number | string
  patient_size_m: number | string
  medical_alerts: string
  special_needs: string
  confidentiality: string
}

export function safetyOf(record: PatientRecord): SafetyForm {
  const { patient } = record
  return {
    none_known: record.bar.allergies?.length === 0,
    allergies: record.allergies.map((one) => ({ substance: one.substance, reaction: one.reaction ?? '', severe: one.severe })),
    implants: patient.implants ?? '',
    pregnancy_status: patient.pregnancy_status ?? '',
    egfr_ml_min: patient.egfr_ml_min ?? '',
    egfr_date: patient.egfr_date ?? '',
    patient_weight_kg: patient.patient_weight_kg ?? '',
    patient_size_m: patient.patient_size_m ?? '',
    medical_alerts: patient.medical_alerts ?? '',
    special_needs: patient.special_needs ?? '',
    confidentiality: patient.confidentiality ?? '',
  }
}

type Allergies = { substance: string; reaction: string | null; severe: boolean }[] | null

/** The list as it is kept: null where nobody asked. */
function allergiesOf(form: SafetyForm): Allergies {
  const named = form.allergies.map((one) => ({ substance: one.substance.trim(), reaction: one.reaction.trim() || null, severe: one.severe }))
  return named.length || form.none_known ? named : null
}

/**
 * What was changed since the form was opened on `before`: a mark that somebody else has set meanwhile is never taken away by
 * saving another. `allergies` is undefined where the list was not touched.
 */
export function safetyChanges(before: SafetyForm, after: SafetyForm): { patient: Partial<Changes>; allergies: Allergies | undefined } {
  const changes: Record<string, unknown> = {}
  for (const key of Object.keys(before) as (keyof SafetyForm)[]) {
    if (key === 'allergies' || key === 'none_known') continue
    const now = typeof after[key] === 'string' ? after[key].trim() : after[key]
    // A number out of range is refused by the server, never silently changed into another.
    const isNumber = ['egfr_ml_min', 'patient_weight_kg', 'patient_size_m'].includes(key)
    if (now !== before[key]) changes[key] = now === '' ? null : isNumber ? Number(now) : now
  }
  return { patient: changes, allergies: sameAllergies(before, after) ? undefined : allergiesOf(after) }
}

export const sameAllergies = (one: SafetyForm, other: SafetyForm) => JSON.stringify(allergiesOf(one)) === JSON.stringify(allergiesOf(other))

const FIELD: Record<string, string> = {
  patient_name: 'Name',
  patient_birth_date: 'Birth date',
  patient_sex: 'Sex',
  patient_telephone_numbers: 'Telephone',
  patient_address: 'Address',
  postal_code: 'Postal code',
  patient_size_m: 'Height',
  patient_weight_kg: 'Weight',
  egfr_ml_min: 'eGFR',
  egfr_date: 'eGFR taken',
}

/** One change of the history in words: field, before, after. */
export function told(changes: Change['changes']): { field: string; before: string; after: string }[] {
  return Object.entries(changes).map(([name, [before, after]]) => {
    const label = FIELD[name] ?? name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ')
    return { field: label, before: said(name, before), after: said(name, after) }
  })
}

function said(name: string, value: unknown): string {
  if (name === 'allergies' && value === null) return 'not asked'
  if (value === null || value === undefined || value === '') return 'nothing'
  if (Array.isArray(value)) return value.length ? value.join(', ') : 'none known'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  const text = String(value)
  if (name === 'patient_name') return formatPersonName(text)
  if (name === 'patient_sex') return SEX[text] ?? text
  if (name === 'pregnancy_status') return PREGNANCY[text] ?? text
  return text
}
