import { item, number, numbers, text, type DicomJson } from '../dicom'
import { itemsIn, type Layer } from './layers'

/** How much of a region has at least so much dose. */
export interface Histogram {
  /** `PTV`, or several: `Lung L and Lung R, without GTV`. */
  name: string
  colour: string | null
  /** Of whole regions: dose, and the part of the volume that has as much, 0 to 1. */
  points: readonly (readonly [dose: number, part: number])[]
  /** ml; null: only parts are told. */
  volume: number | null
  least: number | null
  mean: number | null
  most: number | null
}

/** The structure set whose regions a dose has histograms of. */
export function structuresNamedBy(dose: DicomJson): string | null {
  return text(item(dose, '300C0060'), '00081155')
}

/**
 * The histograms that come with a dose (PS3.3 C.8.8.4): bins tell how wide they are and what volume is in each, or has at
 * least as much as each begins with. Those of another unit than the dose's, or that are none of these kinds, are counted.
 */
export function histogramsOf(dose: DicomJson, structures: Layer | undefined): { histograms: Histogram[]; left: number } {
  const all = itemsIn(dose, '30040050')
  const unit = text(dose, '30040002')
  const histograms = all.flatMap((one): Histogram[] => {
    const kind = text(one, '30040001')
    const data = numbers(one, '30040058')
    if ((kind !== 'CUMULATIVE' && kind !== 'DIFFERENTIAL') || data.length < 4 || text(one, '30040002') !== unit) return []
    const scaling = number(one, '30040052') ?? 1
    const pairs = Array.from({ length: Math.floor(data.length / 2) }, (_, at) => [(data[2 * at] ?? 0) * scaling, data[2 * at + 1] ?? 0] as const)
    if (pairs.some(([width, volume]) => !(width >= 0) || !(volume >= 0))) return []
    let dose = 0
    const begun = pairs.map(([width, volume]) => {
      const at = dose
      dose += width
      return [at, volume] as const
    })
    let sum = 0
    const volumes = kind === 'CUMULATIVE' ? begun.map(([, volume]) => volume) : begun.map(([, volume]) => volume).reverse().map((volume) => (sum += volume)).reverse()
    const whole = Math.max(...volumes)
    if (!(whole > 0)) return []
    return [
      {
        ...namedBy(one, structures),
        points: [...begun.map(([at], bin) => [at, (volumes[bin] ?? 0) / whole] as const), ...(kind === 'DIFFERENTIAL' ? [[dose, 0] as const] : [])],
        volume: text(one, '30040054') === 'CM3' ? whole : null,
        least: number(one, '30040070'),
        most: number(one, '30040072'),
        mean: number(one, '30040074'),
      },
    ]
  })
  return { histograms, left: all.length - histograms.length }
}

function namedBy(histogram: DicomJson, structures: Layer | undefined): { name: string; colour: string | null } {
  const regions = itemsIn(histogram, '30040060').map((one) => ({ of: number(one, '30060084'), excluded: text(one, '30040062') === 'EXCLUDED' }))
  const partOf = (of: number | null) => structures?.parts.find((one) => one.number === of)
  const named = (excluded: boolean) => regions.filter((one) => one.excluded === excluded).map((one) => partOf(one.of)?.label ?? `ROI ${one.of ?? '?'}`)
  const [within, without] = [named(false), named(true)]
  return { name: `${within.join(' and ') || 'All'}${without.length ? `, without ${without.join(' and ')}` : ''}`, colour: partOf(regions.find((one) => !one.excluded)?.of ?? null)?.colour ?? null }
}

/** The part of a histogram's region that has at least so much dose. */
export function partFrom({ points }: Histogram, dose: number): number {
  const after = points.findIndex(([at]) => at > dose)
  if (after === 0) return points[0]?.[1] ?? 0
  if (after < 0) return 0
  const [from, to] = [points[after - 1], points[after]]
  if (!from || !to) return 0
  return from[1] + ((to[1] - from[1]) * (dose - from[0])) / (to[0] - from[0] || 1)
}
