import { asProblem, http } from '@/lib/api'
import { claim, proceduresOf } from './api'
import type { ReadingItem, Report } from './types'

/**
 * How a case stands open: `write` its report is ours to write; `held` somebody else reads or writes it; `look` this
 * person does not write reports; `signed` it is final.
 */
export type Entry =
  | { mode: 'write'; report: Report }
  | { mode: 'signed'; report: Report }
  | { mode: 'held'; report: Report | null; why: string; by: 'reader' | 'writer' }
  | { mode: 'look'; report: Report | null }

const get = (reportPk: number) => http.get<Report>(`/api/reports/${reportPk}`)
const known = async (item: ReadingItem) => (item.report_pk === null ? null : get(item.report_pk))

const isSigned = (report: Report) => report.state === 'final' || report.state === 'addended'

/** The report of all procedures of the study; where they were reported apart before, that of the first. */
async function openReport(item: ReadingItem): Promise<Report> {
  try {
    return await http.post<Report>('/api/reports', { requested_procedure_pks: proceduresOf(item) })
  } catch (error) {
    if (asProblem(error).status !== 409 || item.other_procedure_pks.length === 0) throw error
    return http.post<Report>('/api/reports', { requested_procedure_pks: [item.requested_procedure_pk] })
  }
}

function standing(report: Report): Entry {
  if (isSigned(report)) return { mode: 'signed', report }
  if (report.may_edit) return { mode: 'write', report }
  return { mode: 'held', report, why: `${report.editor_name ?? 'Somebody else'} is writing this report.`, by: 'writer' }
}

/** Opens a case: takes it, and begins or finds its report. Who has it already is not disturbed. */
export async function enter(item: ReadingItem, mayWrite: boolean): Promise<Entry> {
  if (item.reading_state === 'final' || !mayWrite) {
    const report = await known(item)
    if (report && isSigned(report)) return { mode: 'signed', report }
    if (!mayWrite) return { mode: 'look', report }
  }
  try {
    await claim(item)
  } catch (error) {
    const problem = asProblem(error)
    if (problem.status !== 409) throw error
    return { mode: 'held', report: await known(item), why: problem.detail, by: 'reader' }
  }
  return standing(await openReport(item))
}

/** Takes case and draft over from who has them; both keep the reason. */
export async function takeOver(item: ReadingItem, entry: Entry, reason: string): Promise<Entry> {
  await claim(item, entry.mode === 'held' && entry.by === 'reader' ? reason : undefined)
  const report = await openReport(item)
  if (isSigned(report) || report.may_edit) return standing(report)
  return standing(await http.post<Report>(`/api/reports/${report.report_pk}/editor`, { reason }))
}
