/** Decisions of the technologist's room: whose turn it is, what comes next, what to ask before, what is missing after. */
import type { Booking, CheckName, Move, OrderLine, Performed, Series } from './types'

export interface NextStep {
  move: Move
  /** The big button's words. */
  label: string
  /** What is true once it is pressed. */
  means: string
}

const NEXT: Record<string, NextStep> = {
  SCHEDULED: { move: 'arrive', label: 'The patient is here', means: 'Arrived' },
  ARRIVED: { move: 'prepare', label: 'Ready for the scan', means: 'Ready' },
  READY: { move: 'start', label: 'Start the scan', means: 'Started' },
  STARTED: { move: 'complete', label: 'The scan is complete', means: 'Completed' },
}

/** The next safe step of a state; a final one has none. */
export function nextStep(status: string): NextStep | undefined {
  return NEXT[status]
}

/** Where an undo leads, as the server's table has it. */
export function undoTarget(status: string): string | undefined {
  return { ARRIVED: 'SCHEDULED', READY: 'ARRIVED', STARTED: 'SCHEDULED' }[status]
}

const isStat = (booking: Booking) => booking.requested_procedure_priority === 'STAT'
const isOpen = (booking: Booking) => ['SCHEDULED', 'ARRIVED', 'READY'].includes(booking.scheduled_procedure_step_status)
export const isOver = (booking: Booking) => !isOpen(booking) && booking.scheduled_procedure_step_status !== 'STARTED'

/** In time order; what begins together, the more urgent first. */
export function inTimeOrder(bookings: readonly Booking[]): Booking[] {
  return [...bookings].sort(
    (one, other) =>
      one.starts_at.localeCompare(other.starts_at) ||
      Number(isStat(other)) - Number(isStat(one)) ||
      one.scheduled_procedure_step_pk - other.scheduled_procedure_step_pk,
  )
}

/**
 * Whose turn it is: who lies in the scanner (the last begun), else an emergency, else who is ready, who is here, who
 * comes next.
 */
export function currentOf(bookings: readonly Booking[]): Booking | undefined {
  const ordered = inTimeOrder(bookings)
  const begun = ordered
    .filter((booking) => booking.scheduled_procedure_step_status === 'STARTED')
    .sort((one, other) => other.status_changed_at.localeCompare(one.status_changed_at))[0]
  if (begun) return begun
  const open = ordered.filter(isOpen)
  return (
    open.find(isStat) ??
    open.find((booking) => booking.scheduled_procedure_step_status === 'READY') ??
    open.find((booking) => booking.scheduled_procedure_step_status === 'ARRIVED') ??
    open[0] ??
    ordered.at(-1)
  )
}

/** Who is next after this one: emergencies first, then who is here, then by time. */
export function nextPatient(bookings: readonly Booking[], after: Booking): Booking | undefined {
  return currentOf(
    bookings.filter(
      (booking) => isOpen(booking) && booking.scheduled_procedure_step_pk !== after.scheduled_procedure_step_pk,
    ),
  )
}

export interface Check {
  name: CheckName
  /** What to do. */
  label: string
  /** What is known about it. */
  fact: string
  /** The fact itself is a danger, not only unknown. */
  danger?: boolean
}

const IONISING = new Set(['CT', 'CR', 'DX', 'MG', 'RF', 'XA', 'NM', 'PT'])
const PREGNANCY: Record<string, string> = {
  pregnant: 'Pregnant',
  possibly_pregnant: 'Possibly pregnant',
  not_pregnant: 'Not pregnant',
  unknown: 'Not known',
}
const SIDE: Record<string, string> = { L: 'LEFT', R: 'RIGHT', B: 'BOTH SIDES' }

function yearsOld(birthDate: string | null, today: Date): number | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})/.exec(birthDate ?? '')
  if (!match) return undefined
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number]
  const passed = today.getMonth() + 1 > month || (today.getMonth() + 1 === month && today.getDate() >= day)
  return today.getFullYear() - year - (passed ? 0 : 1)
}

/** What to ask and see before the scan: only what matters for this patient at this kind of scanner. */
export function checksBefore(booking: Booking, order: OrderLine | undefined, today = new Date()): Check[] {
  const { patient, modality } = booking
  const procedure = order?.procedure
  const checks: Check[] = [
    patient.unidentified
      ? { name: 'identity', label: 'Compare the wristband with the number', fact: 'Nobody knows who this is yet', danger: true }
      : { name: 'identity', label: 'Let the patient say name and birth date', fact: `born ${patient.patient_birth_date ?? 'unknown'}` },
  ]
  const side = SIDE[booking.laterality ?? '']
  if (side) checks.push({ name: 'laterality', label: 'Let the patient show the side', fact: side })

  const age = yearsOld(patient.patient_birth_date, today)
  const childbearing = patient.patient_sex !== 'M' && (age === undefined || (age >= 10 && age <= 55))
  const expecting = patient.pregnancy_status === 'pregnant' || patient.pregnancy_status === 'possibly_pregnant'
  if (expecting || (childbearing && (IONISING.has(modality) || modality === 'MR'))) {
    checks.push({
      name: 'pregnancy',
      label: 'Ask about a pregnancy',
      fact: PREGNANCY[patient.pregnancy_status ?? ''] ?? 'Not asked yet',
      danger: expecting,
    })
  }
  if (modality === 'MR' || patient.implants) {
    checks.push({
      name: 'implants',
      label: modality === 'MR' ? 'Implants, devices, metal: ask and search' : 'Mind the implant',
      fact: patient.implants ?? 'None recorded',
      danger: Boolean(patient.implants) && modality === 'MR',
    })
  }
  const agent = procedure?.requested_contrast_agent
  const allergic = Boolean(patient.allergies?.length)
  if (agent || allergic) {
    checks.push({
      name: 'allergies',
      label: 'Ask about allergies',
      fact: patient.allergies ? patient.allergies.join(', ') || 'None known' : 'Not asked yet',
      danger: allergic,
    })
  }
  if (agent) {
    checks.push({
      name: 'contrast',
      label: `Contrast: ${agent}`,
      fact: patient.renal ?? 'No kidney value recorded',
      danger: patient.renal !== null,
    })
  }
  const preparation = [procedure?.preparation, procedure?.pre_medication].filter(Boolean).join('; ')
  if (preparation) checks.push({ name: 'preparation', label: 'Is the patient prepared?', fact: preparation })
  return checks
}

export interface Finding {
  id: string
  text: string
  danger: boolean
}

export interface Completeness {
  /** How many images the scanner says it made; undefined where it did not count them. */
  said: number | undefined
  here: number
  findings: Finding[]
}

/** Compares what the scanner says it made with what came. */
export function completeness(
  booking: Pick<Booking, 'laterality' | 'scheduled_procedure_step_status'>,
  performed: readonly Performed[],
  series: readonly Series[],
): Completeness {
  const here = series.reduce((sum, one) => sum + one.number_of_series_related_instances, 0)
  const came = new Map(series.map((one) => [one.series_instance_uid, one]))
  const told = new Map(performed.flatMap((step) => step.series.map((one) => [one.series_instance_uid, one] as const)))
  const counted = [...told.values()].filter((one) => one.number_of_instances !== null)
  const findings: Finding[] = []
  for (const one of told.values()) {
    const name = one.series_description ?? came.get(one.series_instance_uid)?.series_description ?? 'A series without a name'
    const count = came.get(one.series_instance_uid)?.number_of_series_related_instances ?? 0
    const wanted = one.number_of_instances
    if (count === 0) {
      findings.push({ id: `absent ${one.series_instance_uid}`, text: `${name}: none of ${wanted ?? 'its'} images came`, danger: true })
    } else if (wanted !== null && count < wanted) {
      findings.push({
        id: `short ${one.series_instance_uid}`,
        text: `${name}: ${count} of ${wanted} images came, ${wanted - count} missing`,
        danger: true,
      })
    }
  }
  const side = booking.laterality
  if (side === 'L' || side === 'R') {
    for (const one of series) {
      const other = one.sides.find((shown) => shown !== side)
      if (other) {
        const marked = one.sides.includes(side) ? 'has images marked' : 'is marked'
        findings.push({
          id: `side ${one.series_instance_uid}`,
          text: `${one.series_description ?? 'A series'} ${marked} ${SIDE[other]}, ordered is ${SIDE[side]}`,
          danger: true,
        })
      }
    }
  }
  if (here === 0 && ['COMPLETED', 'DISCONTINUED'].includes(booking.scheduled_procedure_step_status)) {
    findings.push({ id: 'none', text: 'No image came', danger: booking.scheduled_procedure_step_status === 'COMPLETED' })
  }
  const said = counted.length ? counted.reduce((sum, one) => sum + (one.number_of_instances ?? 0), 0) : undefined
  return { said, here, findings }
}

/** The calendar day in a place. */
export function dayIn(timeZone: string, moment = new Date()): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(moment)
}

export function shiftDay(day: string, days: number): string {
  const [year, month, date] = day.split('-').map(Number) as [number, number, number]
  return new Date(Date.UTC(year, month - 1, date + days)).toISOString().slice(0, 10)
}
