import { text, type DicomJson } from '../dicom'
import { frameOffsets } from './doseFrames'

/** Height Map Segmentation Storage: whose pixels say how far surfaces lie from the top of a picture, and cover nothing. */
const HEIGHT_MAP = '1.2.840.10008.5.1.4.1.1.66.8'
/** Segmentation and Label Map Segmentation Storage. */
const SEGMENTATIONS: ReadonlySet<string> = new Set(['1.2.840.10008.5.1.4.1.1.66.4', '1.2.840.10008.5.1.4.1.1.66.7'])
const GRID_FRAME_OFFSET_VECTOR = '3004000C'
const DOSE = '1.2.840.10008.5.1.4.1.1.481.2'
/** Surface Segmentation Storage. */
const SURFACES = '1.2.840.10008.5.1.4.1.1.66.5'
const STRUCTURES: ReadonlySet<string> = new Set(['1.2.840.10008.5.1.4.1.1.481.3'])

export type LayerKind = 'segmentation' | 'structures' | 'dose' | 'surfaces' | 'heights'

/** Of which kind an instance is that is laid over the pictures of others; null: of none. */
export function kindOfLayer(instance: DicomJson): LayerKind | null {
  const sopClass = text(instance, '00080016') ?? ''
  if (sopClass === DOSE) return 'dose'
  if (sopClass === SURFACES) return 'surfaces'
  if (sopClass === HEIGHT_MAP) return 'heights'
  return SEGMENTATIONS.has(sopClass) ? 'segmentation' : STRUCTURES.has(sopClass) ? 'structures' : null
}

/** It says rows and columns, of spectra: there are no pixels. */
const SPECTROSCOPY = '1.2.840.10008.5.1.4.1.1.4.2'

/** Whether an object is itself looked at as a picture: a dose is, besides what it is on others. */
export function isPicture(instance: DicomJson): boolean {
  const kind = kindOfLayer(instance)
  return (kind === null || kind === 'dose') && text(instance, '00080016') !== SPECTROSCOPY
}

/** How far a frame (from 0) of a dose lies along its normal from where the first does, mm: it says so for all of them at once. */
export function offsetOfFrame(instance: DicomJson, frame: number): number {
  const offsets = instance[GRID_FRAME_OFFSET_VECTOR]?.Value
  if (!offsets || kindOfLayer(instance) !== 'dose') return 0
  return frameOffsets(instance)?.[frame] ?? 0
}
