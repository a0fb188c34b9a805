import { http, type Answer } from '@/lib/api'
import { parsePersonName } from '@/lib/personname'
import { ApiProblem, asProblem } from '@/lib/problem'

export type Practitioner = Answer<'/api/practitioners', 'get'>[number]
export type User = Answer<'/api/users', 'get'>['items'][number]

export interface Particulars {
  family: string
  given: string
  middle: string
  prefix: string
  suffix: string
  npi: string
  taxonomy_code: string
  phone: string
  email: string
}

export function particularsOf(one: Practitioner | undefined): Particulars {
  const name = parsePersonName(one?.person_name).alphabetic
  return {
    family: name?.family ?? '',
    given: name?.given ?? '',
    middle: name?.middle ?? '',
    prefix: name?.prefix ?? '',
    suffix: name?.suffix ?? '',
    npi: one?.npi ?? '',
    taxonomy_code: one?.taxonomy_code ?? '',
    phone: one?.phone ?? '',
    email: one?.email ?? '',
  }
}

/** The PN with a new alphabetic group; the groups in other scripts stay as they are. */
export function personNameOf(given: Particulars, before: string | undefined): string {
  const parts = [given.family, given.given, given.middle, given.prefix, given.suffix]
  const alphabetic = parts.map((part) => part.replaceAll(/[\^=\\]/g, ' ').trim()).join('^').replace(/\^+$/, '')
  return [alphabetic, ...(before ?? '').split('=').slice(1)].join('=')
}

/** National Provider Identifier: ten digits, the last a Luhn check digit over `80840` and the number (45 CFR 162.406). */
export function isNpi(npi: string): boolean {
  if (!/^[12]\d{9}$/.test(npi)) return false
  const digits = [...`80840${npi}`].reverse().map(Number)
  const sum = digits.reduce((total, digit, place) => {
    const counted = place % 2 ? digit * 2 : digit
    return total + (counted > 9 ? counted - 9 : counted)
  }, 0)
  return sum % 10 === 0
}

/** What is wrong with a typed NPI, in words, or nothing. */
export function npiFault(typed: string): string | null {
  const npi = typed.trim()
  if (!npi || isNpi(npi)) return null
  return /^\d{10}$/.test(npi) ? 'The check digit is wrong: a figure is mistyped' : 'Ten digits'
}

export async function save(values: Particulars, one: Practitioner | undefined): Promise<Practitioner> {
  const text = (value: string) => value.trim() || null
  const body = {
    person_name: personNameOf(values, one?.person_name),
    npi: text(values.npi),
    taxonomy_code: text(values.taxonomy_code)?.toUpperCase() ?? null,
    phone: text(values.phone),
    email: text(values.email),
  }
  try {
    return one
      ? await http.patch<Practitioner>(`/api/practitioners/${one.practitioner_pk}`, body)
      : await http.post<Practitioner>('/api/practitioners', body)
  } catch (error) {
    // The name is one field to the server and five to people.
    const refused = asProblem(error)
    const errors = refused.errors.map((fault) => ({ ...fault, field: fault.field.replace(/^person_name$/, 'family') }))
    throw new ApiProblem(refused.status, { title: refused.title, detail: refused.detail, errors }, refused.requestId)
  }
}
