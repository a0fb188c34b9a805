import { describe, expect, it } from 'vitest'
import { checksBefore, completeness, currentOf, dayIn, nextPatient, shiftDay } from './rules'
import type { Booking, OrderLine, Performed, Series } from './types'

let made = 0

function booking(status: string, starts: string, more: Partial<Booking> = {}): Booking {
  made += 1
  return {
    scheduled_procedure_step_pk: made,
    scheduled_procedure_step_status: status,
    status_changed_at: starts,
    starts_at: starts,
    requested_procedure_priority: 'ROUTINE',
    modality: 'CT',
    laterality: null,
    patient: {
      patient_sex: 'F',
      patient_birth_date: '1990-06-01',
      allergies: [],
      pregnancy_status: null,
      implants: null,
      renal: null,
      unidentified: false,
    },
    ...more,
  } as Booking
}

const at = (hour: number) => `2026-11-25T${String(hour).padStart(2, '0')}:00:00Z`

describe('whose turn it is', () => {
  it('is who lies in the scanner, even while an emergency waits', () => {
    const scanned = booking('STARTED', at(9))
    const stat = booking('SCHEDULED', at(10), { requested_procedure_priority: 'STAT' })
    expect(currentOf([booking('COMPLETED', at(8)), scanned, stat])).toBe(scanned)
  })

  it('is the emergency before who is ready, who is ready before who is here', () => {
    const ready = booking('READY', at(11))
    const stat = booking('SCHEDULED', at(12), { requested_procedure_priority: 'STAT' })
    const here = booking('ARRIVED', at(9))
    expect(currentOf([here, ready, stat])).toBe(stat)
    expect(currentOf([here, ready, booking('SCHEDULED', at(8))])).toBe(ready)
  })

  it('passes to the next who is not done', () => {
    const done = booking('COMPLETED', at(8))
    const later = booking('SCHEDULED', at(10))
    expect(nextPatient([done, booking('SCHEDULED', at(11)), later, booking('CANCELED', at(9))], done)).toBe(later)
    expect(nextPatient([done], done)).toBeUndefined()
  })
})

describe('checks before the scan', () => {
  const today = new Date(2026, 10, 25)
  const names = (one: Booking, order?: OrderLine) => checksBefore(one, order, today).map((check) => check.name)

  it('asks about a pregnancy where it matters', () => {
    expect(names(booking('ARRIVED', at(9)))).toEqual(['identity', 'pregnancy'])
    const old = booking('ARRIVED', at(9))
    old.patient = { ...old.patient, patient_birth_date: '1938-01-01' }
    expect(names(old)).toEqual(['identity'])
    expect(names(booking('ARRIVED', at(9), { modality: 'US' }))).toEqual(['identity'])
    const expecting = booking('ARRIVED', at(9), { modality: 'US' })
    expecting.patient = { ...expecting.patient, pregnancy_status: 'pregnant' }
    expect(checksBefore(expecting, undefined, today)).toContainEqual(
      expect.objectContaining({ name: 'pregnancy', fact: 'Pregnant', danger: true }),
    )
  })

  it('spells the side, and asks about implants at the magnet', () => {
    expect(checksBefore(booking('ARRIVED', at(9), { modality: 'MR', laterality: 'R' }), undefined, today)).toEqual([
      expect.objectContaining({ name: 'identity' }),
      expect.objectContaining({ name: 'laterality', fact: 'RIGHT' }),
      expect.objectContaining({ name: 'pregnancy' }),
      expect.objectContaining({ name: 'implants', fact: 'None recorded', danger: false }),
    ])
  })

  it('asks about allergies and kidneys before contrast', () => {
    const order = { procedure: { requested_contrast_agent: 'Iohexol 350', preparation: null, pre_medication: null } } as OrderLine
    const one = booking('ARRIVED', at(9))
    one.patient = { ...one.patient, patient_sex: 'M', allergies: ['Iodine'] }
    expect(checksBefore(one, order, today)).toEqual([
      expect.objectContaining({ name: 'identity' }),
      expect.objectContaining({ name: 'allergies', fact: 'Iodine', danger: true }),
      expect.objectContaining({ name: 'contrast', label: 'Contrast: Iohexol 350', fact: 'No kidney value recorded' }),
    ])
    const fact = (allergies: string[] | null) =>
      checksBefore({ ...one, patient: { ...one.patient, allergies } }, order, today).find((check) => check.name === 'allergies')
    expect(fact([])).toMatchObject({ fact: 'None known', danger: false })
    expect(fact(null)).toMatchObject({ fact: 'Not asked yet', danger: false })
  })
})

describe('what is missing after', () => {
  const series = (uid: string, count: number, sides: readonly string[] = []) =>
    ({ series_instance_uid: uid, series_description: uid, number_of_series_related_instances: count, sides }) as Series
  const told = (...counts: [uid: string, count: number | null][]) =>
    [
      { series: counts.map(([uid, count]) => ({ series_instance_uid: uid, series_description: uid, number_of_instances: count })) },
    ] as Performed[]
  const done = { laterality: null, scheduled_procedure_step_status: 'COMPLETED' }

  it('finds the series that is short and the one that never came', () => {
    const { said, here, findings } = completeness(done, told(['axial', 40], ['scout', 2]), [series('axial', 38)])
    expect([said, here]).toEqual([42, 38])
    expect(findings.map((finding) => finding.text)).toEqual([
      'axial: 38 of 40 images came, 2 missing',
      'scout: none of 2 images came',
    ])
  })

  it('claims nothing where the scanner did not count', () => {
    expect(completeness(done, told(['axial', null]), [series('axial', 38)])).toEqual({ said: undefined, here: 38, findings: [] })
  })

  it('sees the wrong side', () => {
    const { findings } = completeness({ ...done, laterality: 'R' }, [], [series('knee', 3, ['L'])])
    expect(findings).toEqual([expect.objectContaining({ text: 'knee is marked LEFT, ordered is RIGHT', danger: true })])
    const [one] = completeness({ ...done, laterality: 'L' }, [], [series('knee', 3, ['L', 'R'])]).findings
    expect(one?.text).toBe('knee has images marked RIGHT, ordered is LEFT')
    expect(completeness({ ...done, laterality: 'B' }, [], [series('breast', 4, ['L', 'R'])]).findings).toEqual([])
  })
})

describe('days', () => {
  it('are those of the room, not of the browser', () => {
    expect(dayIn('America/New_York', new Date('2026-11-26T03:00:00Z'))).toBe('2026-11-25')
    expect(shiftDay('2026-02-28', 1)).toBe('2026-03-01')
  })
})
