import { http, personNumber } from '@/lib/api/http'
import type { DicomJson } from './dicom'

/** What the archive tells at once of a study that somebody opens. */
export interface Opening {
  study_instance_uid: string
  /** As QIDO-RS tells them. */
  series: DicomJson[]
  /** Of the first series, by Series Instance UID, as WADO-RS tells it. */
  metadata: Record<string, DicomJson[]>
  /** The beginning of the picture that is likely to be seen first, which is that picture coarse; null: there is none. */
  beginning: { location: string; content_type: string; etag: string; total: number; halvings: number; content: string } | null
}

/** Whoever opens a study is there by then; what is older may have changed. */
const KEPT_MS = 5_000

let last: { at: number; person: number; answer: Promise<Opening | null>; found: Opening | null } | null = null

/**
 * Asks what a study has, for the viewer that is about to open it; null where that cannot be had so. `ready` makes what it
 * needs of it, which is then waited for.
 */
export function askOpening(studyPk: string, ready: (found: Opening) => Promise<void>): Promise<Opening | null> {
  const asked = {
    at: Date.now(),
    person: personNumber(),
    found: null as Opening | null,
    // The viewer asks for each part by itself then, and tells what is wrong.
    answer: http.get<Opening>(`/dicom-web/openings/${studyPk}`).catch(() => null),
  }
  asked.answer = asked.answer.then(async (found) => {
    if (found) await ready(found)
    return (asked.found = found)
  })
  last = asked
  return asked.answer
}

function current(studyInstanceUid: string | null): Opening | null {
  if (!last || last.person !== personNumber() || Date.now() - last.at > KEPT_MS) return null
  return last.found?.study_instance_uid === studyInstanceUid ? last.found : null
}

/** The series of a study, if it was asked for ahead and has answered. */
export function openedSeries(studyInstanceUid: string | null): DicomJson[] | undefined {
  return current(studyInstanceUid)?.series
}

/** The metadata of a series, if it was asked for ahead and has answered. */
export function openedMetadata(studyInstanceUid: string | null, seriesInstanceUid: string): DicomJson[] | undefined {
  return current(studyInstanceUid)?.metadata[seriesInstanceUid]
}

const fetched = new Map<string, number>()
/** What was fetched ahead of a case that is chosen in a list is kept so long. */
export const KEPT_AHEAD_MS = 60_000

/** All that is asked first of a study is here already. */
export function noteFetched(studyPk: number): void {
  fetched.set(String(studyPk), Date.now())
}

export function isFetched(studyPk: string): boolean {
  return Date.now() - (fetched.get(studyPk) ?? -Infinity) < KEPT_AHEAD_MS
}

/** Waits for what is on its way: it may be what is looked for. */
export async function untilOpened(): Promise<void> {
  await last?.answer
}

/** When what was asked for ahead was true; null: nothing of this study was. */
export function openedAt(studyInstanceUid: string | null): number | null {
  return last && current(studyInstanceUid) ? last.at : null
}

/** The study has changed since. */
export function forgetOpening(studyInstanceUid: string | null): void {
  if (last?.found && last.found.study_instance_uid === studyInstanceUid) last = null
}
