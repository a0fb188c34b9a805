import { text, texts, values, type DicomJson } from '../dicom'
import type { Vec3 } from '../geometry'
import { itemsOf } from '../keep/structured'
import { isLocaliser, type Stack } from '../stacks'
import type { ViewerStudy } from '../study'
import type { Selector } from './types'

export type PlaneName = NonNullable<Selector['plane']>

/** What a rule can ask of a series, as its first picture says it. */
export interface SeriesFacts {
  modality: string | null
  words: ReadonlySet<string>
  plane: PlaneName | null
  /** Patient Orientation of a projection, `L\F`; null where geometry says more. */
  orientation: string | null
  laterality: string | null
  viewPosition: string | null
  scanningSequence: readonly string[]
  contrast: boolean
  kernel: string | null
  thickness: number | null
  isLocalizer: boolean
}

/** What a protocol can ask of a study. */
export interface StudyFacts {
  modalities: ReadonlySet<string>
  bodyParts: ReadonlySet<string>
  procedureCodes: ReadonlySet<string>
  words: ReadonlySet<string>
  lateralities: ReadonlySet<string>
  viewPositions: ReadonlySet<string>
  /** How many comparable priors there are. */
  priors: number
  siteCode: string | null
}

/** The words of a description, without capitals and signs. */
export function wordsOf(said: string | null | undefined): string[] {
  return (said ?? '').toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean)
}

/** Nearer than 30° to an axis of the patient, a plane has that axis' name (PS3.3 C.23.3, Initial View Direction). */
const NEAR = Math.cos(Math.PI / 6)

export function planeName(normal: Vec3 | null): PlaneName | null {
  if (!normal) return null
  const [x, y, z] = normal.map(Math.abs) as [number, number, number]
  if (z > NEAR) return 'TRANSVERSE'
  if (x > NEAR) return 'SAGITTAL'
  return y > NEAR ? 'CORONAL' : 'OBLIQUE'
}

const known = new WeakMap<Stack, SeriesFacts>()

export function factsOf(stack: Stack): SeriesFacts {
  const before = known.get(stack)
  if (before) return before
  const first = stack.frames[0]
  const metadata = first?.metadata
  const facts: SeriesFacts = {
    modality: stack.modality,
    words: new Set(wordsOf(stack.label)),
    plane: planeName(stack.normal),
    orientation: stack.normal ? null : texts(metadata, '00200020').join('\\') || null,
    laterality: first?.laterality?.toUpperCase() ?? null,
    viewPosition: first?.viewPosition?.toUpperCase() ?? null,
    scanningSequence: texts(metadata, '00180020').map((word) => word.toUpperCase()),
    contrast: hasContrast(metadata),
    kernel: text(metadata, '00181210'),
    thickness: first?.sliceThickness ?? null,
    isLocalizer: isLocaliser(stack),
  }
  known.set(stack, facts)
  return facts
}

/** Contrast/Bolus Agent, or its sequence; scanners also write there that none was given. */
function hasContrast(metadata: DicomJson | undefined): boolean {
  const agent = text(metadata, '00180010')
  if (agent) return !/^(no|none|without|ohne|sans|keine?)\b/i.test(agent)
  return values(metadata, '00180012').length > 0
}

const SAME_PART: Record<string, string> = { BRAIN: 'HEAD', SKULL: 'HEAD', THORAX: 'CHEST', LUNG: 'CHEST', PELVIS: 'ABDOMEN' }

/** Body parts that are read together, under one name, as the server orders priors by them. */
export function region(part: string | null | undefined): string | null {
  const said = part?.trim().toUpperCase()
  return said ? (SAME_PART[said] ?? said) : null
}

/** Radiographs are compared whatever took them. */
function kin(modality: string): string {
  return modality === 'CR' ? 'DX' : modality
}

/** Whether a prior can be laid beside a study: a modality in common, and no other part of the body that is known of both. */
export function isComparable(study: ViewerStudy, prior: ViewerStudy): boolean {
  const own = new Set(study.modalities_in_study.map(kin))
  if (!prior.modalities_in_study.some((one) => own.has(kin(one)))) return false
  const [part, other] = [region(study.body_part_examined), region(prior.body_part_examined)]
  return part === null || other === null || part === other
}

export function studyFacts(study: ViewerStudy, stacks: readonly Stack[], priors: readonly ViewerStudy[]): StudyFacts {
  const series = stacks.map(factsOf)
  const metadata = stacks.map((stack) => stack.frames[0]?.metadata)
  const set = (all: readonly (string | null | undefined)[]) => new Set(all.filter((one): one is string => Boolean(one)))
  const requested = metadata.flatMap((one) => itemsOf(one, '00400275'))
  const codes = [...metadata.flatMap((one) => itemsOf(one, '00081032')), ...requested.flatMap((one) => itemsOf(one, '00321064'))]
  return {
    modalities: set([...study.modalities_in_study, ...series.map((one) => one.modality)]),
    bodyParts: set([study.body_part_examined, ...stacks.map((stack) => stack.bodyPart)].map(region)),
    procedureCodes: set(codes.map((code) => text(code, '00080100')?.toUpperCase())),
    words: new Set([study.study_description, ...metadata.map((one) => text(one, '00081030')), ...requested.map((one) => text(one, '00321060'))].flatMap(wordsOf)),
    lateralities: set(series.map((one) => one.laterality)),
    viewPositions: set(series.map((one) => one.viewPosition)),
    priors: priors.filter((one) => isComparable(study, one)).length,
    siteCode: study.site_code ?? null,
  }
}
