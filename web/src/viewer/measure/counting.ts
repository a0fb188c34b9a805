import { cache } from '@cornerstonejs/core'
import { item, type DicomJson } from '../dicom'
import { suvOf } from '../pixels/suv'
import { beyondTables, paddingOf, rescaleOf } from '../pixels/values'
import { insideShutters } from '../presentation/shutters'
import { metadataOf } from './calibration'

/** Whether the pixel at column `i` and row `j`, which has this value of the modality, is part of the picture. */
export type Counts = (value: number | readonly number[], i: number, j: number) => boolean

const MODALITY_TABLES = '00283000'

/**
 * Padding around the picture (PS3.3 C.7.5.1.1.2) and what a shutter hides (C.7.6.11) are no values of the patient. Null:
 * every pixel counts. Through a Modality LUT there is no way back to what was stored: padding is what no table gives.
 */
export function countsOf(metadata: DicomJson): Counts | null {
  const inside = insideShutters(metadata)
  const isPadding = paddingOf(metadata)
  const byTable = item(metadata, MODALITY_TABLES) !== undefined
  if (!inside && !isPadding) return null
  const { slope, intercept } = rescaleOf(metadata) ?? { slope: 1, intercept: 0 }
  const suv = metadata['00080060']?.Value?.[0] === 'PT' ? suvOf(metadata) : null
  const factor = suv && 'factor' in suv ? suv.factor : 1
  return (value, i, j) => {
    if (inside && !inside(i + 0.5, j + 0.5)) return false
    if (!isPadding || typeof value !== 'number') return true
    return !(byTable ? beyondTables(value) : isPadding(Math.round((value / factor - intercept) / slope)))
  }
}

/** Whether a value is padding behind a Modality LUT: a mark, and nothing that was measured. */
export function isAroundTable(metadata: DicomJson | null, value: number): boolean {
  return metadata !== null && item(metadata, MODALITY_TABLES) !== undefined && paddingOf(metadata) !== null && beyondTables(value)
}

/** What counts on a target of Cornerstone's: `imageId:…`, or `volumeId:…` of slices. */
export function countsOn(targetId: string): ((value: number | readonly number[], ijk: ArrayLike<number>) => boolean) | null {
  return countsOfSlices(targetId.startsWith('imageId:') ? [targetId.slice('imageId:'.length)] : imagesOfVolume(targetId))
}

/** What counts in slices; one alone speaks for all. */
export function countsOfSlices(imageIds: readonly string[]): ((value: number | readonly number[], ijk: ArrayLike<number>) => boolean) | null {
  const rules = imageIds.map((imageId) => {
    const metadata = metadataOf(imageId)
    return metadata ? countsOf(metadata) : null
  })
  if (rules.every((rule) => rule === null)) return null
  return (value, ijk) => rules[rules.length === 1 ? 0 : (ijk[2] ?? 0)]?.(value, ijk[0] ?? 0, ijk[1] ?? 0) ?? true
}

function imagesOfVolume(targetId: string): string[] {
  const volumeId = targetId.slice('volumeId:'.length).split('?')[0] ?? ''
  return cache.getVolume(volumeId)?.imageIds ?? []
}

interface Sample {
  value: number | readonly number[]
  pointIJK?: ArrayLike<number> | null
}
interface Named {
  value: number | number[] | null
}

/** Least, greatest, mean and standard deviation (of the whole, not of a sample) of the pixels that count. */
export class Counting {
  private counts: ReturnType<typeof countsOn> = null
  private count = 0
  private mean: number[] = []
  private squares: number[] = []
  private least: number[] = []
  private most: number[] = []

  /** Begins with another target. */
  readonly on = (targetId: string): void => {
    this.counts = countsOn(targetId)
    this.statsInit()
  }

  readonly statsInit = (): void => {
    this.count = 0
    this.mean = []
    this.squares = []
    this.least = []
    this.most = []
  }

  readonly statsCallback = ({ value, pointIJK }: Sample): void => {
    if (this.counts && pointIJK && !this.counts(value, pointIJK)) return
    this.count += 1
    const parts = typeof value === 'number' ? [value] : value
    // Welford's way: sums of squares of large values lose what tells them apart.
    parts.forEach((part, at) => {
      const away = part - (this.mean[at] ?? 0)
      this.mean[at] = (this.mean[at] ?? 0) + away / this.count
      this.squares[at] = (this.squares[at] ?? 0) + away * (part - this.mean[at])
      this.least[at] = Math.min(this.least[at] ?? Infinity, part)
      this.most[at] = Math.max(this.most[at] ?? -Infinity, part)
    })
  }

  readonly getStatistics = (): { mean: Named; stdDev: Named; min: Named; max: Named; count: Named; array: Named[] } => {
    const named = (parts: readonly number[]): Named => ({ value: parts.length === 0 ? null : parts.length === 1 ? (parts[0] ?? null) : [...parts] })
    const found = {
      mean: named(this.mean),
      stdDev: named(this.squares.map((one) => Math.sqrt(one / this.count))),
      min: named(this.least),
      max: named(this.most),
      count: { value: this.count },
      array: [],
    }
    this.statsInit()
    return found
  }
}
