import { describe, expect, it } from 'vitest'
import { boardOrder, placeOf, timeline } from './rules'
import type { BoardRow, Order, Performed } from './types'

let made = 0

function row(status: string, more: Partial<BoardRow> = {}): BoardRow {
  made += 1
  return {
    scheduled_procedure_step_pk: made,
    scheduled_procedure_step_status: status,
    requested_procedure_pk: 7,
    requested_procedure_priority: 'ROUTINE',
    starts_at: '2026-11-25T10:00:00Z',
    status_changed_at: '2026-11-25T10:00:00Z',
    arrived_at: null,
    resource_name: 'CT1',
    studies: [],
    ...more,
  } as BoardRow
}

const final = { requested_procedure_pk: 7, reading_state: 'final', signed_at: '2026-11-25T10:40:00Z' }

describe('the order of the board', () => {
  it('has running STAT cases on top and what is over at the bottom', () => {
    const read = row('COMPLETED', { requested_procedure_priority: 'STAT', reading: final })
    const coming = row('SCHEDULED')
    const stat = row('SCHEDULED', { requested_procedure_priority: 'STAT' })
    const scanned = row('STARTED')
    const off = row('CANCELED', { requested_procedure_priority: 'STAT' })
    const toRead = row('COMPLETED')
    expect(boardOrder([read, coming, off, toRead, scanned, stat])).toEqual([stat, scanned, coming, toRead, read, off])
  })

  it('counts a case as read only by its final report', () => {
    expect(placeOf(row('COMPLETED', { reading: { ...final, reading_state: 'preliminary' } }))).toBe('to read')
    expect(placeOf(row('COMPLETED', { reading: final }))).toBe('read')
  })
})

describe('the timeline', () => {
  const change = (pk: number, step: string, from: string | null, at: string) =>
    ({ requested_procedure_pk: pk, step, from_state: from, to_state: 'X', changed_at: at, changed_by: 'ada', reason: null })
  const order = {
    imaging_service_request: { ordered_at: '2026-11-25T09:00:00Z', ordered_by: 'ER' },
    changes: [
      change(7, 'place', null, '2026-11-25T09:00:00Z'),
      change(7, 'schedule', 'REQUESTED', '2026-11-25T09:01:00Z'),
      change(8, 'schedule', 'REQUESTED', '2026-11-25T09:02:00Z'),
    ],
  } as Order

  it('puts order, scanner, images and report in the order of time, of this procedure alone', () => {
    const performed = [
      {
        performed_procedure_step_pk: 1,
        performed_procedure_step_status: 'COMPLETED',
        performed_station_ae_title: 'CT1',
        started_at: '2026-11-25T10:05:00Z',
        ended_at: '2026-11-25T10:20:00Z',
        discontinuation_reason: null,
      },
    ] as Performed[]
    const study = {
      study_pk: 3,
      study_instance_uid: '1.2',
      number_of_study_related_series: 1,
      number_of_study_related_instances: 48,
      first_image_at: '2026-11-25T10:06:00Z',
      updated_at: '2026-11-25T10:19:00Z',
    }
    const done = row('COMPLETED', { arrived_at: '2026-11-25T09:50:00Z', studies: [study], reading: final })
    expect(timeline(done, order, performed).map((moment) => moment.what)).toEqual([
      'Ordered',
      'Scheduled',
      'Patient arrived',
      'Scanner reports: in progress',
      'First image',
      '48 images',
      'Scanner reports: completed',
      'Report final',
    ])
  })

  it('says what was to begin and did not', () => {
    const late = timeline(row('SCHEDULED'), undefined, [], new Date('2026-11-25T11:00:00Z'))
    expect(late).toEqual([expect.objectContaining({ what: 'Was to begin', planned: true })])
  })
})
