/** Why a file is no model that can be drawn, in words for who reads. */
export class NotAModel extends Error {}

/** Triangles that look alike: three corners of three numbers each, and which way each corner faces. */
export interface Solid {
  name: string
  /** Of an OBJ; null: none is named. */
  material: string | null
  positions: Float32Array<ArrayBuffer>
  normals: Float32Array<ArrayBuffer>
  /** Where in the picture of its material each corner lies, two numbers a corner, the lower left being 0; null: nothing says so. */
  places: Float32Array<ArrayBuffer> | null
}

export interface Model {
  solids: Solid[]
  triangles: number
  /** Triangles that name corners which are not there, or corners that are no numbers. */
  skipped: number
  least: readonly [number, number, number]
  most: readonly [number, number, number]
}

export interface Material {
  name: string
  /** Red, green and blue from 0 to 1; null: none is told. */
  colour: readonly [number, number, number] | null
  opacity: number
  /** The name of the picture that it lays on the surface; null: none. */
  picture: string | null
}

/** More would take more memory than a page is given. */
export const BYTES_MAX = 256 * 1024 * 1024
const TRIANGLES_MAX = 2_000_000
const CORNERS_MAX = 6_000_000
const SOLIDS_MAX = 500
const MATERIALS_MAX = 1_000
const NAME_MAX = 64
const HEADER = 80
const FACET = 50
const TOO_MANY = `This model has more than ${(TRIANGLES_MAX / 1e6).toFixed(0)} million triangles, which is more than is drawn here.`

export function readModel(format: 'STL' | 'OBJ', bytes: Uint8Array): Model {
  if (bytes.length > BYTES_MAX) throw new NotAModel('This model is too large to be drawn here.')
  const { parts, skipped } = format === 'STL' ? readStl(bytes) : readObj(bytes)
  const least: [number, number, number] = [Infinity, Infinity, Infinity]
  const most: [number, number, number] = [-Infinity, -Infinity, -Infinity]
  let triangles = 0
  for (const { positions } of parts) {
    triangles += positions.length / 9
    for (let at = 0; at < positions.length; at += 1) {
      const axis = (at % 3) as 0 | 1 | 2
      const value = positions[at] ?? 0
      if (value < least[axis]) least[axis] = value
      if (value > most[axis]) most[axis] = value
    }
  }
  if (!triangles) throw new NotAModel(`This ${format} file holds no triangles: there is nothing to draw.`)
  return { solids: parts.map((part) => ({ ...part, normals: normalsOf(part.positions) })), triangles, skipped, least, most }
}

interface Parts {
  parts: Omit<Solid, 'normals'>[]
  skipped: number
}

/** Values grow as they come, up to a bound. */
class Growing {
  private values = new Float32Array(9 * 1024)
  length = 0

  push(value: number): void {
    if (this.length === this.values.length) {
      const next = new Float32Array(2 * this.values.length)
      next.set(this.values)
      this.values = next
    }
    this.values[this.length] = value
    this.length += 1
  }

  at(index: number): number {
    return this.values[index] ?? NaN
  }

  whole(): Float32Array<ArrayBuffer> {
    return this.values.slice(0, this.length)
  }
}

function readStl(bytes: Uint8Array): Parts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const told = bytes.length >= HEADER + 4 ? view.getUint32(HEADER, true) : null
  // Binary files may begin with the word of the others: what counts is whether they are as long as they say.
  const fits = told !== null && bytes.length >= HEADER + 4 + told * FACET && bytes.length <= HEADER + 4 + told * FACET + 1
  const isWords = !fits && /^\s*solid\b/.test(new TextDecoder('latin1').decode(bytes.subarray(0, 512)))
  if (isWords) return readStlWords(bytes)
  if (told === null) throw new NotAModel('This is no STL file: it is too short.')
  if (told > TRIANGLES_MAX && fits) throw new NotAModel(TOO_MANY)
  if (bytes.length < HEADER + 4 + told * FACET) throw new NotAModel(`This STL file is cut off, or is none: it tells of ${told} triangles, and holds at most ${Math.floor((bytes.length - HEADER - 4) / FACET)}.`)
  if (told > TRIANGLES_MAX) throw new NotAModel(TOO_MANY)
  const positions = new Float32Array(9 * told)
  let kept = 0
  for (let facet = 0; facet < told; facet += 1) {
    let isWhole = true
    for (let at = 0; at < 9; at += 1) {
      const value = view.getFloat32(HEADER + 4 + facet * FACET + 12 + 4 * at, true)
      isWhole &&= isPlace(value)
      positions[kept + at] = value
    }
    if (isWhole) kept += 9
  }
  return { parts: kept ? [{ name: '', material: null, positions: positions.slice(0, kept), places: null }] : [], skipped: told - kept / 9 }
}

function readStlWords(bytes: Uint8Array): Parts {
  const words = new TextDecoder('latin1').decode(bytes)
  const parts: Parts['parts'] = []
  let [current, name, skipped, total] = [new Growing(), '', 0, 0]
  let corners: number[] = []
  const close = () => {
    if (current.length) parts.push({ name, material: null, positions: current.whole(), places: null })
    if (parts.length > SOLIDS_MAX) throw new NotAModel(`This model has more than ${SOLIDS_MAX} parts, which is more than is drawn here.`)
    current = new Growing()
  }
  for (const line of linesOf(words)) {
    const [first = '', ...rest] = line.split(/\s+/)
    const word = first.toLowerCase()
    if (word === 'solid') {
      close()
      name = rest.join(' ').slice(0, NAME_MAX)
    } else if (word === 'vertex') corners.push(...[0, 1, 2].map((at) => Number(rest[at] ?? NaN)))
    else if (word === 'endloop') {
      if (corners.length === 9 && corners.every(isPlace)) {
        if ((total += 1) > TRIANGLES_MAX) throw new NotAModel(TOO_MANY)
        for (const value of corners) current.push(value)
      } else skipped += 1
      corners = []
    }
    if (corners.length > 9) {
      skipped += 1
      corners = []
    }
  }
  close()
  return { parts, skipped }
}

/** A place that a screen can be laid out by. */
function isPlace(value: number): boolean {
  return Number.isFinite(value) && Math.abs(value) < 1e7
}

/** Lines without what is around them, one after the other: a file of one endless line is no reason to hold it twice. */
function* linesOf(words: string): Generator<string> {
  let from = 0
  while (from < words.length) {
    let to = words.indexOf('\n', from)
    if (to < 0) to = words.length
    if (to - from < 100_000) yield words.slice(from, to).trim()
    from = to + 1
  }
}

interface Open {
  name: string
  material: string | null
  positions: Growing
  places: Growing
  isPlaced: boolean
}

function readObj(bytes: Uint8Array): Parts {
  const corners = new Growing()
  const places = new Growing()
  const parts = new Map<string, Open>()
  let [name, skipped, total, seen] = ['', 0, 0, 0]
  let material: string | null = null
  let current: Open | null = null
  const open = () => {
    const key = `${name}\n${material ?? ''}`
    let found = parts.get(key)
    if (!found) {
      if (parts.size >= SOLIDS_MAX) throw new NotAModel(`This model has more than ${SOLIDS_MAX} parts, which is more than is drawn here.`)
      found = { name, material, positions: new Growing(), places: new Growing(), isPlaced: false }
      parts.set(key, found)
    }
    return found
  }
  for (const line of linesOf(new TextDecoder().decode(bytes))) {
    if (!line || line.startsWith('#')) continue
    const [word = '', ...rest] = line.split(/\s+/)
    if (word === 'v') {
      if ((seen += 1) > CORNERS_MAX) throw new NotAModel(TOO_MANY)
      for (let axis = 0; axis < 3; axis += 1) corners.push(Number(rest[axis] ?? NaN))
    } else if (word === 'vt') {
      if (places.length >= 2 * CORNERS_MAX) throw new NotAModel(TOO_MANY)
      for (let axis = 0; axis < 2; axis += 1) places.push(Number(rest[axis] ?? 0))
    } else if (word === 'g' || word === 'o') {
      name = rest.join(' ').slice(0, NAME_MAX)
      current = null
    } else if (word === 'usemtl') {
      material = rest.join(' ').slice(0, NAME_MAX) || null
      current = null
    } else if (word === 'f') {
      const count = corners.length / 3
      // Counted from 1, or from the last that was told of, backwards.
      const indexOf = (one: string | undefined, of: number) => {
        const index = Number.parseInt(one ?? '', 10)
        return index > 0 ? index - 1 : of + index
      }
      const named = rest.map((one) => indexOf(one, count))
      const laid = rest.map((one) => indexOf(one.split('/')[1], places.length / 2))
      const isWhole = named.length >= 3 && named.every((at) => at >= 0 && at < count && [0, 1, 2].every((axis) => isPlace(corners.at(3 * at + axis))))
      if (!isWhole) {
        skipped += 1
        continue
      }
      current ??= open()
      for (let at = 1; at + 1 < named.length; at += 1) {
        if ((total += 1) > TRIANGLES_MAX) throw new NotAModel(TOO_MANY)
        for (const each of [0, at, at + 1]) {
          for (let axis = 0; axis < 3; axis += 1) current.positions.push(corners.at(3 * (named[each] ?? 0) + axis))
          const on = laid[each] ?? NaN
          const place = [0, 1].map((axis) => places.at(2 * on + axis))
          const isPlaced = on >= 0 && on < places.length / 2 && place.every(isPlace)
          current.isPlaced ||= isPlaced
          for (const value of place) current.places.push(isPlaced ? value : 0)
        }
      }
    }
  }
  return { parts: [...parts.values()].filter((one) => one.positions.length).map((one) => ({ ...one, positions: one.positions.whole(), places: one.isPlaced ? one.places.whole() : null })), skipped }
}

/** Materials of Wavefront: of each its diffuse colour and how much is seen through it. */
export function readMtl(words: string): Material[] {
  const found: Material[] = []
  for (const line of linesOf(words)) {
    const [word = '', ...rest] = line.split(/\s+/)
    const last = found.length - 1
    const material = found[last]
    const numbers = rest.map(Number)
    if (word === 'newmtl' && found.length < MATERIALS_MAX) found.push({ name: rest.join(' ').slice(0, NAME_MAX), colour: null, opacity: 1, picture: null })
    else if (!material) continue
    else if (word === 'Kd' && numbers.length >= 3 && numbers.every(Number.isFinite)) found[last] = { ...material, colour: [unit(numbers[0]), unit(numbers[1]), unit(numbers[2])] }
    else if (word === 'd' && Number.isFinite(numbers.at(-1))) found[last] = { ...material, opacity: unit(numbers.at(-1)) }
    else if (word === 'Tr' && Number.isFinite(numbers[0])) found[last] = { ...material, opacity: 1 - unit(numbers[0]) }
    else if (word === 'map_Kd') found[last] = { ...material, picture: fileIn(rest) }
  }
  return found
}

/** The name of a file after options, `-s 1 1 1 -clamp on skin colour.png`: it may have spaces. */
function fileIn(words: readonly string[]): string | null {
  let at = 0
  while (words[at]?.startsWith('-')) {
    at += words[at] === '-imfchan' ? 2 : 1
    while (at < words.length - 1 && /^(on|off|[-+.\d][-+.\de]*)$/i.test(words[at] ?? '') && !/^-[a-z]/i.test(words[at] ?? '')) at += 1
  }
  return words.slice(at).join(' ').slice(0, 4 * NAME_MAX) || null
}

function unit(value: number | undefined): number {
  return Math.max(0, Math.min(1, value ?? 0))
}

/** Where two triangles meet in a sharper edge than this, each faces its own way. */
const SMOOTH = Math.cos((40 * Math.PI) / 180)

/** Which way each corner faces: as those beside it together where the surface is smooth, as its own triangle at an edge. */
export function normalsOf(positions: Float32Array): Float32Array<ArrayBuffer> {
  const corners = positions.length / 3
  const bits = new Uint32Array(positions.buffer, positions.byteOffset, positions.length)
  const size = 2 ** Math.ceil(Math.log2(Math.max(4, 2 * corners)))
  const table = new Int32Array(size).fill(-1)
  const same = new Int32Array(corners)
  for (let corner = 0; corner < corners; corner += 1) {
    const at = 3 * corner
    let slot = ((Math.imul(bits[at] ?? 0, 73856093) ^ Math.imul(bits[at + 1] ?? 0, 19349663) ^ Math.imul(bits[at + 2] ?? 0, 83492791)) >>> 0) & (size - 1)
    slot = (slot ^ (slot >>> 15)) & (size - 1)
    for (;;) {
      const known = table[slot] ?? -1
      if (known < 0) {
        table[slot] = corner
        same[corner] = corner
        break
      }
      if (bits[3 * known] === bits[at] && bits[3 * known + 1] === bits[at + 1] && bits[3 * known + 2] === bits[at + 2]) {
        same[corner] = known
        break
      }
      slot = (slot + 1) & (size - 1)
    }
  }
  const flat = new Float32Array(positions.length)
  const sums = new Float32Array(positions.length)
  for (let at = 0; at + 8 < positions.length; at += 9) {
    const p = (n: number) => positions[at + n] ?? 0
    const [ax, ay, az] = [p(3) - p(0), p(4) - p(1), p(5) - p(2)]
    const [bx, by, bz] = [p(6) - p(0), p(7) - p(1), p(8) - p(2)]
    // As long as the triangle is large: large ones weigh more.
    const normal = [ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]
    for (let corner = 0; corner < 3; corner += 1) {
      const shared = 3 * (same[at / 3 + corner] ?? 0)
      for (let axis = 0; axis < 3; axis += 1) {
        flat[at + 3 * corner + axis] = normal[axis] ?? 0
        sums[shared + axis] = (sums[shared + axis] ?? 0) + (normal[axis] ?? 0)
      }
    }
  }
  for (let corner = 0; corner < corners; corner += 1) {
    const own = unitOf(flat, 3 * corner)
    const joint = unitOf(sums, 3 * (same[corner] ?? 0))
    const chosen = own[0] * joint[0] + own[1] * joint[1] + own[2] * joint[2] > SMOOTH ? joint : own
    flat.set(chosen, 3 * corner)
  }
  return flat
}

function unitOf(values: Float32Array, at: number): readonly [number, number, number] {
  const [x, y, z] = [values[at] ?? 0, values[at + 1] ?? 0, values[at + 2] ?? 0]
  const length = Math.hypot(x, y, z) || 1
  return [x / length, y / length, z / length]
}
