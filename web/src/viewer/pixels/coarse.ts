import { getRenderingEngines, utilities, type StackViewport, type Types } from '@cornerstonejs/core'
import { createImage } from '@cornerstonejs/dicom-image-loader'
import type { Frame } from '../stacks'
import type { Beginning } from './beginnings'
import { functionOf } from './plain'
import { layoutOf, rescaleOf, type Values } from './values'

/** Coarse pictures, and what holds their values: nothing is measured on them. */
const known = new WeakSet<object>()

/** Whether a picture, or what holds its values, is coarse. */
export function isCoarse(one: object | null | undefined): boolean {
  return one != null && known.has(one)
}

/** Whether a picture is drawn coarse anywhere now. */
export function isDrawnCoarse(imageId: string): boolean {
  return (getRenderingEngines() ?? []).some((engine) =>
    engine.getViewports().some((viewport) => {
      const image = (viewport as Partial<StackViewport>).getCornerstoneImage?.() as Types.IImage | undefined
      return image?.imageId === imageId && isCoarse(image)
    }),
  )
}

/**
 * A picture of `columns` by `rows` from one whose sides were halved: the wavelet keeps every second value where it stood
 * (ISO 15444-1 F.4.8), so the value at x is that of x / 2^halvings, and those between lie on the line.
 */
export function enlarged<T extends Values>(small: T, smallColumns: number, columns: number, rows: number, halvings: number): T {
  const step = 2 ** halvings
  const smallRows = Math.floor(small.length / smallColumns)
  const out = new (small.constructor as new (length: number) => T)(columns * rows)
  const whole = !(small instanceof Float32Array)
  const line = new Float32Array(smallColumns)
  for (let y = 0; y < rows; y++) {
    const [above, down] = [Math.min(smallRows - 1, Math.floor(y / step)), (y % step) / step]
    const below = Math.min(smallRows - 1, above + 1)
    for (let x = 0; x < smallColumns; x++) {
      const value = small[above * smallColumns + x] ?? 0
      line[x] = value + ((small[below * smallColumns + x] ?? 0) - value) * down
    }
    const from = y * columns
    for (let x = 0; x < columns; x++) {
      const left = Math.min(smallColumns - 1, x >> halvings)
      const value = line[left] ?? 0
      const between = value + (((line[Math.min(smallColumns - 1, left + 1)] ?? 0) - value) * (x & (step - 1))) / step
      out[from + x] = whole ? Math.round(between) : between
    }
  }
  return out
}

/** The picture that the beginning of a frame's bytes shows, of the size of the whole; null: it cannot be shown so. */
export async function coarseImage({ imageId, metadata }: Frame, beginning: Beginning): Promise<Types.IImage | null> {
  if (!beginning.coarse) return null
  const { bytes, halvings } = beginning.coarse
  const syntax = /transfer-syntax=([\d.]+)/.exec(beginning.contentType)?.[1] ?? ''
  const small = (await createImage(imageId, beginning.bytes.slice(0, bytes), syntax, { useRGBA: false, decodeLevel: halvings } as never)) as Types.IImage
  const layout = layoutOf(metadata)
  const { rows, columns } = layout
  const values = small.getPixelData() as Values
  const half = (side: number) => Math.ceil(side / 2 ** halvings)
  if (values.length !== half(rows) * half(columns) || values instanceof Int8Array) return null
  const { slope, intercept } = rescaleOf(metadata) ?? { slope: 1, intercept: 0 }
  // Bits that are none of the picture's: it is read otherwise.
  if (!layout.signed && layout.stored < layout.allocated && small.maxPixelValue > Math.max(intercept, (2 ** layout.stored - 1) * slope + intercept) + Math.abs(slope) / 2) return null
  const scalarData = enlarged(values, half(columns), columns, rows, halvings)
  const voxelManager = utilities.VoxelManager.createImageVoxelManager({ width: columns, height: rows, scalarData, numberOfComponents: 1 })
  const image = {
    ...small,
    rows,
    columns,
    width: columns,
    height: rows,
    sizeInBytes: scalarData.byteLength,
    voxelManager,
    getPixelData: () => scalarData,
    imageFrame: { photometricInterpretation: layout.photometric, rows, columns, samplesPerPixel: 1 },
    voiLUTFunction: functionOf(metadata),
  } as unknown as Types.IImage
  known.add(image)
  known.add(voxelManager)
  return image
}
