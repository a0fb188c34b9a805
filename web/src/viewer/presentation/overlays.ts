import { number, numbers, text, type DicomElement, type DicomJson } from '../dicom'

/** One bit plane drawn over a picture (PS3.3 C.9.2). */
export interface Overlay {
  /** 6000, 6002 … 601E. */
  group: string
  rows: number
  columns: number
  /** The row and column of the picture that its first bit lies on, from 1. */
  origin: readonly [number, number]
  /** Bits of the frame that is shown begin here. */
  firstBit: number
  data: DicomElement
  label: string | null
}

/**
 * The overlays of a frame. Those that lie in unused bits of the pixels (Overlay Bits Allocated over 1, retired in 2004)
 * have no data of their own and are left out.
 */
export function overlaysOf(instance: DicomJson, frameNumber: number): Overlay[] {
  const found: Overlay[] = []
  for (let at = 0; at < 16; at++) {
    const group = (0x6000 + 2 * at).toString(16).toUpperCase()
    const rows = number(instance, `${group}0010`)
    const columns = number(instance, `${group}0011`)
    const data = instance[`${group}3000`]
    if (!rows || !columns || !data || (number(instance, `${group}0100`) ?? 1) !== 1) continue
    const [top, left] = numbers(instance, `${group}0050`)
    // An overlay of several frames belongs to the picture's frames from Image Frame Origin on.
    const frames = number(instance, `${group}0015`) ?? 1
    const first = number(instance, `${group}0051`) ?? 1
    const index = frames > 1 ? frameNumber - first : 0
    if (index < 0 || index >= frames) continue
    found.push({
      group,
      rows,
      columns,
      origin: [top ?? 1, left ?? 1],
      firstBit: index * rows * columns,
      data,
      label: text(instance, `${group}1500`),
    })
  }
  return found
}

/** Whether a bit is set, the lowest bit of a byte first (PS3.5 8.1.2: overlay bits fill words from the least significant). */
export function bitAt(bytes: Uint8Array, bit: number): boolean {
  return (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1
}

/** The overlay as red, green, blue and opacity of each of its pixels, four bytes a pixel. */
export function painted(overlay: Overlay, bytes: Uint8Array, colour: readonly [number, number, number]): Uint8ClampedArray<ArrayBuffer> {
  const size = overlay.rows * overlay.columns
  const pixels = new Uint8ClampedArray(size * 4)
  for (let at = 0; at < size; at++) if (bitAt(bytes, overlay.firstBit + at)) pixels.set([...colour, 255], at * 4)
  return pixels
}
