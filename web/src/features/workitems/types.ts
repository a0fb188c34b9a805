import type { Answer } from '@/lib/api'

export type WorkitemPage = Answer<'/api/workitems', 'get'>
export type Workitem = WorkitemPage['items'][number]
export type WorkitemDetail = Answer<'/api/workitems/{workitem_pk}', 'get'>
export type State = Workitem['procedure_step_state']

const PRIORITY: Readonly<Record<string, string>> = { HIGH: 'High', MEDIUM: 'Medium', LOW: 'Low' }
const READINESS: Readonly<Record<string, string>> = {
  READY: 'ready',
  INCOMPLETE: 'not all there yet',
  UNAVAILABLE: 'not to be had',
}

export const priorityText = (priority: string) => PRIORITY[priority] ?? priority
export const readinessText = (readiness: string) => READINESS[readiness] ?? readiness

/** How far its performer is, where it says so: `40 %`. */
export function progressText({ procedure_step_progress, procedure_step_state }: Pick<Workitem, 'procedure_step_progress' | 'procedure_step_state'>): string {
  if (procedure_step_state !== 'IN PROGRESS' || procedure_step_progress === null) return ''
  return `${Math.round(procedure_step_progress)} %`
}

/** Whether it can still be canceled, and what that means; the house's own steps by their own rules. */
export function cancelText({ procedure_step_state, step_kind }: Pick<Workitem, 'procedure_step_state' | 'step_kind'>): string | undefined {
  if (procedure_step_state === 'IN PROGRESS') return 'Who performs it is asked to stop, and decides.'
  if (procedure_step_state !== 'SCHEDULED' || step_kind === 'reading') return undefined
  return step_kind === 'acquisition'
    ? 'Its appointment is cancelled too, and the order waits to be booked again.'
    : 'Nobody has taken it up yet: it is canceled at once.'
}
