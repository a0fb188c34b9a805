import type { Stack } from '../stacks'
import type { ViewerStudy } from '../study'
import { find, finds } from './arrange'
import { factsOf, isComparable, region, wordsOf, type SeriesFacts, type StudyFacts } from './facts'
import type { Box, Definition, Selector, Stage } from './types'

type Side = NonNullable<Selector['image_laterality']>

function side(said: string | null): Side | null {
  return said === 'L' || said === 'R' || said === 'B' ? said : null
}

/**
 * The shortest rule that finds exactly this series among those of its study: by geometry, side and view first, for they are
 * the same on every scanner, then by words, contrast, sequence, kernel and thickness as far as they are needed.
 */
export function selectorFor(stack: Stack, among: readonly Stack[]): Selector {
  const facts = factsOf(stack)
  const asked: Selector = { is_localizer: facts.isLocalizer, occurrence: 1 }
  if (facts.modality) asked.modality = facts.modality
  if (facts.plane) asked.plane = facts.plane
  const orientation = facts.orientation?.split('\\')
  if (orientation?.length === 2 && orientation.every((one) => /^[A-Z]{1,3}$/.test(one)) && !facts.viewPosition) asked.patient_orientation = orientation
  const laterality = side(facts.laterality)
  if (laterality) asked.image_laterality = laterality
  if (facts.viewPosition) asked.view_position = facts.viewPosition
  for (const narrow of [byWords, byContrast, bySequence, byKernel, byThickness]) {
    const others = alike(asked, stack, among)
    if (!others.length) return asked
    narrow(asked, facts, stack, others.map(factsOf), others)
  }
  const same = among.filter((one) => finds(asked, factsOf(one)))
  const at = same.findIndex((one) => one.key === stack.key)
  if (at > 0) asked.occurrence = at + 1
  return asked
}

function alike(asked: Selector, stack: Stack, among: readonly Stack[]): Stack[] {
  return among.filter((one) => one.key !== stack.key && finds(asked, factsOf(one)))
}

type Narrow = (asked: Selector, facts: SeriesFacts, stack: Stack, others: readonly SeriesFacts[], stacks: readonly Stack[]) => void

/** The words of the description that set a series apart, each of which leaves out some of the others. */
const byWords: Narrow = (asked, _, stack, others) => {
  let left = others
  const chosen: string[] = []
  const own = wordsOf(stack.label)
  while (left.length) {
    const best = own
      .filter((word) => !chosen.includes(word))
      .map((word) => ({ word, leaves: left.filter((other) => other.words.has(word)) }))
      .reduce<{ word: string; leaves: SeriesFacts[] } | null>((least, one) => (least === null || one.leaves.length < least.leaves.length ? one : least), null)
    if (!best || best.leaves.length === left.length) break
    chosen.push(best.word)
    left = best.leaves
  }
  // In the order of the description, as people know it.
  const said = own.filter((word, at) => chosen.includes(word) && own.indexOf(word) === at).join(' ')
  if (said && said.length <= 64) asked.series_description = said
}

const byContrast: Narrow = (asked, facts, _, others) => {
  if (others.some((other) => other.contrast !== facts.contrast)) asked.contrast_bolus = facts.contrast
}

const bySequence: Narrow = (asked, facts, _, others) => {
  const own = facts.scanningSequence.filter((one) => /^[A-Z0-9_ ]{1,16}$/.test(one)).slice(0, 8)
  if (own.length && others.some((other) => !own.every((one) => other.scanningSequence.includes(one)))) asked.scanning_sequence = own
}

const byKernel: Narrow = (asked, facts, _, others) => {
  if (facts.kernel?.trim() && facts.kernel.length <= 64 && others.some((other) => other.kernel !== facts.kernel)) asked.convolution_kernel = facts.kernel
}

/** Half-way to the next thinner or thicker series, so that another scanner's thin slices are thin, too. */
const byThickness: Narrow = (asked, facts, _, others) => {
  const own = facts.thickness
  if (own === null) return
  const all = others.map((other) => other.thickness).filter((one): one is number => one !== null)
  const [below, above] = [Math.max(...all.filter((one) => one < own)), Math.min(...all.filter((one) => one > own))]
  const between = (other: number) => Number(((own + other) / 2).toFixed(3))
  if (Number.isFinite(below)) asked.slice_thickness_min = between(below)
  if (Number.isFinite(above)) asked.slice_thickness_max = between(above)
}

/** What a protocol that is made of this study asks of others: what it was of, and of which part of the body. */
export function definitionFor(study: ViewerStudy, facts: StudyFacts, stages: readonly Stage[]): Definition {
  const shown = stages.flatMap((stage) => stage.image_boxes).find((box) => box && !box.abstract_prior_value)
  const modality = shown?.selector.modality ?? study.modalities_in_study[0] ?? null
  const part = region(study.body_part_examined) ?? [...facts.bodyParts][0] ?? null
  const asked: Definition = { number_of_priors_referenced: 0 }
  if (modality) asked.modality = modality
  if (part && /^[A-Z0-9_ ]{1,16}$/.test(part)) asked.body_part_examined = part
  const priors = Math.max(0, ...stages.flatMap((stage) => stage.image_boxes.map((box) => box?.abstract_prior_value ?? 0)))
  if (priors) asked.number_of_priors_referenced = priors
  return asked
}

/** How a picture is seen: all of a box's rule but what it shows. */
export type SeenAs = Omit<Box, 'selector' | 'abstract_prior_value'>

export interface OnPane {
  study: ViewerStudy
  stack: Stack
  /** All series of its study. */
  among: readonly Stack[]
  seen: SeenAs
}

/** The rule of a box that shows this now; null where its prior cannot be told from others by being comparable. */
export function boxFor(pane: OnPane, study: ViewerStudy, priors: readonly ViewerStudy[]): Box | null {
  const at = pane.study.study_pk === study.study_pk ? 0 : priors.filter((prior) => isComparable(study, prior)).findIndex((prior) => prior.study_pk === pane.study.study_pk) + 1
  if (pane.study.study_pk !== study.study_pk && (at === 0 || at > 4)) return null
  const selector = selectorFor(pane.stack, pane.among)
  // A rule that would not find its own series is none.
  if (find(selector, pane.among)?.key !== pane.stack.key) return null
  return { ...pane.seen, selector, ...(at ? { abstract_prior_value: at } : {}) }
}
