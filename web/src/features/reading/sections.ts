/** A report's text: sections by name, each plain text, lines kept. */
export type Sections = Record<string, string>

// The order in which reports are written and printed; the server knows the same names.
const ORDER = ['indication', 'technique', 'comparison', 'findings', 'impression']

const TITLE: Record<string, string> = {
  indication: 'Indication',
  technique: 'Technique',
  comparison: 'Comparison',
  findings: 'Findings',
  impression: 'Impression',
  addendum: 'Addendum',
}

export const sectionTitle = (name: string) => TITLE[name] ?? name.charAt(0).toUpperCase() + name.slice(1)

/** The sections in the order of a report; what is not known keeps its own order at the end. */
export function sectionNames(sections: Sections): string[] {
  const names = Object.keys(sections)
  return [...ORDER.filter((name) => names.includes(name)), ...names.filter((name) => !ORDER.includes(name))]
}

/** The section before or after; stays at the ends. From nowhere the first is entered. */
export function neighbour(names: readonly string[], from: string | undefined, step: 1 | -1): string | undefined {
  const at = from === undefined ? -1 : names.indexOf(from)
  if (at < 0) return names[0]
  return names[Math.max(0, Math.min(names.length - 1, at + step))]
}

export interface EditorDoc {
  type: 'doc'
  content: { type: 'paragraph'; content?: { type: 'text'; text: string }[] }[]
}

/** Each line becomes a paragraph; an empty line an empty one. */
export function docOf(text: string): EditorDoc {
  return {
    type: 'doc',
    content: text
      .replace(/\r\n?/g, '\n')
      .split('\n')
      .map((line) => (line ? { type: 'paragraph', content: [{ type: 'text', text: line }] } : { type: 'paragraph' })),
  }
}

/** Sections whose text differs between two drafts; blanks at the ends, which the server takes off, do not count. */
export function differences(mine: Sections, theirs: Sections): { name: string; mine: string; theirs: string }[] {
  return sectionNames({ ...theirs, ...mine })
    .map((name) => ({ name, mine: mine[name] ?? '', theirs: theirs[name] ?? '' }))
    .filter((one) => one.mine.trim() !== one.theirs.trim())
}

export interface Span {
  from: number
  to: number
  what: 'blank' | 'side'
}

// The words the server's check knows, so that what is marked while writing is what is asked about at signing.
const SIDE = {
  L: /(?<![\p{L}\p{N}_])(left|links?|linke[rsn]?|gauche|izquierd[oa]|sinistr[oa])(?![\p{L}\p{N}_])/giu,
  R: /(?<![\p{L}\p{N}_])(right|rechts?|rechte[rsn]?|droite?|derech[oa]|destr[oa])(?![\p{L}\p{N}_])/giu,
}
const BLANK = /_{3,}|\[\s*\]|\?\?\?/g

/** What stands out in a line: blanks of the template, and words of the side that was not ordered. */
export function spans(line: string, ordered: string | null): Span[] {
  const found: Span[] = [...line.matchAll(BLANK)].map((match) => ({
    from: match.index,
    to: match.index + match[0].length,
    what: 'blank',
  }))
  const other = ordered === 'L' ? SIDE.R : ordered === 'R' ? SIDE.L : undefined
  if (other) {
    for (const match of line.matchAll(other)) {
      found.push({ from: match.index, to: match.index + match[0].length, what: 'side' })
    }
  }
  return found.sort((one, next) => one.from - next.from)
}

/** The one side that was ordered; null where both were, or none. */
export function orderedSide(lateralities: readonly (string | null)[]): 'L' | 'R' | null {
  const sides = new Set(lateralities)
  if (sides.has('B') || (sides.has('L') && sides.has('R'))) return null
  return sides.has('L') ? 'L' : sides.has('R') ? 'R' : null
}
