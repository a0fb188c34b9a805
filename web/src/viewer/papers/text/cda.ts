import { formatDicomDate, formatDicomTime } from '@/lib/time'

/** What a clinical document (HL7 CDA R2) says of itself, and its words as elements of its own narrative. */
export interface Cda {
  title: string
  facts: { name: string; value: string }[]
  sections: Element[]
  /** Pictures within the document, by the name by which its words point to them. */
  media: ReadonlyMap<string, string>
  /** The body where it is no narrative: of which type, and its Base64 or its words. */
  body: { mediaType: string; base64: string | null; words: string } | null
}

const PICTURES = new Set(['image/png', 'image/jpeg', 'image/gif'])

/** The words of bytes in the character set that an XML declaration names, UTF-8 else. */
export function wordsOf(bytes: Uint8Array): string {
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, 200))
  const told = /^[^<]*<\?xml[^>]*encoding\s*=\s*["']([\w-]+)["']/.exec(head)?.[1]
  const marked = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : told
  const decoder = (label: string) => new TextDecoder(label)
  try {
    return decoder(marked ?? 'utf-8').decode(bytes).replace(/\0+$/, '').trim()
  } catch {
    return decoder('utf-8').decode(bytes).replace(/\0+$/, '').trim()
  }
}

export function childrenOf(element: Element | null | undefined, ...path: string[]): Element[] {
  let found = element ? [element] : []
  for (const name of path) found = found.flatMap((one) => [...one.children].filter((child) => child.localName === name))
  return found
}

const squeezed = (element: Element | undefined) => element?.textContent?.replace(/\s+/g, ' ').trim() ?? ''

/** A name of its parts, as HL7 marks them; what is not marked stands as it is. */
function nameOf(element: Element | undefined): string {
  if (!element) return ''
  const part = (name: string) => childrenOf(element, name).map(squeezed).filter(Boolean).join(' ')
  if (!part('family')) return squeezed(element)
  return [[part('prefix'), part('given'), part('family')].filter(Boolean).join(' '), part('suffix')].filter(Boolean).join(', ')
}

function momentOf(element: Element | undefined): string {
  const value = element?.getAttribute('value') ?? ''
  return [formatDicomDate(value), value.length >= 12 ? formatDicomTime(value.slice(8)) : ''].filter(Boolean).join(' ')
}

/** Reads a document; null: it is none. */
export function readCda(xml: string): Cda | null {
  const parsed = new DOMParser().parseFromString(xml, 'application/xml')
  const root = parsed.documentElement
  if (parsed.getElementsByTagName('parsererror').length || root.localName !== 'ClinicalDocument') return null
  const first = (...path: string[]) => childrenOf(root, ...path)[0]
  const all = (...path: string[]) => childrenOf(root, ...path)
  const patient = ['recordTarget', 'patientRole'] as const
  const facts: Cda['facts'] = []
  const fact = (name: string, value: string) => {
    if (value) facts.push({ name, value })
  }
  const person = (element: Element) => nameOf(childrenOf(element, 'assignedPerson', 'name')[0]) || squeezed(childrenOf(element, 'representedOrganization', 'name')[0])
  fact('Patient in the document', [nameOf(first(...patient, 'patient', 'name')), momentOf(first(...patient, 'patient', 'birthTime')), first(...patient, 'id')?.getAttribute('extension') ?? ''].filter(Boolean).join(' · '))
  fact('Written', momentOf(first('effectiveTime')))
  fact('Author', all('author', 'assignedAuthor').map(person).filter(Boolean).join('; '))
  fact('Signed by', all('legalAuthenticator', 'assignedEntity').map(person).filter(Boolean).join('; '))
  fact('From', squeezed(first('custodian', 'assignedCustodian', 'representedCustodianOrganization', 'name')))
  const media = new Map<string, string>()
  for (const one of root.getElementsByTagNameNS('*', 'observationMedia')) {
    const value = childrenOf(one, 'value')[0]
    const type = value?.getAttribute('mediaType') ?? ''
    const data = value?.textContent?.replace(/\s+/g, '') ?? ''
    const id = one.getAttribute('ID')
    if (id && PICTURES.has(type) && /^[A-Za-z0-9+/]+=*$/.test(data)) media.set(id, `data:${type};base64,${data}`)
  }
  const other = first('component', 'nonXMLBody', 'text')
  return {
    title: squeezed(first('title')) || (first('code')?.getAttribute('displayName') ?? 'Clinical document'),
    facts,
    sections: all('component', 'structuredBody', 'component', 'section'),
    media,
    body: other
      ? {
          mediaType: other.getAttribute('mediaType') ?? 'text/plain',
          base64: other.getAttribute('representation') === 'B64' ? (other.textContent?.replace(/\s+/g, '') ?? '') : null,
          words: other.textContent?.trim() ?? '',
        }
      : null,
  }
}
