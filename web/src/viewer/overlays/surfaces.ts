import { item, number, numbers, text, type DicomJson } from '../dicom'
import { paletteColour, rgbOfStoredLab } from './colours'
import { colourOf, itemsIn, labelOf, meaningOf, patientOf, worded, type Layer, type Part } from './layers'
import { referencedBy } from './segmentation'

const LAB = '0062000D'

/** The surfaces of a segment (PS3.3 C.8.23.1). */
export function surfacesOfSegment(instance: DicomJson, segment: number): DicomJson[] {
  const of = itemsIn(instance, '00620002').find((one) => number(one, '00620004') === segment)
  const named = new Set(itemsIn(of, '0066002B').map((one) => number(one, '0066002C')))
  return itemsIn(instance, '00660002').filter((one) => named.has(number(one, '00660003')))
}

/** A Surface Segmentation (PS3.3 A.57) as what is laid over pictures. */
export function surfacesOf(instance: DicomJson): Layer | null {
  const [key, study, series] = [text(instance, '00080018'), text(instance, '0020000D'), text(instance, '0020000E')]
  if (!key || !study || !series) return null
  const frameOfReferenceUid = text(instance, '00200052')
  const parts = itemsIn(instance, '00620002').flatMap((segment): Part[] => {
    const of = number(segment, '00620004')
    if (of === null) return []
    const property = [meaningOf(segment, '00620003'), meaningOf(segment, '0062000F')]
    const algorithm = item(segment, '0066002D') ?? item(item(segment, '0066002B'), '0066002D')
    const lab = [...surfacesOfSegment(instance, of), segment].map((one) => rgbOfStoredLab(numbers(one, LAB))).find((one) => one !== null)
    return [
      {
        number: of,
        label: text(segment, '00620005') ?? property[1] ?? `Segment ${of}`,
        colour: colourOf(lab ?? paletteColour(of)),
        meaning: property.filter(Boolean).join(' · ') || null,
        made: [worded(text(segment, '00620008')), text(segment, '00620009') ?? text(algorithm, '00660036') ?? meaningOf(algorithm, '0066002F')].filter(Boolean).join(', ') || null,
        frameOfReferenceUid,
      },
    ]
  })
  return {
    key,
    kind: 'surfaces',
    studyInstanceUid: study,
    seriesInstanceUid: series,
    label: labelOf(instance, ['00700080'], 'Surfaces'),
    patient: patientOf(instance),
    parts,
    ...referencedBy(instance),
    instance,
    fault: !parts.length ? 'It names no segments.' : frameOfReferenceUid === null ? 'It does not say in which frame of reference it lies.' : null,
  }
}
