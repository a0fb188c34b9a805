import { text, type DicomJson } from '../dicom'

/** Whose pixels say how far surfaces lie from a plane: they cover nothing. */
const HEIGHT_MAP = '1.2.840.10008.5.1.4.1.1.66.8'
/** Segmentation, Label Map and Height Map Segmentation Storage. */
const SEGMENTATIONS: ReadonlySet<string> = new Set(['1.2.840.10008.5.1.4.1.1.66.4', '1.2.840.10008.5.1.4.1.1.66.7', HEIGHT_MAP])
const STRUCTURES: ReadonlySet<string> = new Set(['1.2.840.10008.5.1.4.1.1.481.3'])

/** Of which kind an instance is that is laid over the pictures of others; null: of none. */
export function kindOfLayer(instance: DicomJson): 'segmentation' | 'structures' | null {
  const sopClass = text(instance, '00080016') ?? ''
  return SEGMENTATIONS.has(sopClass) ? 'segmentation' : STRUCTURES.has(sopClass) ? 'structures' : null
}

export function isHeightMap(instance: DicomJson): boolean {
  return text(instance, '00080016') === HEIGHT_MAP
}
