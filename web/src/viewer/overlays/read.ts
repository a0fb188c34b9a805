import type { DicomJson } from '../dicom'
import { kindOfLayer } from './kinds'
import type { Layer } from './layers'
import { segmentationOf } from './segmentation'
import { structuresOf } from './structures'

const read = new WeakMap<DicomJson, Layer | null>()

/** What of a series is laid over the pictures of others. */
export function layersOf(instances: readonly DicomJson[]): Layer[] {
  return instances.flatMap((instance) => {
    const kind = kindOfLayer(instance)
    if (!kind) return []
    const known = read.get(instance)
    const found = known === undefined ? (kind === 'structures' ? structuresOf(instance) : segmentationOf(instance)) : known
    read.set(instance, found)
    return found ? [found] : []
  })
}
