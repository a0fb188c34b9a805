/** An attribute of a data set, with what it is called. */
export interface Attribute {
  tag: string
  vr: string
  /** `Beam Sequence`; of what no dictionary has, by whom it is: `Private, ACME`. */
  name: string
  values: readonly string[]
  /** Of a sequence. */
  items: readonly (readonly Attribute[])[]
  /** It is long, or binary, and not in the metadata: how it is kept. */
  isElsewhere: boolean
}

/** Deeper than that no object that means anything is nested. */
const DEEPEST = 32

function childrenOf(parent: Element, name: string): Element[] {
  return Array.from(parent.children).filter((one) => one.localName === name)
}

/** `PatientID` as words, `Patient ID`. */
export function spelt(keyword: string): string {
  return keyword
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .replace(/\bU ID\b/g, 'UID')
}

function personOf(person: Element): string {
  return Array.from(person.children, (group) => Array.from(group.children, (part) => part.textContent ?? '').filter(Boolean).join(' '))
    .filter(Boolean)
    .join(' = ')
}

function attributeOf(element: Element, depth: number): Attribute {
  const [tag, vr, keyword, creator] = ['tag', 'vr', 'keyword', 'privateCreator'].map((name) => element.getAttribute(name))
  const isPrivate = parseInt((tag ?? '').slice(0, 4), 16) % 2 === 1
  return {
    tag: tag ?? '',
    vr: vr ?? 'UN',
    name: keyword ? spelt(keyword) : isPrivate ? `Private${creator ? `, ${creator}` : ''}` : 'Unknown',
    values: [...childrenOf(element, 'Value').map((value) => (value.textContent ?? '').trim()), ...childrenOf(element, 'PersonName').map(personOf)],
    items: depth >= DEEPEST ? [] : childrenOf(element, 'Item').map((one) => childrenOf(one, 'DicomAttribute').map((inner) => attributeOf(inner, depth + 1))),
    isElsewhere: childrenOf(element, 'BulkData').length + childrenOf(element, 'InlineBinary').length > 0,
  }
}

/** The data sets in an answer of parts, each a Native DICOM Model (PS3.19 A.1). */
export function dataSetsOf(answer: string): Attribute[][] {
  const found: Attribute[][] = []
  const end = '</NativeDicomModel>'
  for (let from = answer.indexOf('<NativeDicomModel'); from >= 0; from = answer.indexOf('<NativeDicomModel', from + 1)) {
    const to = answer.indexOf(end, from)
    if (to < 0) throw new Error('The metadata came cut off.')
    const root = new DOMParser().parseFromString(answer.slice(from, to + end.length), 'application/xml').documentElement
    if (root.localName !== 'NativeDicomModel') throw new Error('The metadata cannot be read.')
    found.push(childrenOf(root, 'DicomAttribute').map((one) => attributeOf(one, 0)))
  }
  return found
}

/** Of which object a data set is. */
export function uidOf(set: readonly Attribute[]): string | undefined {
  return set.find((one) => one.tag === '00080018')?.values[0]
}

/** A line of the data set as it is laid out. */
export interface Row {
  /** Where it is: `300A00B0/0/300A00C0`. */
  path: string
  depth: number
  attribute: Attribute | null
  /** Of an item: from 1, of how many, and what it is called. */
  item: { number: number; of: number; called: string | null } | null
  /** It has something in it that can be opened. */
  opens: boolean
}

/** An item of many is called by the first of these that it says. */
const CALLED = [/Name$/, /Label$/, /Description$/, /Meaning$/, /Number$/, /Index$/, /Type$/]

export function calledOf(item: readonly Attribute[], sequence: string): string | null {
  const stem = sequence.replace(/ Sequence$/, '')
  // What a beam is called says its own name before that of the place where it stands.
  const own = item.filter((one) => one.name.startsWith(stem))
  for (const among of [own, item])
    for (const kind of CALLED) {
      const found = among.find((one) => kind.test(one.name) && one.values[0])
      if (found) return `${found.name}: ${found.values[0]}`
    }
  return null
}

function matches({ name, tag, values }: Attribute, words: string): boolean {
  return name.toLowerCase().includes(words) || tag.toLowerCase().includes(words) || values.some((value) => value.toLowerCase().includes(words))
}

/** Whether anything within is what is looked for. */
function holds(attribute: Attribute, words: string): boolean {
  return attribute.items.some((item) => item.some((one) => matches(one, words) || holds(one, words)))
}

/** The lines that are seen: what is open, or, where something is looked for, all that is that with what it lies in. */
export function rowsOf(set: readonly Attribute[], open: ReadonlySet<string>, looked: string): Row[] {
  const words = looked.trim().toLowerCase().replace(/[(),]/g, '')
  const rows: Row[] = []
  const lay = (attributes: readonly Attribute[], within: string, depth: number, all: boolean) => {
    for (const attribute of attributes) {
      const path = `${within}${attribute.tag}`
      const itself = all || !words || matches(attribute, words)
      const inside = words !== '' && holds(attribute, words)
      if (!itself && !inside) continue
      rows.push({ path, depth, attribute, item: null, opens: attribute.items.length > 0 })
      if (!inside && !open.has(path)) continue
      attribute.items.forEach((item, at) => {
        const its = `${path}/${at}`
        const held = words !== '' && item.some((one) => matches(one, words) || holds(one, words))
        if (inside && !held && !open.has(path)) return
        rows.push({ path: its, depth: depth + 1, attribute: null, item: { number: at + 1, of: attribute.items.length, called: calledOf(item, attribute.name) }, opens: item.length > 0 })
        // One item is open with its sequence; of several each opens by itself.
        const isOpen = open.has(its) || attribute.items.length === 1
        if (held || isOpen) lay(item, `${its}/`, depth + 2, !held)
      })
    }
  }
  lay(set, '', 0, false)
  return rows
}

