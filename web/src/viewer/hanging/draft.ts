import { cells, MOST } from '../layout'
import type { Box, Definition, Protocol, ProtocolIn, Stage } from './types'

/** For whom a draft is to be kept: oneself, a site by its key, everybody. */
export type For = 'me' | 'everybody' | number

/** A protocol while it is being made or changed. */
export interface Draft {
  known: { hanging_protocol_pk: number; version: number } | null
  mayChange: boolean
  name: string
  owner: For
  definition: Definition
  stages: readonly Stage[]
}

export function draftOf(protocol: Protocol): Draft {
  return {
    known: { hanging_protocol_pk: protocol.hanging_protocol_pk, version: protocol.version },
    mayChange: protocol.may_change,
    name: protocol.name,
    owner: protocol.hanging_protocol_level === 'SINGLE_USER' ? 'me' : (protocol.site_pk ?? 'everybody'),
    definition: protocol.hanging_protocol_definition,
    stages: protocol.display_sets,
  }
}

/** The draft as the server takes it; fields that say nothing are left out. */
export function bodyOf(draft: Draft): ProtocolIn {
  return {
    name: draft.name.trim(),
    hanging_protocol_level: draft.owner === 'me' ? 'SINGLE_USER' : 'SITE',
    site_pk: typeof draft.owner === 'number' ? draft.owner : null,
    hanging_protocol_definition: said(draft.definition),
    display_sets: draft.stages.map((stage) => ({ ...stage, image_boxes: stage.image_boxes.map((box) => box && { ...box, selector: said(box.selector) }) })),
  }
}

/** Without what is empty: a field that was cleared asks for nothing. */
function said<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null && value !== undefined && value !== '')) as T
}

/** What keeps a draft from being kept, in words; null: nothing. */
export function faultOf(draft: Draft): string | null {
  if (!draft.name.trim()) return 'It needs a name.'
  if (!draft.stages.length) return 'It needs at least one stage.'
  const empty = draft.stages.findIndex((stage) => stage.image_boxes.every((box) => box === null))
  if (empty >= 0) return `Stage ${empty + 1} shows nothing: give one of its boxes a rule.`
  const asks = said(draft.definition)
  if (Object.keys(asks).every((key) => key === 'number_of_priors_referenced') && !asks.number_of_priors_referenced) return 'Say for which studies it is: one condition at least.'
  return null
}

export function moved<T>(list: readonly T[], from: number, by: 1 | -1): T[] {
  const next = [...list]
  const [one] = next.splice(from, 1)
  if (one !== undefined) next.splice(Math.max(0, Math.min(next.length, from + by)), 0, one)
  return next
}

export function withStage(draft: Draft, at: number, change: (stage: Stage) => Stage): Draft {
  return { ...draft, stages: draft.stages.map((stage, n) => (n === at ? change(stage) : stage)) }
}

export function withBox(stage: Stage, at: number, box: Box | null): Stage {
  const image_boxes = stage.image_boxes.map((one, n) => (n === at ? box : one))
  const through = stage.reformatting
  return { ...stage, image_boxes, reformatting: through && image_boxes[through.image_box_number - 1] ? through : null }
}

/** A stage of another size: each box stays in its row and column, as far as there are such. */
export function resized(stage: Stage, rows: number, columns: number): Stage {
  const layout = { rows: Math.max(1, Math.min(MOST, rows)), columns: Math.max(1, Math.min(MOST, columns)) }
  const image_boxes = Array.from({ length: cells(layout) }, (_, at) => {
    const [row, column] = [Math.floor(at / layout.columns), at % layout.columns]
    return row < stage.rows && column < stage.columns ? (stage.image_boxes[row * stage.columns + column] ?? null) : null
  })
  return { ...stage, ...layout, image_boxes, reformatting: null }
}
