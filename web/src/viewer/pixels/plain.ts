import { item, numbers, text, type DicomJson } from '../dicom'
import type { Frame } from '../stacks'
import { halvingsOf } from './link'
import { suvOf } from './suv'
import { layoutOf, rescaleOf, type Layout } from './values'

const MODALITY_TABLES = '00283000'
const JPEG = '1.2.840.10008.1.2.4.'
/** What Cornerstone's decoders were seen to read right; the rest is decoded by the archive. */
const DECODED_HERE = new Set([
  '1.2.840.10008.1.2',
  '1.2.840.10008.1.2.1',
  '1.2.840.10008.1.2.1.99',
  '1.2.840.10008.1.2.2',
  ...['80', '81', '90', '91', '201', '202', '203'].map((number) => JPEG + number),
])
/** Their codestreams may say another sign than the object, and Cornerstone believes them. */
const MAY_MISTAKE_THE_SIGN = new Set([`${JPEG}90`, `${JPEG}91`])
const FUNCTIONS = new Set(['LINEAR', 'LINEAR_EXACT', 'SIGMOID'])

export function isPet(metadata: DicomJson): boolean {
  return text(metadata, '00080060') === 'PT'
}

/** Whether Cornerstone's own loader makes of a picture what the standard says. */
export function isPlain(metadata: DicomJson, layout: Layout): boolean {
  if (layout.kind !== 'integer' || item(metadata, MODALITY_TABLES) || isPet(metadata)) return false
  if (layout.samples === 3) return layout.photometric === 'RGB' && layout.allocated === 8 && !layout.planes && DECODED_HERE.has(layout.transferSyntaxUid) && !layout.transferSyntaxUid.startsWith(JPEG)
  return (
    layout.samples === 1 &&
    layout.photometric.startsWith('MONOCHROME') &&
    (layout.allocated === 8 || layout.allocated === 16) &&
    layout.highBit === layout.stored - 1 &&
    !(layout.signed && (layout.allocated === 8 || MAY_MISTAKE_THE_SIGN.has(layout.transferSyntaxUid))) &&
    // Of fractions Cornerstone keeps whole numbers where only the least and the greatest value are whole.
    [rescaleOf(metadata)?.slope ?? 1, rescaleOf(metadata)?.intercept ?? 0].every(Number.isInteger) &&
    DECODED_HERE.has(layout.transferSyntaxUid)
  )
}

/** The function of the window (PS3.3 C.11.2.1.3): LINEAR where nothing sensible is said. */
export function functionOf(metadata: DicomJson): string {
  // What LINEAR leaves off of a window's ends is half a count, and would be half an SUV.
  if (isPet(metadata) && 'factor' in suvOf(metadata)) return 'LINEAR_EXACT'
  const said = text(metadata, '00281056') ?? ''
  return FUNCTIONS.has(said) ? said : 'LINEAR'
}

/**
 * How many times the sides of a frame are halved where it is coarse; 0: it is never shown so, for it is small, its values go
 * through more than a straight line, or it says no window and would be given one by values that are not its own.
 */
export function coarseHalvings(metadata: DicomJson): number {
  const layout = layoutOf(metadata)
  const windowed = numbers(metadata, '00281050').length > 0 && numbers(metadata, '00281051').length > 0
  if (layout.samples !== 1 || !windowed || !isPlain(metadata, layout)) return 0
  return halvingsOf(layout.rows, layout.columns, (layout.rows * layout.columns * layout.allocated) / 8)
}

export function pixelBytesOf({ metadata }: Frame): number {
  const { rows, columns, samples, allocated } = layoutOf(metadata)
  return (rows * columns * samples * allocated) / 8
}
