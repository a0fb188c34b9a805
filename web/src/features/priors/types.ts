import type { Answer, Sent } from '@/lib/api'

export type Archive = Answer<'/api/priors/archives', 'get'>[number]
export type ArchiveFields = Sent<'/api/priors/archives', 'post'>
export type Retrieve = ArchiveFields['retrieve']
export type Fetching = Answer<'/api/priors/fetches', 'get'>['items'][number]
export type FetchPage = Answer<'/api/priors/fetches', 'get'>
export type Lookup = Answer<'/api/priors/lookups', 'get'>[number]
export type Entity = Answer<'/api/archive/application-entities', 'get'>[number]

export const WAYS: Readonly<Record<Retrieve, string>> = {
  'C-GET': 'DICOM: C-FIND, then C-GET',
  'C-MOVE': 'DICOM: C-FIND, then C-MOVE to us',
  'WADO-RS': 'DICOMweb: QIDO-RS, then WADO-RS',
}

export const whereOf = (archive: Pick<Archive, 'ae_title' | 'base_url'>) => archive.base_url ?? archive.ae_title ?? ''

/** The pulse as the state table has it. */
export function pulseOf(archive: Pick<Archive, 'is_enabled' | 'last_error' | 'last_answered_at'>): string {
  if (!archive.is_enabled) return 'disabled'
  if (archive.last_error) return 'down'
  return archive.last_answered_at ? 'up' : 'unknown'
}

/** What is fetched unasked, as a person would say it. */
export function prefetchText(archive: Pick<Archive, 'prefetch_max' | 'years_max' | 'lead_hours'>): string {
  if (!archive.prefetch_max) return 'only on asking'
  const studies = archive.prefetch_max === 1 ? 'the best prior' : `the ${archive.prefetch_max} best priors`
  const years = archive.years_max === 1 ? '1 year' : `${archive.years_max} years`
  return `${studies} of ${years}, ${archive.lead_hours} h before`
}

/** The state as the state table has it: what waits after a failure is being tried again. */
export const stateOf = (one: { state: string; attempts: number }) => (one.state === 'waiting' && one.attempts > 0 ? 'retrying' : one.state)

/** `120 of 300`, and what did not come. */
export function progressText(one: Pick<Fetching, 'received' | 'failed' | 'expected'>): string {
  const failed = one.failed ? `, ${one.failed} not` : ''
  return one.expected ? `${one.received} of ${one.expected}${failed}` : `${one.received}${failed}`
}
