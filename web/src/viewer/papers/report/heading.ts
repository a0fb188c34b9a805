import { formatPersonName } from '@/lib/personname'
import { formatDicomDate, formatDicomTime } from '@/lib/time'
import { item, text, values, type DicomJson } from '../../dicom'
import { itemsOf } from '../../keep/structured'

/** What stands over a report: who wrote it, when, and what it is worth. */
export interface Heading {
  title: string
  /** Whether it is all that it will be, and whether somebody answers for it. */
  standing: { words: string; isFinal: boolean }[]
  facts: { name: string; value: string }[]
}

function nameOf(instance: DicomJson | undefined, tag: string): string {
  const name = values(instance, tag)[0]
  const written = name !== null && typeof name === 'object' ? (name as Record<string, unknown>) : { Alphabetic: name }
  const said = ['Alphabetic', 'Ideographic', 'Phonetic'].map((group) => written[group]).map((one) => (typeof one === 'string' ? one : '')).join('=')
  return said.replaceAll('=', '') ? formatPersonName(said) : ''
}

function momentOf(value: string | null): string {
  return value ? [formatDicomDate(value), value.length >= 12 ? formatDicomTime(value.slice(8)) : ''].filter(Boolean).join(' ') : ''
}

const COMPLETION: Record<string, string> = { COMPLETE: 'Complete', PARTIAL: 'Partial: not all of it is here yet' }
const VERIFICATION: Record<string, string> = { VERIFIED: 'Verified', UNVERIFIED: 'Not verified' }
const PRELIMINARY: Record<string, string> = { FINAL: 'Final', PRELIMINARY: 'Preliminary' }

export function headingOf(report: DicomJson): Heading {
  const flag = (tag: string, known: Record<string, string>, good: string): Heading['standing'] => {
    const said = text(report, tag)
    return said ? [{ words: known[said] ?? said, isFinal: said === good }] : []
  }
  const described = text(report, '0040A492')
  const verified = itemsOf(report, '0040A073').map((one) =>
    [nameOf(one, '0040A075') || (text(item(one, '0040A088'), '00080104') ?? ''), text(one, '0040A027'), momentOf(text(one, '0040A030'))].filter(Boolean).join(', '),
  )
  const authors = itemsOf(report, '0040A078').map((one) => [nameOf(one, '0040A123') || (text(one, '00081010') ?? ''), text(one, '0040A027') ?? text(one, '00080080')].filter(Boolean).join(', '))
  const device = [text(report, '00080070'), text(report, '00081090')].filter(Boolean).join(' ')
  const fact = (name: string, value: string | null) => (value ? [{ name, value }] : [])
  return {
    title: text(item(report, '0040A043'), '00080104') ?? text(report, '0008103E') ?? 'Report',
    standing: [...flag('0040A496', PRELIMINARY, 'FINAL'), ...flag('0040A491', COMPLETION, 'COMPLETE'), ...flag('0040A493', VERIFICATION, 'VERIFIED')],
    facts: [
      ...fact('Written', [formatDicomDate(text(report, '00080023')), formatDicomTime(text(report, '00080033'))].filter(Boolean).join(' ')),
      ...fact('Author', authors.filter(Boolean).join('; ')),
      ...fact('Verified by', verified.filter(Boolean).join('; ')),
      ...fact('Institution', text(report, '00080080')),
      ...fact('Made by', device),
      ...fact('Completion', described),
    ],
  }
}
