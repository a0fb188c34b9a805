import type { Sent } from '@/lib/api'
import { item, number, numbers, text, values, type DicomJson } from '../dicom'
import { vec3, type Vec3 } from '../geometry'
import { SLABS, type Slab } from '../volume/slab'
import type { Point, Shape } from './shapes'

/** Something measured, as a report of any maker says it. */
export interface Kept {
  trackingUid: string | null
  sopInstanceUid: string
  /** From 1. */
  frameNumber: number
  shapes: Shape[]
  /** Where it lies in the patient, where it was drawn on a plane of no picture; `shapes` are none then. */
  space: Space | null
  /** What was measured, by our words for it. */
  values: readonly KeptValue[]
  comment: string | null
  /** What kind of drawing it is, in words. */
  trackingIdentifier: string | null
  /** Who measured it, where the report says so of this one. */
  author: string | null
}

/** Shapes in a frame of reference, mm (PS3.3 C.18.9), on the plane that was looked at. */
export interface Space {
  frameOfReferenceUid: string
  shapes: { graphic_type: 'POINT' | 'POLYLINE' | 'POLYGON' | 'ELLIPSE'; points: Vec3[] }[]
  normal: Vec3 | null
  up: Vec3 | null
  /** Of which slab its values are; null: of the thin plane. */
  slab: Slab | null
}

export type KeptValue = NonNullable<NonNullable<Sent<'/api/archive/studies/{study_pk}/findings', 'post'>['measurements']>[number]['values']>[number]

/** An object that someone left on the study. */
export interface KeptDocument {
  /** `measurements` are those kept here, which are drawn again; a `report` of another program is shown as it stands. */
  kind: 'measurements' | 'report' | 'presentation' | 'key-images'
  /** Whether it was made here. */
  ours: boolean
  /** The reports that it takes the place of (Predecessor Documents Sequence). */
  supersedes: readonly string[]
  sopInstanceUid: string
  author: string | null
  /** `20261125` and `101530`, as DICOM writes them. */
  date: string | null
  time: string | null
  label: string | null
  instance: DicomJson
}

const CONCEPTS: Record<string, KeptValue['concept']> = {
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
  '386136009': 'deviation',
  '255605001': 'minimum',
  '56851009': 'maximum',
  '111031': 'value',
  cardiothoracic: 'ratio',
}
/** UCUM, by the units on the screen. */
const UNITS: Record<string, KeptValue['unit']> = { mm: 'mm', cm: 'cm', mm2: 'mm²', cm2: 'cm²', '{pixels}': 'px', deg: '°', "[hnsf'U]": 'HU', 'g/ml{SUVbw}': 'SUV', 'Bq/ml': 'BQML' }
const SR = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.88\.\d+$/
const KOS = '1.2.840.10008.5.1.4.1.1.88.59'
/** Greyscale, colour, pseudo-colour, blending and the rest (PS3.4 B.5). */
const PRESENTATION = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.11\.\d+$/

/** Of ours: the plane on which something was drawn; and of DICOM (PS3.16 CID 7551): the picture that it was measured on. */
export const VIEW_PLANE = 'view_plane'
const SOURCE_OF_MEASUREMENT = '121112'

const CODE = '00080100'
const CONTENT = '0040A730'
const NAME = '0040A043'

export function content(node: DicomJson): DicomJson[] {
  return values(node, CONTENT).filter((one): one is DicomJson => one !== null && typeof one === 'object')
}

export const kindOf = (node: DicomJson) => text(node, '0040A040')
export const codeOf = (node: DicomJson) => text(item(node, NAME), CODE)

function personName(node: DicomJson | undefined, tag: string): string | null {
  const name = values(node, tag)[0]
  const said = name !== null && typeof name === 'object' ? (name as Record<string, unknown>)['Alphabetic'] : name
  return typeof said === 'string' ? said : null
}

/** What an instance is to a reader of the study; null: a picture, or of a kind that is not read. */
export function documentOf(instance: DicomJson): KeptDocument | null {
  const sopClass = text(instance, '00080016') ?? ''
  const ours = values(instance, '00080070')[0] === 'Wetread'
  const kind = sopClass === KOS ? 'key-images' : SR.test(sopClass) ? (ours ? 'measurements' : 'report') : PRESENTATION.test(sopClass) ? 'presentation' : null
  const sopInstanceUid = text(instance, '00080018')
  if (!kind || !sopInstanceUid) return null
  const observer = content(instance).find((node) => codeOf(node) === '121008')
  const isPresentation = kind === 'presentation'
  return {
    kind,
    ours,
    supersedes: itemsOf(instance, '0040A360').flatMap((study) => itemsOf(study, '00081115').flatMap((series) => itemsOf(series, '00081199').map((one) => text(one, '00081155') ?? ''))),
    sopInstanceUid,
    author: personName(item(instance, '0040A078'), '0040A123') ?? personName(observer, '0040A123') ?? personName(instance, '00700084'),
    date: text(instance, isPresentation ? '00700082' : '00080023'),
    time: text(instance, isPresentation ? '00700083' : '00080033'),
    label: isPresentation ? text(instance, '00700080') : kind === 'report' ? (text(item(instance, NAME), '00080104') ?? text(instance, '0008103E')) : null,
    instance,
  }
}

/**
 * What stands of them: a report that another names as its predecessor is no longer what its readers said (PS3.3 C.17.2).
 * Two who kept at once leave two, and both stand.
 */
export function standing(documents: readonly KeptDocument[]): KeptDocument[] {
  const gone = new Set(documents.flatMap((one) => one.supersedes.filter((uid) => uid !== one.sopInstanceUid)))
  return documents.filter((one) => !gone.has(one.sopInstanceUid))
}

export function itemsOf(of: DicomJson | undefined, tag: string): DicomJson[] {
  return values(of, tag).filter((one): one is DicomJson => one !== null && typeof one === 'object')
}

interface Found {
  image: { sopInstanceUid: string; frameNumber: number } | null
  shapes: Shape[]
  space: Space | null
  values: KeptValue[]
  comment: string | null
  trackingUid: string | null
  trackingIdentifier: string | null
  author: string | null
}

/** The measurement groups of a report that was kept here (PS3.16 TID 1501, 1410), wherever they stand. */
export function measured(report: DicomJson): Kept[] {
  const out: Kept[] = []
  const look = (node: DicomJson, depth: number): void => {
    if (depth > 32) return
    if (kindOf(node) === 'CONTAINER' && codeOf(node) === '125007') {
      const found: Found = { image: null, shapes: [], space: null, values: [], comment: null, trackingUid: null, trackingIdentifier: null, author: null }
      for (const child of content(node)) gather(child, found, 0)
      const { image, ...rest } = found
      if (image && (rest.shapes.length || rest.space?.shapes.length)) out.push({ ...image, ...rest })
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
  if (kind === 'PNAME' && codeOf(node) === '121008') found.author = personName(node, '0040A123')
  if (kind === 'TEXT' && codeOf(node) === '112039') found.trackingIdentifier = text(node, '0040A160')
  else if (kind === 'TEXT' && codeOf(node) === VIEW_PLANE) lookedAt(found, text(node, '0040A160') ?? '')
  else if (kind === 'TEXT') found.comment = text(node, '0040A160')
  if (kind === 'SCOORD') {
    const shape = shapeOf(node)
    if (shape && shapeAt(found.shapes, shape) < 0) found.shapes.push(shape)
    const [image] = content(node)
    found.image ??= image ? pictureOf(image) : null
  }
  if (kind === 'SCOORD3D') {
    const shape = spatialOf(node)
    const uid = text(node, '30060024')
    if (shape && uid) {
      found.space ??= { frameOfReferenceUid: uid, shapes: [], normal: null, up: null, slab: null }
      if (shapeAt(found.space.shapes, shape) < 0) found.space.shapes.push(shape)
    }
  }
  if (kind === 'IMAGE' && codeOf(node) === SOURCE_OF_MEASUREMENT) found.image ??= pictureOf(node)
  for (const child of content(node)) gather(child, found, depth + 1)
  // After its shapes, so that it can be told of which it is.
  const value = kind === 'NUM' ? valueOf(node, found.space?.shapes ?? found.shapes) : null
  if (value) found.values.push(value)
}

/** The plane that was looked at, as `documents.py` writes it: `normal x y z; up x y z`, and `; slab mip 10` of a slab. */
function lookedAt(found: Found, words: string): void {
  const [normal, up] = ['normal', 'up'].map((name) => vec3(new RegExp(`${name}((?: -?[\\d.e-]+){3})`).exec(words)?.[1]?.trim().split(' ').map(Number)))
  const [, said, thickness] = /slab (mip|minip|average) ([\d.]+)/.exec(words) ?? []
  const mode = SLABS.find((one) => one === said)
  if (found.space) Object.assign(found.space, { normal: normal ?? null, up: up ?? null, slab: mode && Number(thickness) > 0 ? { mode, thickness: Number(thickness) } : null })
}

function shapeAt<S>(shapes: readonly S[], shape: S): number {
  return shapes.findIndex((one) => JSON.stringify(one) === JSON.stringify(shape))
}

function valueOf(node: DicomJson, shapes: readonly unknown[]): KeptValue | null {
  const concept = CONCEPTS[codeOf(node) ?? '']
  const said = item(node, '0040A300')
  const value = number(said, '0040A30A')
  if (!concept || value === null) return null
  const of: unknown[] = content(node).map((child) => (kindOf(child) === 'SCOORD3D' ? spatialOf(child) : shapeOf(child))).filter((one) => one !== null)
  const [only] = of
  return { concept, value, unit: UNITS[text(item(said, '004008EA'), CODE) ?? ''] ?? '', shape: of.length > 1 ? -1 : only ? Math.max(0, shapeAt(shapes, only)) : 0 }
}

export function pictureOf(node: DicomJson): Found['image'] {
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

function spatialOf(node: DicomJson): Space['shapes'][number] | null {
  const type = text(node, '00700023')
  const given = numbers(node, '00700022')
  const points = Array.from({ length: Math.floor(given.length / 3) }, (_, at) => vec3(given.slice(3 * at, 3 * at + 3))).filter((point) => point !== null)
  return (type === 'POINT' || type === 'POLYLINE' || type === 'POLYGON' || (type === 'ELLIPSE' && points.length === 4)) && points.length ? { graphic_type: type, points } : null
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
