import { item, number, numbers, text, type DicomJson } from '../dicom'
import { dot, vec3, type Vec3 } from '../geometry'
import { paletteColour, rgbOfStoredLab, type Rgb } from './colours'
import { colourOf, itemsIn, labelOf, meaningOf, patientOf, worded, type Form, type Layer, type Part } from './layers'
import { bytesOfMask, maskOfBits, maskOfParts, masksOfLabels, type Mask } from './masks'
import { looked, paletteOf, tableOf, type Table } from '../pixels/tables'
import { axesOf, keptOutline, stepOf, volumeOf, type Slice, type Solid } from './solids'

const SHARED = '52009229'
const PER_FRAME = '52009230'
const DERIVATION = '00089124'
const SOURCE = '00082112'
/** Of one segment's masks, and of all together, no more is kept. */
const BYTES_MOST = 512 * 1024 * 1024

type Kind = 'BINARY' | 'FRACTIONAL' | 'LABELMAP'

/** Where a frame lies, and of which segment it is. */
interface Placed {
  /** From 1. */
  number: number
  /** Null: its values are numbers of segments. */
  segment: number | null
  grid: Grid | null
  origin: Vec3 | null
  /** The pictures that it was made on, `sop/frame`. */
  pictures: readonly string[]
}

/** What frames that lie in one stack have in common. */
interface Grid {
  key: string
  row: Vec3
  column: Vec3
  normal: Vec3
  spacing: readonly [number, number]
}

/** How an object's frames are to be read. */
export interface Segmented {
  kind: Kind
  rows: number
  columns: number
  allocated: number
  /** Maximum Fractional Value. */
  most: number
  /** A probability is no part of a voxel: what is more likely than not counts whole. */
  isProbability: boolean
  background: number
  frames: readonly Placed[]
  /** Between Slices of Pixel Measures, else how thick they are; 0: neither is told. */
  between: number
  thickness: number
  faults: readonly string[]
}

/** A Segmentation or Label Map Segmentation (PS3.3 A.51) as what is laid over pictures. */
export function segmentationOf(instance: DicomJson): Layer | null {
  const [key, study, series] = [text(instance, '00080018'), text(instance, '0020000D'), text(instance, '0020000E')]
  if (!key || !study || !series) return null
  const frameOfReferenceUid = text(instance, '00200052')
  const placed = hasPlaces(instance)
  const palette = inlinePalette(instance)
  const parts = itemsIn(instance, '00620002').flatMap((segment): Part[] => {
    const of = number(segment, '00620004')
    if (of === null) return []
    const property = [meaningOf(segment, '00620003'), meaningOf(segment, '0062000F'), meaningOf(item(segment, '0062000F'), '00620011')]
    return [
      {
        number: of,
        label: text(segment, '00620005') ?? property[1] ?? `Segment ${of}`,
        colour: colourOf((palette && rgbBy(palette, of)) ?? rgbOfStoredLab(numbers(segment, '0062000D')) ?? paletteColour(of)),
        meaning: property.filter(Boolean).join(' · ') || null,
        made: [worded(text(segment, '00620008')), text(segment, '00620009')].filter(Boolean).join(', ') || null,
        frameOfReferenceUid: placed ? frameOfReferenceUid : null,
      },
    ]
  })
  const source = referencedBy(instance)
  return {
    key,
    kind: 'segmentation',
    studyInstanceUid: study,
    seriesInstanceUid: series,
    label: labelOf(instance, ['00700080'], text(instance, '00620001') === 'HEIGHTMAP' ? 'Height map' : 'Segmentation'),
    patient: patientOf(instance),
    parts,
    ...source,
    instance,
    fault: faultOf(instance, parts),
  }
}

/** The colours that a label map has for its numbers (PS3.3 C.8.20.2), where they come with the object; null: they do not, or are elsewhere. */
function inlinePalette(instance: DicomJson): readonly Table[] | null {
  if (!hasPalette(instance)) return null
  const tables = ['1', '2', '3'].map((colour) => {
    const inline = instance[`0028120${colour}`]?.InlineBinary
    const bytes = inline === undefined ? new Uint8Array(0) : Uint8Array.from(atob(inline), (letter) => letter.charCodeAt(0))
    return tableOf(numbers(instance, `0028110${colour}`), bytes, false)
  })
  return tables.every((one) => one !== null) ? tables : null
}

function hasPalette(instance: DicomJson): boolean {
  return text(instance, '00620001') === 'LABELMAP' && text(instance, '00280004') === 'PALETTE COLOR'
}

function rgbBy(palette: readonly Table[], segment: number): Rgb | null {
  if (palette.some(({ first, entries }) => segment < first || segment >= first + entries.length)) return null
  // Some writers say 16 bits of tables whose entries need but 8.
  const [red = 0, green = 0, blue = 0] = palette.map((table) => looked(table, segment) >> (Array.from(table.entries).some((entry) => entry > 255) ? 8 : 0))
  return [red, green, blue]
}

/** The same of a long palette, which has to be fetched first. */
export async function paletteColours({ instance, parts }: Pick<Layer, 'instance' | 'parts'>): Promise<ReadonlyMap<number, string>> {
  const palette = hasPalette(instance) && !inlinePalette(instance) ? await paletteOf(instance) : null
  return new Map(
    parts.flatMap((part) => {
      const rgb = palette && rgbBy(palette, part.number)
      return rgb ? [[part.number, colourOf(rgb)] as const] : []
    }),
  )
}

function hasPlaces(instance: DicomJson): boolean {
  const shared = item(instance, SHARED)
  const first = itemsIn(instance, PER_FRAME)[0]
  return text(instance, '00200052') !== null && [first, shared].some((group) => item(group, '00209113') !== undefined)
}

function faultOf(instance: DicomJson, parts: readonly Part[]): string | null {
  const [kind, allocated] = [text(instance, '00620001') ?? 'BINARY', number(instance, '00280100') ?? 0]
  if (!parts.length) return 'It names no segments.'
  if (!number(instance, '00280010') || !number(instance, '00280011') || number(instance, '00280008') === 0) return 'It has no frames.'
  if (!['BINARY', 'FRACTIONAL', 'LABELMAP'].includes(kind)) return `Its kind, ${kind}, is not known.`
  if (![1, 8, 16].includes(allocated)) return `Pixels of ${allocated} bits are none of a segmentation.`
  if (!hasPlaces(instance) && !referencedBy(instance).instances.size) return 'It says neither where it lies nor on which images.'
  return null
}

export function referencedBy(instance: DicomJson): { series: Set<string>; instances: Set<string> } {
  const [series, instances] = [new Set<string>(), new Set<string>()]
  const take = (holder: DicomJson | undefined) => {
    for (const one of itemsIn(holder, '00081115')) {
      const uid = text(one, '0020000E')
      if (uid) series.add(uid)
      for (const reference of [...itemsIn(one, '0008114A'), ...itemsIn(one, '00081199')]) instances.add(text(reference, '00081155') ?? '')
    }
  }
  take(instance)
  for (const other of itemsIn(instance, '00081200')) take(other)
  for (const group of [item(instance, SHARED), ...itemsIn(instance, PER_FRAME)])
    for (const derivation of itemsIn(group, DERIVATION)) for (const source of itemsIn(derivation, SOURCE)) instances.add(text(source, '00081155') ?? '')
  instances.delete('')
  return { series, instances }
}

/** How the frames of a segmentation lie and are to be read. */
export function segmentedOf(instance: DicomJson): Segmented {
  const shared = item(instance, SHARED)
  const groups = itemsIn(instance, PER_FRAME)
  const kind = (text(instance, '00620001') ?? 'BINARY') as Kind
  const count = number(instance, '00280008') ?? 1
  const grids = new Map<string, Grid>()
  const measures = [...groups.slice(0, 1), shared].map((group) => item(group, '00289110')).find((one) => one !== undefined)
  const frames: Placed[] = []
  let unsaid = 0
  for (let at = 0; at < count; at++) {
    const group = groups[at]
    const of = (tag: string) => item(group, tag) ?? item(shared, tag)
    const segment = kind === 'LABELMAP' ? null : number(of('0062000A'), '0062000B')
    if (kind !== 'LABELMAP' && segment === null) {
      unsaid++
      continue
    }
    const orientation = numbers(of('00209116'), '00200037')
    const [betweenRows, betweenColumns] = numbers(of('00289110'), '00280030')
    const axes = axesOf(orientation)
    const origin = vec3(numbers(of('00209113'), '00200032'))
    let grid: Grid | null = null
    if (axes && origin && betweenRows && betweenColumns) {
      const key = [...orientation.map((one) => one.toFixed(4)), betweenRows.toFixed(5), betweenColumns.toFixed(5)].join()
      grid = grids.get(key) ?? { key, ...axes, spacing: [betweenColumns, betweenRows] }
      grids.set(key, grid)
    }
    const sources = itemsIn(group, DERIVATION).flatMap((one) => itemsIn(one, SOURCE))
    const pictures = sources.flatMap((source) => {
      const sop = text(source, '00081155')
      const named = numbers(source, '00081160')
      return sop ? (named.length ? named : [1]).map((frame) => `${sop}/${frame}`) : []
    })
    frames.push({ number: at + 1, segment, grid, origin: grid ? origin : null, pictures })
  }
  return {
    kind,
    rows: number(instance, '00280010') ?? 0,
    columns: number(instance, '00280011') ?? 0,
    allocated: number(instance, '00280100') ?? 1,
    most: number(instance, '0062000E') ?? 255,
    isProbability: text(instance, '00620010') === 'PROBABILITY',
    background: numbers(instance, '00280120')[0] ?? 0,
    frames,
    between: number(measures, '00180088') ?? 0,
    thickness: number(measures, '00180050') ?? 0,
    faults: unsaid ? [`${unsaid} of its frames do not say of which segment they are.`] : [],
  }
}

/** How many bytes a frame has, decoded and by itself. */
export function frameBytes({ rows, columns, allocated }: Segmented): number {
  return allocated === 1 ? (rows * columns + 7) >> 3 : rows * columns * (allocated / 8)
}

/** The masks of one frame by the numbers of their segments. */
export function masksOfFrame(how: Segmented, frame: { segment: number | null }, bytes: Uint8Array): Map<number, Mask> {
  const { rows, columns, allocated, kind } = how
  if (bytes.byteLength < frameBytes(how)) throw new Error('A frame has fewer pixels than it says.')
  const view = allocated === 16 ? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) : null
  const stored: ArrayLike<number> = view ? Uint16Array.from({ length: rows * columns }, (_, at) => view.getUint16(2 * at, true)) : bytes
  if (kind === 'LABELMAP' && allocated > 1) return masksOfLabels(stored, columns, rows, how.background)
  const mask =
    allocated === 1
      ? maskOfBits(bytes, columns, rows)
      : kind === 'FRACTIONAL'
        ? maskOfParts(stored, columns, rows, how.most)
        : (masksOfLabels(Uint8Array.from({ length: rows * columns }, (_, at) => (stored[at] ? 1 : 0)), columns, rows, 0).get(1) ?? null)
  return mask ? new Map([[frame.segment ?? 1, mask]]) : new Map<number, Mask>()
}

/** Puts masks together, frame by frame in any order, and gives what has come. */
export class Assembly {
  private readonly planes = new Map<number, Map<string, { grid: Grid; slices: Slice[] }>>()
  private readonly onPictures = new Map<number, Map<string, Mask>>()
  private readonly places = new Map<string, number[]>()
  private bytes = 0

  constructor(private readonly how: Segmented) {
    for (const { grid, origin } of how.frames) {
      if (!grid || !origin) continue
      const places = this.places.get(grid.key) ?? []
      places.push(dot(grid.normal, origin))
      this.places.set(grid.key, places)
    }
  }

  take(frame: Placed, bytes: Uint8Array): void {
    for (const [segment, mask] of masksOfFrame(this.how, frame, bytes)) {
      this.bytes += bytesOfMask(mask)
      if (this.bytes > BYTES_MOST) throw new Error('It is too large for this device.')
      if (frame.grid && frame.origin) {
        const grids = this.planes.get(segment) ?? new Map<string, { grid: Grid; slices: Slice[] }>()
        this.planes.set(segment, grids)
        const slices: Slice[] = grids.get(frame.grid.key)?.slices ?? []
        grids.set(frame.grid.key, { grid: frame.grid, slices })
        const [x, y] = frame.grid.spacing
        slices.push({
          at: dot(frame.grid.normal, frame.origin),
          origin: frame.origin,
          mask: () => mask,
          outline: (level) => keptOutline(mask, level),
          area: this.counted(mask) * x * y,
        })
      } else {
        const pictures = this.onPictures.get(segment) ?? new Map<string, Mask>()
        this.onPictures.set(segment, pictures)
        for (const picture of frame.pictures) pictures.set(picture, mask)
      }
    }
  }

  private counted(mask: Mask): number {
    return mask.values && this.how.isProbability ? mask.values.reduce((sum, value) => sum + (value >= 128 ? 1 : 0), 0) : mask.count
  }

  form(segment: number): Form {
    const solids = Array.from(this.planes.get(segment)?.values() ?? [], ({ grid, slices }): Solid => {
      const { row, column, normal, spacing, key } = grid
      const sorted = [...slices].sort((a, b) => a.at - b.at)
      const step = this.how.between || stepOf(this.places.get(key) ?? []) || this.how.thickness
      return { row, column, normal, spacing, step, slices: sorted, inParts: this.how.kind === 'FRACTIONAL', isDrawn: false }
    })
    const volumes = solids.map(volumeOf)
    return {
      solids,
      lines: [],
      points: [],
      onPictures: this.onPictures.get(segment) ?? new Map<string, Mask>(),
      size: [this.how.columns, this.how.rows],
      volume: volumes.length && volumes.every((one) => one !== null) ? volumes.reduce<number>((sum, one) => sum + (one ?? 0), 0) : null,
      missing: null,
    }
  }
}

/** Where the frames of the object are fetched. */
export function framesPath(layer: Layer): string {
  return `/dicom-web/studies/${layer.studyInstanceUid}/series/${layer.seriesInstanceUid}/instances/${layer.key}/frames`
}

