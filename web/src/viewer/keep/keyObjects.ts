import { item, numbers, text, type DicomJson } from '../dicom'
import type { Frame } from '../stacks'
import { codeOf, content, kindOf, pictureOf, type KeptDocument } from './structured'

/** Titles that say what is wrong with pictures (PS3.16 CID 7011 and 7010, IHE IOCM): nobody chose these for being of interest. */
const WRONG: ReadonlySet<string> = new Set(['113001', '113010', '113037', '113038', '113039'])

/** A Key Object Selection as its maker meant it (PS3.16 TID 2010). */
export interface Selection {
  /** `For Referring Provider`; null where it says nothing but that they are of interest. */
  title: string | null
  /** Whether they were chosen for being of interest. */
  isKey: boolean
  description: string | null
  /** Its pictures that are on this study, in its order. */
  frames: readonly Frame[]
  /** How many of what it names are not. */
  missing: number
}

/** What a selection of any maker says, and which of the study's pictures it names; `frames` are those of all series. */
export function selectionOf(selection: DicomJson, frames: readonly Frame[]): Selection {
  const title = codeOf(selection)
  const found: Frame[] = []
  let missing = 0
  for (const node of content(selection)) {
    const kind = kindOf(node)
    if (kind !== 'IMAGE' && kind !== 'COMPOSITE' && kind !== 'WAVEFORM') continue
    const named = pictureOf(node)
    const mine = named ? frames.filter((frame) => frame.sopInstanceUid === named.sopInstanceUid) : []
    // Several frames of one object may be named at once; none named is the whole object, which its first frame stands for.
    const chosen = numbers(item(node, '00081199'), '00081160')
    const here = chosen.length ? mine.filter((frame) => chosen.includes(frame.frameNumber)) : mine.slice(0, 1)
    found.push(...here.filter((frame) => !found.includes(frame)))
    missing += here.length ? 0 : 1
  }
  const described = content(selection).find((node) => kindOf(node) === 'TEXT' && codeOf(node) === '113012')
  return {
    title: title === '113000' ? null : text(item(selection, '0040A043'), '00080104'),
    isKey: !WRONG.has(title ?? ''),
    description: described ? text(described, '0040A160') : null,
    frames: found,
    missing,
  }
}

/** `sopInstanceUid/frame` of what selections of other systems name as key images. */
export function namedElsewhere(documents: readonly KeptDocument[], frames: readonly Frame[]): ReadonlySet<string> {
  const named = documents.filter((one) => one.kind === 'key-images' && !one.ours).map((one) => selectionOf(one.instance, frames))
  return new Set(named.filter((one) => one.isKey).flatMap((one) => one.frames.map((frame) => `${frame.sopInstanceUid}/${frame.frameNumber}`)))
}
