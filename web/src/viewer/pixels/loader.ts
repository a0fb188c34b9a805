import { imageLoader, metaData, utilities, type Types } from '@cornerstonejs/core'
import { createImage } from '@cornerstonejs/dicom-image-loader'
import { http } from '@/lib/api'
import { item, number, numbers, text, type DicomJson } from '../dicom'
import type { Frame } from '../stacks'
import { colours, painted, saysItsColours } from './colours'
import { fetching } from './fetching'
import { frameOf, rememberTable, whileHeld } from './remembered'
import { functionOf, isPet, isPlain } from './plain'
import { suvOf } from './suv'
import { paletteOf, tableIn } from './tables'
import { beyondTables, extremes, layoutOf, modalityValues, paddingOf, rescaleOf, storedValues, type Layout, type Values } from './values'

const MODALITY_TABLES = '00283000'
const VOI_TABLES = '00283010'
const JPEG_BASELINE = '1.2.840.10008.1.2.4.50'

/** Takes the place of Cornerstone's loader of DICOMweb frames. */
export function registerLoader(): void {
  // Tools ask by this in what units the values are.
  metaData.addProvider((type: string, imageId: string) => {
    const metadata = type === 'scalingModule' ? frameOf(imageId)?.metadata : undefined
    const suv = metadata && isPet(metadata) ? suvOf(metadata) : null
    return suv && 'factor' in suv ? { suvbw: suv.factor } : undefined
  })
  imageLoader.registerImageLoader('wadors', (imageId: string, options?: unknown) => ({
    promise: whileHeld(imageId, (frame) => load(frame, (options ?? {}) as Record<string, unknown>)),
  }))
}

async function load(frame: Frame, options: Record<string, unknown>): Promise<Types.IImage> {
  const { imageId, metadata } = frame
  const layout = layoutOf(metadata)
  const image = (isPlain(metadata, layout) ? await byCornerstone(imageId, options, metadata, layout) : null) ?? (await byOurselves(frame, layout))
  // Cornerstone takes the first letter of the function's name for its name.
  Object.assign(image, { voiLUTFunction: functionOf(metadata) })
  const windowed = numbers(metadata, '00281051').length > 0
  if (layout.samples === 1 && !windowed) {
    // What a Modality LUT gives has no sign; what lies below zero there is padding.
    const signed = !item(metadata, MODALITY_TABLES) && (layout.signed || image.minPixelValue < 0)
    const table = await tableIn(metadata, VOI_TABLES, signed)
    if (table) rememberTable(imageId, 'voiTable', table)
    else frameWindow(image, metadata)
  }
  return image
}

/** Without a window the whole range of values is shown, but not of the padding around the picture. */
function frameWindow(image: Types.IImage, metadata: DicomJson): void {
  const isPadding = paddingOf(metadata)
  if (image.color || !isPadding) return
  const { slope, intercept } = rescaleOf(metadata) ?? { slope: 1, intercept: 0 }
  const isAround = item(metadata, MODALITY_TABLES) ? beyondTables : (value: number) => isPadding(Math.round((value - intercept) / slope))
  const [low, high] = extremes(image.getPixelData(), isAround)
  Object.assign(image, { windowCenter: (low + high + 1) / 2, windowWidth: high - low + 1 })
}

/** Null where the pixels hold bits that are none of theirs, which Cornerstone takes for values. */
async function byCornerstone(imageId: string, options: Record<string, unknown>, metadata: DicomJson, layout: Layout): Promise<Types.IImage | null> {
  const image = await decoded(imageId, options)
  // Eight bits with a sign are no texture of WebGL's.
  if (image.getPixelData() instanceof Int8Array) return null
  if (layout.samples === 3 || layout.signed || layout.stored >= layout.allocated) return image
  const { slope, intercept } = rescaleOf(metadata) ?? { slope: 1, intercept: 0 }
  const most = Math.max(intercept, (2 ** layout.stored - 1) * slope + intercept)
  return image.maxPixelValue > most + Math.abs(slope) / 2 ? null : image
}

/** The picture as Cornerstone makes it of its bytes. What was joined of two parts and is no picture is fetched anew. */
async function decoded(imageId: string, options: Record<string, unknown>): Promise<Types.IImage> {
  const { bytes, contentType, joined } = await fetching.whole(imageId)
  const syntax = /transfer-syntax=([\d.]+)/.exec(contentType)?.[1] ?? '1.2.840.10008.1.2.1'
  try {
    return (await createImage(imageId, bytes, syntax, { ...options })) as Types.IImage
  } catch (error) {
    if (!joined) throw error
    fetching.distrust(imageId)
    return decoded(imageId, options)
  }
}

function pathOf(imageId: string): string {
  return new URL(imageId.slice('wadors:'.length)).pathname
}

async function fetched(imageId: string, accept: string): Promise<Uint8Array> {
  const blob = await http.blob(pathOf(imageId), { headers: { Accept: accept } })
  return new Uint8Array(await blob.arrayBuffer())
}

async function byOurselves(frame: Frame, layout: Layout): Promise<Types.IImage> {
  const { imageId, metadata } = frame
  if (layout.samples === 3 && layout.allocated === 8 && layout.transferSyntaxUid === JPEG_BASELINE) {
    const jpeg = await fetched(imageId, `image/jpeg; transfer-syntax=${JPEG_BASELINE}`)
    if (saysItsColours(jpeg) || layout.photometric.startsWith('YBR')) return imageOf(frame, layout, await byBrowser(jpeg), true)
  }
  const bytes = await fetched(imageId, 'application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1')
  if (layout.samples >= 3) return imageOf(frame, layout, colours(bytes, layout), true)
  const stored = storedValues(bytes, layout)
  if (layout.photometric === 'PALETTE COLOR') {
    const palette = await paletteOf(metadata)
    if (!palette) throw new Error('The picture has no palette.')
    return imageOf(frame, layout, painted(stored, palette), true)
  }
  const table = await tableIn(metadata, MODALITY_TABLES, layout.signed)
  if (table) rememberTable(imageId, 'modalityTable', table)
  const isPadding = paddingOf(metadata)
  const values = modalityValues(stored, rescaleOf(metadata), table, isPadding && { is: isPadding, white: layout.photometric === 'MONOCHROME1' })
  const suv = isPet(metadata) ? suvOf(metadata) : null
  if (suv === null || 'reason' in suv) return imageOf(frame, layout, values, false)
  return imageOf(frame, layout, Float32Array.from(values, (value) => value * suv.factor), false, suv.factor)
}

/** A JPEG's red, green and blue as the browser decodes it. */
async function byBrowser(jpeg: Uint8Array): Promise<Uint8ClampedArray> {
  const bitmap = await createImageBitmap(new Blob([jpeg as BlobPart], { type: 'image/jpeg' }), { colorSpaceConversion: 'none', premultiplyAlpha: 'none', imageOrientation: 'none' } as ImageBitmapOptions)
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height)
  const context = canvas.getContext('2d', { willReadFrequently: true })
  if (!context) throw new Error('This browser cannot draw.')
  context.drawImage(bitmap, 0, 0)
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height)
  bitmap.close()
  const out = new Uint8ClampedArray((data.length / 4) * 3)
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) out.set(data.subarray(from, from + 3), to)
  return out
}

/** The picture as Cornerstone keeps one. */
export function imageOf(frame: Pick<Frame, 'imageId' | 'metadata'>, layout: Layout, pixels: Values | Uint8ClampedArray, isColour: boolean, suvbw?: number): Types.IImage {
  const { metadata, imageId } = frame
  const { rows, columns } = layout
  if (pixels.length !== rows * columns * (isColour ? 3 : 1)) throw new Error('The picture has another size than it says.')
  const scalarData = pixels instanceof Uint8ClampedArray ? new Uint8Array(pixels.buffer) : pixels
  const numberOfComponents = isColour ? 3 : 1
  const [low, high] = extremes(scalarData)
  // A window of Bq/ml says nothing of SUV.
  const [center, width] = suvbw === undefined ? [number(metadata, '00281050'), number(metadata, '00281051')] : [2.5, 5]
  const spacing = numbers(metadata, '00280030')
  const voxelManager = utilities.VoxelManager.createImageVoxelManager({ width: columns, height: rows, scalarData, numberOfComponents })
  const photometricInterpretation = isColour ? 'RGB' : layout.photometric
  const scalingParameters = { rescaleSlope: 1, rescaleIntercept: 0, modality: text(metadata, '00080060') ?? '', ...(suvbw === undefined ? {} : { suvbw }) }
  return {
    imageId,
    dataType: scalarData.constructor.name,
    color: isColour,
    rgba: false,
    columns,
    rows,
    width: columns,
    height: rows,
    rowPixelSpacing: spacing[0] ?? 1,
    columnPixelSpacing: spacing[1] ?? 1,
    numberOfComponents,
    sizeInBytes: scalarData.byteLength,
    minPixelValue: low,
    maxPixelValue: high,
    slope: 1,
    intercept: 0,
    invert: layout.photometric === 'MONOCHROME1',
    windowCenter: isColour ? 128 : center !== null && width !== null ? center : (low + high + 1) / 2,
    windowWidth: isColour ? 256 : center !== null && width !== null ? width : high - low + 1,
    // The values are those of the modality already.
    preScale: { enabled: true, scaled: true, scalingParameters },
    photometricInterpretation,
    imageFrame: { photometricInterpretation, rows, columns, samplesPerPixel: numberOfComponents },
    voxelManager,
    getPixelData: () => scalarData,
    getCanvas: undefined,
  } as unknown as Types.IImage
}
