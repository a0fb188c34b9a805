import type { DicomJson } from '../dicom'
import { doseLayerOf } from './dose'
import { heightsOf } from './heights'
import { kindOfLayer, type LayerKind } from './kinds'
import type { Layer } from './layers'
import { segmentationOf } from './segmentation'
import { surfacesOf } from './surfaces'
import { structuresOf } from './structures'

const READ: Readonly<Record<LayerKind, (instance: DicomJson) => Layer | null>> = { segmentation: segmentationOf, structures: structuresOf, dose: doseLayerOf, surfaces: surfacesOf, heights: heightsOf }
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
