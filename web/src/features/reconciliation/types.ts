import type { Answer, Sent } from '@/lib/api'

export type WaitingPage = Answer<'/api/reconciliation', 'get'>
export type Waiting = WaitingPage['items'][number]
export type CandidatePage = Answer<'/api/reconciliation/{study_pk}/candidates', 'post'>
export type Candidate = CandidatePage['items'][number]
export type Compared = Candidate['compared'][number]
export type ResolvedPage = Answer<'/api/reconciliation/resolved', 'get'>
export type Resolved = ResolvedPage['items'][number]
export type StudyDetail = Answer<'/api/archive/studies/{study_pk}', 'get'>
export type Reconciling = Sent<'/api/reconciliation/{study_pk}', 'post'>
export type ReportedPage = Answer<'/api/reconciliation/performed-steps', 'get'>
export type Reported = ReportedPage['items'][number]
export type HungPage = Answer<'/api/reconciliation/performed-steps/resolved', 'get'>
export type Hung = HungPage['items'][number]
