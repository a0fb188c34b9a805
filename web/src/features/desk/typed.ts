/** What the desk types into one field, read as a person would: a name, a birth date, a sex. */

/** 1980-03-14, 14.03.1980, 3/14/1980 or 19800314, as the server reads them; undefined for anything else. */
export function parseBirthDate(text: string): string | undefined {
  const typed = text.trim()
  const match =
    /^(?<y>\d{4})-(?<m>\d{1,2})-(?<d>\d{1,2})$/.exec(typed) ??
    /^(?<d>\d{1,2})\.(?<m>\d{1,2})\.(?<y>\d{4})$/.exec(typed) ??
    /^(?<m>\d{1,2})\/(?<d>\d{1,2})\/(?<y>\d{4})$/.exec(typed) ??
    /^(?<y>(?:19|20)\d{2})(?<m>\d{2})(?<d>\d{2})$/.exec(typed)
  if (!match?.groups) return undefined
  const [year, month, day] = [Number(match.groups['y']), Number(match.groups['m']), Number(match.groups['d'])]
  const date = new Date(Date.UTC(year, month - 1, day))
  if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  return date.toISOString().slice(0, 10)
}

export interface TypedPerson {
  family: string
  given: string
  patient_birth_date: string
  patient_sex: string
}

const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1)

/**
 * Begins a registration with what was typed to find the patient: `okafor, ada 3.4.1961 f` or `Ada Okafor 1961-04-03`.
 * With a comma the family name stands before it, else it is the last word.
 */
export function personTyped(text: string): TypedPerson {
  const person: TypedPerson = { family: '', given: '', patient_birth_date: '', patient_sex: '' }
  const names: string[] = []
  for (const word of text.replaceAll(',', ' , ').split(/\s+/).filter(Boolean)) {
    const born = parseBirthDate(word)
    if (born) person.patient_birth_date = born
    else if (/^[mfo]$/i.test(word) && names.length > 1) person.patient_sex = word.toUpperCase()
    else if (!/\d/.test(word)) names.push(word)
  }
  const comma = names.indexOf(',')
  const family = comma >= 0 ? names.slice(0, comma) : names.slice(-1)
  const given = comma >= 0 ? names.slice(comma + 1).filter((word) => word !== ',') : names.slice(0, -1)
  // Who uses capitals at all means them as they stand (`van der Meer`).
  const written = text === text.toLowerCase() ? capital : (word: string) => word
  person.family = family.map(written).join(' ')
  person.given = given.map(written).join(' ')
  return person
}

/** A PN of PS3.5 6.2.1 from the parts that people fill in; `^` and `=` cannot be part of a name. */
export function personName(parts: { family: string; given: string; middle?: string }): string {
  const clean = (part: string | undefined) => (part ?? '').replace(/[\^=\\]/g, ' ').replace(/\s+/g, ' ').trim()
  return [clean(parts.family), clean(parts.given), clean(parts.middle)].join('^').replace(/\^+$/, '')
}

/** Whether a text is the beginning of an accession number; what looks like a name never goes into an address. */
export function looksLikeAccession(text: string): boolean {
  return /^[A-Za-z]{0,8}\d[A-Za-z0-9-]{1,15}$/.test(text.trim()) && parseBirthDate(text) === undefined
}
