/** PS3.5 6.2.1: `Family^Given^Middle^Prefix^Suffix`, up to three groups split by `=` (alphabetic, ideographic, phonetic). */
export interface PersonNameGroup {
  family: string
  given: string
  middle: string
  prefix: string
  suffix: string
}

export interface PersonNameParts {
  alphabetic: PersonNameGroup | undefined
  ideographic: PersonNameGroup | undefined
  phonetic: PersonNameGroup | undefined
}

function group(text: string | undefined): PersonNameGroup | undefined {
  if (!text?.replaceAll('^', '').trim()) return undefined
  const [family = '', given = '', middle = '', prefix = '', suffix = ''] = text.split('^').map((part) => part.trim())
  return { family, given, middle, prefix, suffix }
}

export function parsePersonName(value: string | null | undefined): PersonNameParts {
  // Composed, since a letter and its accent that came as two characters are drawn beside each other by many a font.
  const [alphabetic, ideographic, phonetic] = (value ?? '').normalize('NFC').split('=')
  return { alphabetic: group(alphabetic), ideographic: group(ideographic), phonetic: group(phonetic) }
}

function plain(name: PersonNameGroup, separator: string): string {
  const rest = [name.prefix, name.given, name.middle].filter(Boolean).join(' ')
  const first = [name.family, rest].filter(Boolean).join(separator)
  return name.suffix ? `${first}, ${name.suffix}` : first
}

/** One group as people read it: "Okafor, Dr. Ada Grace, Jr."; East Asian groups without comma. */
export function formatGroup(name: PersonNameGroup, kind: keyof PersonNameParts = 'alphabetic'): string {
  return plain(name, kind === 'alphabetic' ? ', ' : ' ')
}

/** The whole name on one line; every group shown, as two patients may differ in one of them only. */
export function formatPersonName(value: string | null | undefined): string {
  const parts = parsePersonName(value)
  const texts = (['alphabetic', 'ideographic', 'phonetic'] as const).flatMap((kind) => {
    const name = parts[kind]
    return name ? [formatGroup(name, kind)] : []
  })
  return texts.length ? texts.join(' · ') : 'Name not given'
}
