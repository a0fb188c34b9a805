import type { Answer, Sent } from '@/lib/api'
import { formatDay } from '@/lib/time'

export type QuarantinePage = Answer<'/api/archive/quarantine', 'get'>
export type QuarantinedObject = QuarantinePage['items'][number]
export type Resolution = Sent<'/api/archive/quarantine/{quarantine_pk}/resolution', 'post'>['resolution']
export type Storage = Answer<'/api/archive/storage', 'get'>
export type Integrity = Answer<'/api/archive/integrity', 'get'>
export type Damage = Integrity['damaged'][number]
export type Entity = Answer<'/api/archive/application-entities', 'get'>[number]
export type EntityFields = Sent<'/api/archive/application-entities', 'post'>
export type EchoAnswer = Answer<'/api/archive/application-entities/{remote_ae_pk}/echo', 'post'>

export type FoundStudy = Answer<'/api/archive/studies/find', 'post'>['items'][number]
export type FoundStudyPage = Answer<'/api/archive/studies/find', 'post'>
export type StudyDetail = Answer<'/api/archive/studies/{study_pk}', 'get'>
export type Series = StudyDetail['series'][number]
export type RemovalPage = Answer<'/api/archive/removals', 'get'>
export type Removal = RemovalPage['items'][number]
export type RemovalPolicy = Answer<'/api/archive/removal-policy', 'get'>
export type CorrectionPage = Answer<'/api/archive/corrections', 'get'>
export type Correction = CorrectionPage['items'][number]
export type Change = Answer<'/api/archive/corrections/preview', 'post'>[number]
export type Wish = Sent<'/api/archive/corrections/preview', 'post'>
export type Hold = Answer<'/api/archive/holds', 'get'>[number]
export type RetentionRule = Answer<'/api/archive/retention-rules', 'get'>[number]
export type RetentionRuleFields = Sent<'/api/archive/retention-rules', 'post'>
export type Taking = Answer<'/api/archive/retention-rules/preview', 'post'>
export type ProposalPage = Answer<'/api/archive/retention-proposals', 'get'>
export type Proposal = ProposalPage['items'][number]

/** Why an object waits, in a few words for the list. The server's `detail` says it exactly. */
export const REASON_LABEL: Record<QuarantinedObject['reason'], string> = {
  unreadable: 'Not readable',
  truncated: 'Cut short',
  'missing-uid': 'Identifier missing',
  'bad-uid': 'Identifier not valid',
  'uid-mismatch': 'Identifiers disagree',
  'content-differs': 'Known, other content',
  'patient-differs': 'Other patient',
  'series-moved': 'Series of another study',
  removed: 'Removed here before',
}

/** The state of an object in the words of the state table. */
export function stateOf(object: QuarantinedObject): string {
  if (!object.resolution) return 'quarantined'
  return object.resolution === 'discarded' ? 'discarded' : 'released'
}

/** What it means to take the object as it is, for the reasons where that is possible. */
export function meaningOfAccepting(object: QuarantinedObject): string {
  if (object.reason === 'removed') return 'It is to be seen again in its study. What else was removed with it stays removed.'
  return object.reason === 'content-differs'
    ? 'This version takes the place of the one in the archive. The earlier one is kept aside.'
    : 'It joins the study, and the patient of the study is laid over it. What it said before stays recorded in it.'
}

/** How the reading-again stands, in one line. */
export function checkText({ check, completed_at }: Pick<Integrity, 'check' | 'completed_at'>): string {
  const last = completed_at ? `all was read on ${formatDay(completed_at)}` : 'not all was read again yet'
  if (!check || check.finished_at) return last
  return `${check.objects.toLocaleString()} objects read since ${formatDay(check.started_at)}; ${last}`
}

export { formatBytes } from '@/lib/bytes'
