/** The part of a grid that something covers: nothing outside of its box is covered. */
export interface Mask {
  left: number
  top: number
  width: number
  height: number
  /** A bit a pixel, row after row without gaps, the lowest bit of a byte first; or a value a pixel, where it is covered in part. */
  bits: Uint8Array | null
  values: Uint8Array | null
  /** How many pixels are covered; of values their sum, as parts of the greatest. */
  count: number
}

/** Whether a pixel of the grid is covered; of values, by at least `level`. */
export function covers(mask: Mask, x: number, y: number, level: number): boolean {
  const [column, row] = [x - mask.left, y - mask.top]
  if (column < 0 || row < 0 || column >= mask.width || row >= mask.height) return false
  const at = row * mask.width + column
  if (mask.values) return (mask.values[at] ?? 0) >= level
  return (((mask.bits?.[at >> 3] ?? 0) >> (at & 7)) & 1) === 1
}

export function bytesOfMask({ bits, values }: Mask): number {
  return (bits?.byteLength ?? 0) + (values?.byteLength ?? 0)
}

interface Box {
  left: number
  top: number
  right: number
  bottom: number
}

/** The box's pixels that `is` says, packed. */
function packed({ left, top, right, bottom }: Box, is: (x: number, y: number) => boolean): Mask {
  const [width, height] = [right - left + 1, bottom - top + 1]
  const bits = new Uint8Array((width * height + 7) >> 3)
  let at = 0
  let count = 0
  for (let y = top; y <= bottom; y++)
    for (let x = left; x <= right; x++, at++)
      if (is(x, y)) {
        bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7))
        count++
      }
  return { left, top, width, height, bits, values: null, count }
}

/** A frame of a bit a pixel, the first at `firstBit` (PS3.5 8.1.1: the lowest bit of a byte first); null: nothing is covered. */
export function maskOfBits(bytes: Uint8Array, columns: number, rows: number, firstBit = 0): Mask | null {
  const box: Box = { left: columns, top: rows, right: -1, bottom: -1 }
  for (let row = 0; row < rows; row++) {
    let bit = firstBit + row * columns
    const end = bit + columns
    while (bit < end) {
      const byte = bytes[bit >> 3] ?? 0
      // Most of a frame is empty.
      if (byte >> (bit & 7) === 0) {
        bit = ((bit >> 3) + 1) << 3
        continue
      }
      if ((byte >> (bit & 7)) & 1) {
        const column = bit - (end - columns)
        if (column < box.left) box.left = column
        if (column > box.right) box.right = column
        if (row < box.top) box.top = row
        box.bottom = row
      }
      bit++
    }
  }
  if (box.right < 0) return null
  return packed(box, (x, y) => {
    const bit = firstBit + y * columns + x
    return (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1
  })
}

/** A frame of parts of `most` (Maximum Fractional Value), kept as parts of 255. */
export function maskOfParts(values: ArrayLike<number>, columns: number, rows: number, most: number): Mask | null {
  const box: Box = { left: columns, top: rows, right: -1, bottom: -1 }
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      if (values[row * columns + column]) {
        if (column < box.left) box.left = column
        if (column > box.right) box.right = column
        if (row < box.top) box.top = row
        box.bottom = row
      }
  if (box.right < 0) return null
  const [width, height] = [box.right - box.left + 1, box.bottom - box.top + 1]
  const out = new Uint8Array(width * height)
  let sum = 0
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const part = Math.min(1, (values[(box.top + y) * columns + box.left + x] ?? 0) / most)
      sum += part
      // What is covered at all stays so.
      out[y * width + x] = part > 0 ? Math.max(1, Math.round(part * 255)) : 0
    }
  return { left: box.left, top: box.top, width, height, bits: null, values: out, count: sum }
}

/** The masks of a frame whose values are numbers of segments, by number; `background` is none of them. */
export function masksOfLabels(values: ArrayLike<number>, columns: number, rows: number, background: number): Map<number, Mask> {
  const boxes = new Map<number, Box>()
  let last: Box | undefined
  let lastValue = background
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const value = values[row * columns + column] ?? background
      if (value === background) continue
      if (value !== lastValue || !last) {
        last = boxes.get(value)
        lastValue = value
        if (!last) boxes.set(value, (last = { left: column, top: row, right: column, bottom: row }))
      }
      if (column < last.left) last.left = column
      if (column > last.right) last.right = column
      last.bottom = row
    }
  return new Map(Array.from(boxes, ([value, box]) => [value, packed(box, (x, y) => values[y * columns + x] === value)] as const))
}

const EAST = 0
const STEPS = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
] as const
/** The pixels before the hand that follows an edge with what is covered at its right: at the right and at the left of its way. */
const AHEAD_RIGHT = [
  [0, 0],
  [-1, 0],
  [-1, -1],
  [0, -1],
] as const
const AHEAD_LEFT = [
  [0, -1],
  [0, 0],
  [-1, 0],
  [-1, -1],
] as const

/**
 * The edge of what is covered as an SVG path along the edges of pixels, closed and with its holes (even-odd); `x` and `y`
 * are of the grid, whose first pixel reaches from 0 to 1.
 */
export function outlineOf(width: number, height: number, is: (x: number, y: number) => boolean, left = 0, top = 0): string {
  // With a margin of nothing, so that no neighbour has to be looked for outside.
  const wide = width + 2
  const cells = new Uint8Array(wide * (height + 2))
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) if (is(left + x, top + y)) cells[(y + 1) * wide + x + 1] = 1
  return followed(cells, width, height, left, top)
}

/** The same of cells that have a margin of one on each side. */
function followed(cells: Uint8Array, width: number, height: number, left: number, top: number): string {
  const wide = width + 2
  const inside = (x: number, y: number) => cells[(y + 1) * wide + x + 1] === 1
  const seen = new Uint8Array(wide * (height + 2))
  let path = ''
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      if (!inside(x, y) || inside(x, y - 1) || seen[(y + 1) * wide + x + 1]) continue
      path += `M${left + x} ${top + y}`
      let [atX, atY, way] = [x, y, EAST as number]
      do {
        if (way === EAST) seen[(atY + 1) * wide + atX + 1] = 1
        const step = STEPS[way] ?? STEPS[0]
        atX += step[0]
        atY += step[1]
        const [right, leftOf] = [AHEAD_RIGHT[way] ?? AHEAD_RIGHT[0], AHEAD_LEFT[way] ?? AHEAD_LEFT[0]]
        const next = !inside(atX + right[0], atY + right[1]) ? (way + 1) % 4 : inside(atX + leftOf[0], atY + leftOf[1]) ? (way + 3) % 4 : way
        if (next !== way) path += way % 2 === 0 ? `H${left + atX}` : `V${top + atY}`
        way = next
      } while (atX !== x || atY !== y || way !== EAST)
      path += 'Z'
    }
  return path
}

/** The outline of what a mask covers, of values by at least `level`. */
export function outlineOfMask(mask: Mask, level: number): string {
  const { left, top, width, height, bits, values } = mask
  const cells = new Uint8Array((width + 2) * (height + 2))
  let at = 0
  for (let y = 1; y <= height; y++)
    for (let cell = y * (width + 2) + 1, end = cell + width; cell < end; cell++, at++)
      cells[cell] = values ? ((values[at] ?? 0) >= level ? 1 : 0) : ((bits?.[at >> 3] ?? 0) >> (at & 7)) & 1
  return followed(cells, width, height, left, top)
}
