import type { Stack } from '../stacks'
import type { ViewerStudy } from '../study'
import { patientOf } from '../view'
import { factsOf, isComparable, wordsOf, type SeriesFacts } from './facts'
import type { Box, Selector, Stage } from './types'
import { priorWords, selectorWords } from './words'

/** Whether all that a rule asks of a series is so. */
export function finds(asked: Selector, facts: SeriesFacts): boolean {
  const { slice_thickness_min: least, slice_thickness_max: most } = asked
  return (
    facts.isLocalizer === asked.is_localizer &&
    (!asked.modality || facts.modality === asked.modality) &&
    wordsOf(asked.series_description).every((word) => facts.words.has(word)) &&
    (!asked.plane || facts.plane === asked.plane) &&
    (!asked.patient_orientation || facts.orientation === asked.patient_orientation.join('\\')) &&
    (!asked.image_laterality || facts.laterality === asked.image_laterality) &&
    (!asked.view_position || facts.viewPosition === asked.view_position) &&
    (asked.scanning_sequence ?? []).every((one) => facts.scanningSequence.includes(one)) &&
    (asked.contrast_bolus == null || facts.contrast === asked.contrast_bolus) &&
    (!asked.convolution_kernel || facts.kernel?.toLowerCase() === asked.convolution_kernel.toLowerCase()) &&
    (least == null || (facts.thickness !== null && facts.thickness >= least)) &&
    (most == null || (facts.thickness !== null && facts.thickness <= most))
  )
}

/** The series that a rule finds among those of one study, which are in reading order; null: none is so. */
export function find(asked: Selector, stacks: readonly Stack[]): Stack | null {
  return stacks.filter((stack) => finds(asked, factsOf(stack)))[asked.occurrence - 1] ?? null
}

/** A study with what has come of it. */
export interface Opened {
  study: ViewerStudy
  stacks: readonly Stack[]
  loading: boolean
}

/** What a rule came to: a series, or why there is none, in words for its box. */
export type Placed = { study: ViewerStudy; stack: Stack } | { missing: string; waits: boolean }

/** What hangs in each box of a stage; null: the stage leaves the box empty. */
export function arrange(stage: Stage, current: Opened, priors: readonly ViewerStudy[], openedOf: (prior: ViewerStudy) => Opened | null): (Placed | null)[] {
  const comparable = priors.filter((prior) => isComparable(current.study, prior))
  return stage.image_boxes.map((box) => (box ? place(box, current, comparable, openedOf) : null))
}

function place(box: Box, current: Opened, comparable: readonly ViewerStudy[], openedOf: (prior: ViewerStudy) => Opened | null): Placed {
  const number = box.abstract_prior_value
  if (!number) {
    const stack = find(box.selector, current.stacks)
    if (stack) return { study: current.study, stack }
    return current.loading ? { missing: 'Opening the study', waits: true } : { missing: `No series here is ${selectorWords(box.selector)}`, waits: false }
  }
  const prior = comparable[number - 1]
  if (!prior) {
    const count = comparable.length
    return { missing: count ? `Only ${count} comparable prior${count === 1 ? '' : 's'}, and this is for prior ${number}` : 'No comparable prior', waits: false }
  }
  const opened = openedOf(prior)
  const stack = opened ? find(box.selector, opened.stacks) : null
  const who = priorWords(prior, current.study)
  if (!opened || !stack) {
    if (!opened || opened.loading) return { missing: `Opening ${who}`, waits: true }
    return { missing: `${who}: no series is ${selectorWords(box.selector)}`, waits: false }
  }
  // What the archive calls one patient may still say two: a person looks before it hangs beside.
  const own = current.stacks[0] ? patientOf(current.stacks[0]).id : null
  const other = patientOf(stack).id
  if (own !== null && other !== null && own !== other) return { missing: `${who}: its images name another patient ID, so it does not hang by itself`, waits: false }
  return { study: prior, stack }
}
