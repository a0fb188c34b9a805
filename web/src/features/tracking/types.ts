import type { Answer } from '@/lib/api'

export type Tracking = Answer<'/api/tracking', 'get'>
export type Tracked = Tracking['items'][number]
export type Order = Answer<'/api/orders/{imaging_service_request_pk}', 'get'>
export type Performed = Answer<'/api/steps/{scheduled_procedure_step_pk}/performed', 'get'>[number]
export type Progress = Answer<'/api/reading-list/progress', 'post'>[number]

/** A row of the board: a step with what the reading says of it. */
export interface BoardRow extends Tracked {
  reading?: Progress
}
