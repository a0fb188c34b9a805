import { text, type DicomJson } from '../dicom'

/** Segmentation and Label Map Segmentation Storage. */
const SEGMENTATIONS: ReadonlySet<string> = new Set(['1.2.840.10008.5.1.4.1.1.66.4', '1.2.840.10008.5.1.4.1.1.66.7'])
const STRUCTURES: ReadonlySet<string> = new Set(['1.2.840.10008.5.1.4.1.1.481.3'])

/** Of which kind an instance is that is laid over the pictures of others; null: of none. */
export function kindOfLayer(instance: DicomJson): 'segmentation' | 'structures' | null {
  const sopClass = text(instance, '00080016') ?? ''
  return SEGMENTATIONS.has(sopClass) ? 'segmentation' : STRUCTURES.has(sopClass) ? 'structures' : null
}
