import { FOUR, ONE, SIDE_BY_SIDE, type Layout } from '../layout'
import { isLocaliser, mostAlike, type Stack } from '../stacks'

const MAMMOGRAPHY = [
  ['R', 'CC'],
  ['L', 'CC'],
  ['R', 'MLO'],
  ['L', 'MLO'],
] as const

export interface Hanging {
  layout: Layout
  /** By pane, from the top left; null leaves a pane empty. */
  stacks: readonly (Stack | null)[]
}

/** What is read first: the first series that scrolls and is no localiser, nor the grid of a dose, else the first that is none. */
export function firstStack(stacks: readonly Stack[]): Stack | null {
  const readable = stacks.filter((stack) => !isLocaliser(stack) && stack.modality !== 'RTDOSE')
  return readable.find((stack) => stack.length > 1) ?? readable[0] ?? stacks[0] ?? null
}

/** How a study hangs when it is opened; `prior` are the stacks to compare with, where there is room for them. */
export function hang(stacks: readonly Stack[], prior: readonly Stack[] | null): Hanging {
  const breasts = MAMMOGRAPHY.map(
    ([side, view]) =>
      stacks.find((stack) => stack.modality === 'MG' && stack.frames[0]?.laterality === side && stack.frames[0].viewPosition === view) ??
      null,
  )
  if (breasts.filter((stack) => stack !== null).length >= 3) return { layout: FOUR, stacks: breasts }
  const first = firstStack(stacks)
  const like = first && prior?.length ? mostAlike(first, prior) : null
  if (like) return { layout: SIDE_BY_SIDE, stacks: [first, like] }
  const plain = stacks.filter((stack) => stack.length === 1 && (stack.modality === 'CR' || stack.modality === 'DX'))
  if (plain.length === 2 && stacks.length === 2) return { layout: SIDE_BY_SIDE, stacks: plain }
  return { layout: ONE, stacks: [first] }
}
