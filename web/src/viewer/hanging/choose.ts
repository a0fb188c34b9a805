import { region, wordsOf, type StudyFacts } from './facts'
import type { Definition, Protocol } from './types'

/** Whether all that a protocol asks of a study is so. */
export function fits(asked: Definition, facts: StudyFacts): boolean {
  const part = region(asked.body_part_examined)
  return (
    (!asked.modality || facts.modalities.has(asked.modality)) &&
    (!part || facts.bodyParts.has(part)) &&
    (!asked.procedure_code || facts.procedureCodes.has(asked.procedure_code.toUpperCase())) &&
    wordsOf(asked.procedure).every((word) => facts.words.has(word)) &&
    (!asked.laterality || facts.lateralities.has(asked.laterality)) &&
    (!asked.view_position || facts.viewPositions.has(asked.view_position)) &&
    facts.priors >= asked.number_of_priors_referenced
  )
}

/**
 * How much a protocol asks: each kind of condition outweighs all the ones after it together, for it tells more of what the
 * study is about.
 */
export function specificity(asked: Definition): number {
  return (
    (asked.procedure_code ? 256 : 0) +
    (asked.procedure ? 128 : 0) +
    (asked.body_part_examined ? 64 : 0) +
    (asked.laterality ? 32 : 0) +
    (asked.view_position ? 16 : 0) +
    (asked.modality ? 8 : 0) +
    Math.min(7, asked.number_of_priors_referenced)
  )
}

/** Whose it is: a person's own before the site's, these before everybody's. */
export function owner(protocol: Pick<Protocol, 'hanging_protocol_level' | 'site_pk'>): 0 | 1 | 2 {
  if (protocol.hanging_protocol_level === 'SINGLE_USER') return 0
  return protocol.site_pk === null ? 2 : 1
}

/** The protocols that fit, the one that wins first; the order is total, so that the same study always hangs the same way. */
export function ranked(protocols: readonly Protocol[], facts: StudyFacts): Protocol[] {
  return protocols
    .filter((one) => fits(one.hanging_protocol_definition, facts) && isOfSite(one, facts))
    .sort(
      (a, b) =>
        owner(a) - owner(b) ||
        specificity(b.hanging_protocol_definition) - specificity(a.hanging_protocol_definition) ||
        a.position - b.position ||
        b.updated_at.localeCompare(a.updated_at) ||
        b.hanging_protocol_pk - a.hanging_protocol_pk,
    )
}

/** A site's protocols are for its studies; where nothing says of which site a study is, for all that the reader sees. */
function isOfSite(protocol: Protocol, facts: StudyFacts): boolean {
  return owner(protocol) !== 1 || facts.siteCode === null || protocol.site_code === facts.siteCode
}
