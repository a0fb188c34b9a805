import { rgbOfStoredLab } from '../../overlays/colours'
import { item, number, numbers, text, values, type DicomJson } from '../../dicom'

export interface ModelFacts {
  /** Millimetres of a unit of its numbers, and its name; null: it does not say, or none of length. */
  unit: { name: string; mm: number } | null
  /** Its numbers are places in a patient. */
  inPatient: boolean
  mirrored: boolean
  /** Why it must not be used to diagnose; null: nothing says so. */
  caution: string | null
  colour: readonly [number, number, number] | null
  opacity: number
  materials: { path: string }[]
}

const UNITS: Readonly<Record<string, number>> = { um: 0.001, mm: 1, cm: 10, m: 1000, '[in_i]': 25.4 }

/** What the object says of the model that it holds (PS3.3 C.35.1 and A.85). */
export function factsOf(instance: DicomJson, seriesPath: string, mtlClass: string): ModelFacts {
  const code = text(item(instance, '004008EA'), '00080100')
  const mm = code === null ? undefined : UNITS[code]
  const qualified = text(instance, '00189004')
  const modified = text(instance, '00687001') === 'YES'
  const mirrored = text(instance, '00687002') === 'YES'
  const why = [
    qualified && qualified !== 'PRODUCT' ? (qualified === 'RESEARCH' ? 'for research' : 'for service') : null,
    modified ? 'altered from the anatomy' : null,
    mirrored ? 'mirrored' : null,
  ].filter(Boolean)
  const stored = rgbOfStoredLab(numbers(instance, '0062000D'))
  const opacity = number(instance, '0066000C')
  return {
    unit: code !== null && mm !== undefined ? { name: code, mm } : null,
    inPatient: text(instance, '00200052') !== null,
    mirrored,
    caution: why.length ? `Not for diagnosis: ${why.join(', ')}` : null,
    colour: stored && [stored[0] / 255, stored[1] / 255, stored[2] / 255],
    opacity: opacity !== null && opacity >= 0 && opacity <= 1 ? opacity : 1,
    materials: values(instance, '0008114A').flatMap((each) => {
      const one = each as DicomJson | undefined
      const [sopClass, uid, study, series] = ['00081150', '00081155', '0020000D', '0020000E'].map((tag) => text(one, tag))
      if (sopClass !== mtlClass || !uid) return []
      return [{ path: study && series ? `/dicom-web/studies/${study}/series/${series}/instances/${uid}` : `${seriesPath}/instances/${uid}` }]
    }),
  }
}

/** A length in millimetres, as exact as it is looked at: to the millimetre, to its tenth, to two digits that count. */
export function lengthWords(mm: number): string {
  return mm >= 10 ? String(Math.round(mm)) : mm >= 1 ? mm.toFixed(1) : String(Number(mm.toPrecision(2)))
}
