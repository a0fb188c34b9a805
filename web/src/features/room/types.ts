import type { Answer, Sent } from '@/lib/api'

export type Day = Answer<'/api/schedule/days/{day}', 'get'>
export type Booking = Day['items'][number]
export type Room = Answer<'/api/schedule/resources', 'get'>[number]
export type Performed = Answer<'/api/steps/{scheduled_procedure_step_pk}/performed', 'get'>[number]
export type OrderLine = Answer<'/api/orders/{imaging_service_request_pk}', 'get'>['lines'][number]
export type StudyDetail = Answer<'/api/archive/studies/{study_pk}', 'get'>
export type Series = StudyDetail['series'][number]
export type Waiting = Answer<'/api/reconciliation', 'get'>['items'][number]
export type Sending = Sent<'/api/steps/{scheduled_procedure_step_pk}/moves', 'post'>
export type Move = Sending['move']
export type CheckName = NonNullable<Sending['checks']>[number]
