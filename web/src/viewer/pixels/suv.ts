import { item, number, text, values, type DicomJson } from '../dicom'

/** By what values are multiplied to be SUV of body weight; or why that cannot be told. */
export type Suv = { factor: number } | { reason: string }

const TAG = {
  Units: '00541001',
  SuvType: '00541006',
  CorrectedImage: '00280051',
  DecayCorrection: '00541102',
  Radiopharmaceuticals: '00540016',
  StartTime: '00181072',
  StartDateTime: '00181078',
  TotalDose: '00181074',
  HalfLife: '00181075',
  PatientWeight: '00101030',
  SeriesDate: '00080021',
  SeriesTime: '00080031',
  AcquisitionDate: '00080022',
  AcquisitionTime: '00080032',
} as const

/** Seconds since 1970 of a DA and a TM, or of a DT; the zone is left out, for both ends are of one scanner's clock. */
export function secondsOf(date: string | null, time: string | null): number | null {
  const day = /^(\d{4})(\d{2})(\d{2})/.exec(date ?? '')
  const clock = /^(\d{2})(\d{2})?(\d{2}(?:\.\d+)?)?/.exec(time ?? '')
  if (!day || !clock) return null
  return Date.UTC(Number(day[1]), Number(day[2]) - 1, Number(day[3])) / 1000 + Number(clock[1]) * 3600 + Number(clock[2] ?? 0) * 60 + Number(clock[3] ?? 0)
}

/** By what the values of a picture's modality are multiplied where it is shown: those of PET are shown as SUV. */
export function shownBy(metadata: DicomJson): number {
  const suv = text(metadata, '00080060') === 'PT' ? suvOf(metadata) : null
  return suv && 'factor' in suv ? suv.factor : 1
}

/**
 * SUV of body weight (PS3.3 C.8.9.1.1.3; the QIBA FDG-PET profile's way): Bq/ml times grams over the dose that was left
 * when the scan began. Nothing is assumed that the object does not say.
 */
export function suvOf(metadata: DicomJson): Suv {
  const units = text(metadata, TAG.Units)
  const type = text(metadata, TAG.SuvType)
  if (units === 'GML') return type === null || type === 'BW' ? { factor: 1 } : { reason: `its values are SUV of another kind (${type})` }
  if (units !== 'BQML') return { reason: units ? `its values are ${units}, not Bq/ml` : 'it does not say the unit of its values' }
  const corrected = new Set(values(metadata, TAG.CorrectedImage))
  if (!corrected.has('ATTN')) return { reason: 'it is not corrected for attenuation' }
  if (!corrected.has('DECY')) return { reason: 'it is not corrected for decay' }
  const weight = number(metadata, TAG.PatientWeight)
  if (!weight || weight <= 0) return { reason: 'the patient’s weight is missing' }
  const given = item(metadata, TAG.Radiopharmaceuticals)
  const dose = number(given, TAG.TotalDose)
  if (!dose || dose <= 0) return { reason: 'the injected dose is missing' }
  // A dose in MBq under the tag of Bq would make SUV a million times too large.
  if (dose < 1e5) return { reason: 'the injected dose is not in Bq' }
  const correction = text(metadata, TAG.DecayCorrection)
  // Corrected to the time of injection, all of the dose counts.
  if (correction === 'ADMIN') return { factor: (weight * 1000) / dose }
  if (correction !== 'START') return { reason: 'it does not say to what time decay is corrected' }
  const halfLife = number(given, TAG.HalfLife)
  if (!halfLife || halfLife <= 0) return { reason: 'the half-life is missing' }
  const acquired = secondsOf(text(metadata, TAG.AcquisitionDate), text(metadata, TAG.AcquisitionTime))
  const series = secondsOf(text(metadata, TAG.SeriesDate), text(metadata, TAG.SeriesTime))
  if (series === null || acquired === null) return { reason: 'the time of the scan is missing' }
  // A series that was made later out of others tells when that was, not when the scan began.
  if (series > acquired + 1) return { reason: 'the series is dated later than its scan' }
  const whole = text(given, TAG.StartDateTime)
  let injected = whole ? secondsOf(whole.slice(0, 8), whole.slice(8)) : secondsOf(text(metadata, TAG.SeriesDate), text(given, TAG.StartTime))
  if (injected === null) return { reason: 'the time of injection is missing' }
  // Of a time without a date: the injection was before the scan, if need be before midnight.
  if (!whole && injected > series) injected -= 86_400
  const waited = series - injected
  if (waited < 0 || waited > 20 * halfLife) return { reason: 'the time of injection does not fit the scan' }
  return { factor: (weight * 1000) / (dose * 2 ** (-waited / halfLife)) }
}
