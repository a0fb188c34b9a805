import type { DicomJson } from './dicom'
import { inReadingOrder, seriesHead, type SeriesHead } from './stacks'

/** How a study is asked what it has: by QIDO-RS and WADO-RS. */
export const JSON_TYPE = { Accept: 'application/dicom+json' }

/** Of so many instances at most it is fetched ahead what they say of themselves. */
export const AHEAD_INSTANCES = 1_000

export function seriesPath(studyInstanceUid: string): string {
  return `/dicom-web/studies/${studyInstanceUid}/series`
}

export function metadataPath(studyInstanceUid: string, seriesInstanceUid: string): string {
  return `${seriesPath(studyInstanceUid)}/${seriesInstanceUid}/metadata`
}

/** The series of an answer of QIDO-RS, those that are read first before the others. */
export function headsOf(found: readonly DicomJson[]): SeriesHead[] {
  return inReadingOrder(found.map(seriesHead).filter((head): head is SeriesHead => head !== null))
}
