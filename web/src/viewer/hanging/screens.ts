import type { Stack } from '../stacks'
import { factsOf } from './facts'
import type { Hangable, Protocol } from './types'

/** How a study hangs, as one window tells another. */
export interface ScreenState {
  hanging_protocol_pk: number | null
  stage: number
}

/** A viewer that is one of several windows: the first tells how it hangs, and a further one takes its place after it. */
export type Screens = { first: (state: ScreenState) => void; open: () => void } | { after: ScreenState; number: number }

const BOX = { show_grayscale_inverted: false, image_rotation: 0, image_horizontal_flip: false } as const

/** The most telling prior alone, what is like the stack that is read first. */
export function priorAlone(first: Stack | null): Hangable {
  const facts = first ? factsOf(first) : null
  const selector = { is_localizer: false, occurrence: 1, ...(facts?.modality ? { modality: facts.modality } : {}), ...(facts?.plane ? { plane: facts.plane } : {}) }
  return {
    hanging_protocol_pk: null,
    name: 'Prior',
    hanging_protocol_definition: { number_of_priors_referenced: 1 },
    display_sets: [{ rows: 1, columns: 1, image_boxes: [{ ...BOX, abstract_prior_value: 1, selector }], together: { scroll: true, view: false, window: true, lines: true } }],
  }
}

/** The stage of a further window: as many after the first one's as it has windows before it; null: there are not so many. */
export function stageAfter(protocol: Protocol | undefined, { stage }: ScreenState, number: number): number | null {
  const count = protocol?.display_sets.length ?? 0
  return number <= count ? (stage + number - 1) % count : null
}
