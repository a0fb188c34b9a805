import type { DicomJson } from '../dicom'
import { doseLayerOf } from './dose'
import { kindOfLayer, type LayerKind } from './kinds'
import type { Layer } from './layers'
import { segmentationOf } from './segmentation'
import { structuresOf } from './structures'

const READ: Readonly<Record<LayerKind, (instance: DicomJson) => Layer | null>> = { segmentation: segmentationOf, structures: structuresOf, dose: doseLayerOf }
const read = new WeakMap<DicomJson, Layer | null>()

/** What of a series is laid over the pictures of others. */
export function layersOf(instances: readonly DicomJson[]): Layer[] {
  return instances.flatMap((instance) => {
    const kind = kindOfLayer(instance)
    if (!kind) return []
    const known = read.get(instance)
    const found = known === undefined ? READ[kind](instance) : known
    read.set(instance, found)
    return found ? [found] : []
  })
}
