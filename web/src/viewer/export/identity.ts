import { formatPersonName } from '@/lib/personname'
import { text, values, type DicomJson } from '../dicom'
import { formatDicomDate } from '@/lib/time'

/** Who and what a picture is of, as it stands in its margin. */
export interface Identity {
  name: string | null
  id: string | null
  birthDate: string | null
  sex: string | null
  studyDate: string | null
  studyDescription: string | null
  /** Whatever would tell who it is, if it were written anywhere. */
  telling: readonly string[]
}

export function identityOf(metadata: DicomJson): Identity {
  const pn = values(metadata, '00100010')[0]
  const given = pn !== null && typeof pn === 'object' ? (pn as Record<string, string>) : {}
  const groups = [given['Alphabetic'], given['Ideographic'], given['Phonetic']].map((group) => group ?? '')
  const name = groups.some(Boolean) ? formatPersonName(groups.join('=')) : null
  const id = text(metadata, '00100020')
  const birth = text(metadata, '00100030')
  const accession = text(metadata, '00080050')
  const parts = groups.flatMap((group) => group.split(/[\^= ,.]+/)).filter((part) => part.length > 1)
  return {
    name,
    id,
    birthDate: birth ? formatDicomDate(birth) : null,
    sex: text(metadata, '00100040'),
    studyDate: formatDicomDate(text(metadata, '00080020')),
    studyDescription: text(metadata, '00081030'),
    telling: [...parts, ...[id, birth, accession].filter((one): one is string => one !== null && one.length > 1)],
  }
}

/** Whether words may stand on a picture that names nobody. */
export function namesNobody(words: string, { telling }: Identity): boolean {
  const said = words.toLocaleLowerCase()
  return !telling.some((part) => said.includes(part.toLocaleLowerCase()))
}

/** The name of a file, without its ending: letters, digits and lines alone; of the patient only where that is wanted. */
export function fileName(identity: Identity | null, what: readonly (string | number | null)[]): string {
  const said = [...(identity ? [identity.name, identity.id, identity.studyDate] : []), ...what]
  return said
    .filter((part) => part !== null && part !== '')
    .map((part) => String(part).normalize('NFC').replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-+|-+$/g, ''))
    .filter(Boolean)
    .join('_')
    .slice(0, 120)
}
