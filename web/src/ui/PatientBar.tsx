import type { ReactNode } from 'react'
import { formatDicomDate, formatPersonAge } from '@/lib/time'
import { Glyph, PersonName } from './signs'
import classes from './PatientBar.module.css'

export interface PatientBarPatient {
  patient_pk: number
  /** DICOM PN, all groups. */
  patient_name: string
  patient_id: string
  issuer_of_patient_id: string | null
  /** DICOM CS: M, F, O; empty when unknown. */
  patient_sex: string | null
  /** DA or ISO date. */
  patient_birth_date: string | null
  /** Substances, as words. Empty list: asked, and none are known; null: not asked; absent: not this screen's to say. */
  allergies?: readonly string[] | null
  /** PS3.3 Pregnancy Status in words, only when it matters (`pregnant`, `possibly pregnant`). */
  pregnancy_status?: string | null
  /** Implants and devices that matter at a magnet, as words. */
  implants?: readonly string[] | null
  /** Anything else that must not be missed (`Interpreter: Somali`, `Fall risk`). */
  special_needs?: readonly string[] | null
}

const SEX: Record<string, string> = { M: 'Male', F: 'Female', O: 'Other' }

/** Whose data the screen shows. It stands above the work and does not scroll away; two patients never share one. */
export function PatientBar({ patient, children }: { patient: PatientBarPatient; children?: ReactNode }) {
  const age = formatPersonAge(patient.patient_birth_date)
  const born = formatDicomDate(patient.patient_birth_date)
  const pregnancy = patient.pregnancy_status?.trim()
  return (
    <section className={classes['bar']} aria-label="Patient" data-patient-pk={patient.patient_pk}>
      <div className={classes['name']}>
        <PersonName value={patient.patient_name} />
      </div>
      <dl className={classes['facts']}>
        <div>
          <dt className="sr-only">Sex</dt>
          <dd>{SEX[patient.patient_sex ?? ''] ?? 'Sex unknown'}</dd>
        </div>
        <div>
          <dt className="sr-only">Age and birth date</dt>
          <dd>
            {age ? <strong>{age}</strong> : null} {born ? <span>born {born}</span> : <span>birth date unknown</span>}
          </dd>
        </div>
        <div>
          <dt className="sr-only">Patient ID</dt>
          <dd>
            <strong>{patient.patient_id}</strong>{' '}
            {patient.issuer_of_patient_id ? <span>{patient.issuer_of_patient_id}</span> : null}
          </dd>
        </div>
      </dl>
      <ul className={classes['marks']} aria-label="Safety">
        {patient.allergies === undefined ? null : patient.allergies === null ? (
          <li className={classes['unknown']}>Allergies not asked</li>
        ) : patient.allergies.length ? (
          <li className={classes['danger']}>
            <Glyph shape="alert" size={12} />
            Allergy: {patient.allergies.join(', ')}
          </li>
        ) : (
          <li className={classes['none']}>No known allergies</li>
        )}
        {pregnancy ? (
          <li className={classes['danger']}>
            <Glyph shape="half" size={12} />
            {pregnancy.charAt(0).toUpperCase() + pregnancy.slice(1)}
          </li>
        ) : null}
        {patient.implants?.length ? (
          <li className={classes['danger']}>
            <Glyph shape="target" size={12} />
            Implant: {patient.implants.join(', ')}
          </li>
        ) : null}
        {patient.special_needs?.map((need) => (
          <li key={need} className={classes['note']}>
            {need}
          </li>
        ))}
      </ul>
      {children ? <div className={classes['extra']}>{children}</div> : null}
    </section>
  )
}
