import { item, number, numbers, text, values, type DicomJson } from '../dicom'
import type { Point, Shape } from './shapes'

/** Something measured, as a report of any maker says it. */
export interface Kept {
  trackingUid: string | null
  sopInstanceUid: string
  /** From 1. */
  frameNumber: number
  shapes: Shape[]
  /** By our words for them. */
  concepts: ReadonlySet<string>
  comment: string | null
}

/** An object that someone left on the study. */
export interface KeptDocument {
  kind: 'measurements' | 'presentation' | 'key-images'
  sopInstanceUid: string
  author: string | null
  /** `20261125` and `101530`, as DICOM writes them. */
  date: string | null
  time: string | null
  label: string | null
  instance: DicomJson
}

const CONCEPTS: Record<string, string> = {
  '410668003': 'length',
  'G-D7FE': 'length',
  '103339001': 'long',
  'G-A185': 'long',
  '103340004': 'short',
  'G-A186': 'short',
  '1483009': 'angle',
  '42798000': 'area',
  'G-A166': 'area',
  '373098007': 'mean',
  'R-00317': 'mean',
  cardiothoracic: 'ratio',
}
const SR = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\.(22|33|34)$/
const KOS = '1.2.840.10008.5.1.4.1.1.88.59'
const GSPS = '1.2.840.10008.5.1.4.1.1.11.1'

const CODE = '00080100'
const CONTENT = '0040A730'
const NAME = '0040A043'

function content(node: DicomJson): DicomJson[] {
  return values(node, CONTENT).filter((one): one is DicomJson => one !== null && typeof one === 'object')
}

const kindOf = (node: DicomJson) => text(node, '0040A040')
const codeOf = (node: DicomJson) => text(item(node, NAME), CODE)

function personName(node: DicomJson | undefined, tag: string): string | null {
  const name = values(node, tag)[0]
  const said = name !== null && typeof name === 'object' ? (name as Record<string, unknown>)['Alphabetic'] : name
  return typeof said === 'string' ? said : null
}

/** What an instance is to a reader of the study; null: a picture, or of a kind that is not read. */
export function documentOf(instance: DicomJson): KeptDocument | null {
  const sopClass = text(instance, '00080016') ?? ''
  const kind = SR.test(sopClass) ? 'measurements' : sopClass === KOS ? 'key-images' : sopClass === GSPS ? 'presentation' : null
  const sopInstanceUid = text(instance, '00080018')
  if (!kind || !sopInstanceUid || (kind === 'measurements' && measured(instance).length === 0)) return null
  const observer = content(instance).find((node) => codeOf(node) === '121008')
  return {
    kind,
    sopInstanceUid,
    author: personName(item(instance, '0040A078'), '0040A123') ?? personName(observer, '0040A123') ?? personName(instance, '00700084'),
    date: text(instance, kind === 'presentation' ? '00700082' : '00080023'),
    time: text(instance, kind === 'presentation' ? '00700083' : '00080033'),
    label: kind === 'presentation' ? text(instance, '00700080') : null,
    instance,
  }
}

interface Found {
  image: { sopInstanceUid: string; frameNumber: number } | null
  shapes: Shape[]
  concepts: Set<string>
  comment: string | null
  trackingUid: string | null
}

/** The measurement groups of a structured report (PS3.16 TID 1501, 1410), wherever they stand. */
export function measured(report: DicomJson): Kept[] {
  const out: Kept[] = []
  const look = (node: DicomJson, depth: number): void => {
    if (depth > 32) return
    if (kindOf(node) === 'CONTAINER' && codeOf(node) === '125007') {
      const found: Found = { image: null, shapes: [], concepts: new Set(), comment: null, trackingUid: null }
      for (const child of content(node)) gather(child, found, 0)
      const { image, shapes, concepts, comment, trackingUid } = found
      if (image && shapes.length) out.push({ ...image, shapes, concepts, comment, trackingUid })
      return
    }
    for (const child of content(node)) look(child, depth + 1)
  }
  look(report, 0)
  return out
}

function gather(node: DicomJson, found: Found, depth: number): void {
  if (depth > 8) return
  const kind = kindOf(node)
  if (kind === 'UIDREF' && codeOf(node) === '112040') found.trackingUid = text(node, '0040A124')
  if (kind === 'NUM') found.concepts.add(CONCEPTS[codeOf(node) ?? ''] ?? 'value')
  if (kind === 'TEXT' && codeOf(node) !== '112039') found.comment = text(node, '0040A160')
  if (kind === 'SCOORD') {
    const shape = shapeOf(node)
    if (shape && !found.shapes.some((one) => JSON.stringify(one) === JSON.stringify(shape))) found.shapes.push(shape)
    const [image] = content(node)
    found.image ??= image ? pictureOf(image) : null
  }
  for (const child of content(node)) gather(child, found, depth + 1)
}

function pictureOf(node: DicomJson): Found['image'] {
  const reference = item(node, '00081199')
  const sopInstanceUid = text(reference, '00081155')
  return sopInstanceUid ? { sopInstanceUid, frameNumber: number(reference, '00081160') ?? 1 } : null
}

function shapeOf(node: DicomJson): Shape | null {
  const type = text(node, '00700023')
  const points = pairs(numbers(node, '00700022'))
  if (type !== 'POINT' && type !== 'POLYLINE' && type !== 'ELLIPSE') return null
  return points.length ? { graphic_type: type, points } : null
}

export function pairs(given: readonly number[]): Point[] {
  const points: Point[] = []
  for (let at = 0; at + 1 < given.length; at += 2) points.push([given[at] ?? 0, given[at + 1] ?? 0])
  return points
}

/** The pictures that a Key Object Selection names. */
export function keyPictures(selection: DicomJson): { sopInstanceUid: string; frameNumber: number }[] {
  return content(selection)
    .filter((node) => kindOf(node) === 'IMAGE')
    .map(pictureOf)
    .filter((one) => one !== null)
}
