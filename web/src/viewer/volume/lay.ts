import { Enums, imageLoader, volumeLoader, type Types } from '@cornerstonejs/core'
import { functionOf } from '../pixels/plain'
import { isLeastWhite } from '../pixels/values'
import type { Stack } from '../stacks'
import { gridOver, layersOf, scannedOn, type Values } from './resample'
import type { Missing } from './volumes'

const SLICES_AT_ONCE = 6
/** After working for so long, the screen gets a turn. */
const REST_MS = 25

/** A slice without which a volume would say what is not so. */
export class SliceMissing extends Error {
  constructor(index: number) {
    super(`Image ${index + 1} could not be loaded, and planes without it would be wrong. It is safe in the archive; try again.`)
  }
}

/** A volume that was made here of a stack's slices. */
export interface Laid {
  /** Its slices, which nobody else needs. */
  imageIds: readonly string[]
  /** Of all values. */
  least: number
  most: number
  /** The window of the middle slice; null: it says none. */
  window: { center: number; width: number } | null
  /** Whether the value of a voxel is a scanner's: not where slices are missing, or do not reach. */
  isScanned: (column: number, row: number, layer: number) => boolean
}

/**
 * Lays a stack's slices on an even, straight grid of its own, as the volume `volumeId`; `loaded` is told of them as they
 * come. Null where `stopped` says that nobody waits any more. Rejects with SliceMissing.
 */
export async function layVolume(volumeId: string, stack: Stack, missing: readonly Missing[], stopped: () => boolean, loaded: (count: number) => void): Promise<Laid | null> {
  const images: Types.IImage[] = []
  let [count, next] = [0, 0]
  const fetching = async () => {
    for (let at = next++; at < stack.frames.length && !stopped(); at = next++) {
      try {
        images[at] = await imageLoader.loadAndCacheImage(stack.frames[at]?.imageId ?? '', { requestType: Enums.RequestType.Prefetch, priority: 0 })
      } catch {
        throw new SliceMissing(at)
      }
      loaded(++count)
    }
  }
  await Promise.all(Array.from({ length: SLICES_AT_ONCE }, fetching))
  if (stopped()) return null
  const grid = gridOver(stack.frames.flatMap((frame) => (frame.plane ? [frame.plane] : [])), missing)
  const first = stack.frames[0]?.metadata
  const isTurned = first !== undefined && isLeastWhite(first)
  const least = images.reduce((least, image) => Math.min(least, image.minPixelValue), isTurned ? Infinity : stack.modality === 'CT' ? -1024 : 0)
  const most = images.reduce((greatest, image) => Math.max(greatest, image.maxPixelValue), -Infinity)
  // Where there is nothing it is black: air, where the units know it.
  const outside = isTurned ? most : least
  const whole = images.every((image) => !(image.getPixelData() instanceof Float32Array)) && least >= -32768 && most <= 32767
  const size = grid.columns * grid.rows
  const scalarData = whole ? new Int16Array(size * grid.layers.length) : new Float32Array(size * grid.layers.length)
  const valuesOf = (index: number): Values => {
    const image = images[index] as Types.IImage
    return { columns: image.columns, rows: image.rows, data: image.getPixelData() as ArrayLike<number> }
  }
  let [layer, rested] = [0, performance.now()]
  for (const values of layersOf(grid, valuesOf, outside)) {
    const from = layer++ * size
    if (whole) for (let at = 0; at < size; at++) scalarData[from + at] = Math.round(values[at] ?? outside)
    else scalarData.set(values, from)
    if (performance.now() - rested < REST_MS) continue
    // The screen answers meanwhile.
    await new Promise((resolve) => setTimeout(resolve))
    if (stopped()) return null
    rested = performance.now()
  }
  const { row, column, normal, origin, spacing } = grid
  const volume = volumeLoader.createLocalVolume(volumeId, {
    scalarData,
    dimensions: [grid.columns, grid.rows, grid.layers.length],
    spacing: [...spacing],
    origin: [...origin],
    direction: [...row, ...column, ...normal] as unknown as Types.Mat3,
    metadata: {
      BitsAllocated: whole ? 16 : 32,
      BitsStored: whole ? 16 : 32,
      HighBit: whole ? 15 : 31,
      SamplesPerPixel: 1,
      PhotometricInterpretation: images[0]?.photometricInterpretation ?? 'MONOCHROME2',
      PixelRepresentation: 1,
      Modality: stack.modality ?? 'OT',
      ImageOrientationPatient: [...row, ...column],
      PixelSpacing: [spacing[1], spacing[0]],
      FrameOfReferenceUID: stack.frameOfReferenceUid ?? '',
      Columns: grid.columns,
      Rows: grid.rows,
      voiLut: [],
      VOILUTFunction: first ? functionOf(first) : 'LINEAR',
      SeriesInstanceUID: stack.seriesInstanceUid,
    } as never,
  })
  const middle = images[Math.floor(images.length / 2)]
  const [center, width] = [middle?.windowCenter, middle?.windowWidth].map((value) => (Array.isArray(value) ? Number(value[0]) : Number(value)))
  return {
    imageIds: volume.imageIds,
    least,
    most,
    isScanned: scannedOn(grid, images[0]?.columns ?? 0, images[0]?.rows ?? 0),
    window: center !== undefined && width !== undefined && Number.isFinite(center) && width > 0 ? { center, width } : null,
  }
}
