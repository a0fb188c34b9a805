import { text } from '../dicom'
import { suvOf } from '../pixels/suv'
import type { Stack } from '../stacks'
import { judgeStack } from './volumes'

/** In what the values of the stack that is laid over are told. */
export interface OverUnit {
  /** `SUV`, `Bq/ml`; empty: the object names none. */
  label: string
  /** Why it is no SUV; null: it is. */
  reason: string | null
}

/** How a stack is drawn over another. */
export interface Blend {
  /** How much of it is seen where both are, 0 to 1. */
  opacity: number
  /** What is below is not drawn at all. */
  from: number
  /** The least value of the brightest colour; black is 0. */
  to: number
  colours: ColoursName
}

/** Points of a colour table: part of the range (0 to 1), red, green, blue (0 to 1). */
type Table = readonly (readonly [number, number, number, number])[]

const ramp = (of: (index: number) => readonly [number, number, number]): Table =>
  Array.from({ length: 256 }, (_, index) => {
    const [red, green, blue] = of(index).map((value) => Math.max(0, Math.min(255, value)) / 255)
    return [index / 255, red ?? 0, green ?? 0, blue ?? 0] as const
  })

/** Hot Iron is the well-known palette of PS3.6 B.1.1. */
export const COLOURS = {
  'Hot iron': ramp((at) => [2 * at, 2 * (at - 128), 4 * (at - 192)]),
  Rainbow: [
    [0, 0, 0, 0],
    [0.2, 0, 0, 1],
    [0.4, 0, 1, 1],
    [0.6, 0, 1, 0],
    [0.8, 1, 1, 0],
    [1, 1, 0, 0],
  ],
  'Inverse grey': [
    [0, 1, 1, 1],
    [1, 0, 0, 0],
  ],
} as const satisfies Record<string, Table>
export type ColoursName = keyof typeof COLOURS
export const COLOURS_NAMES = Object.keys(COLOURS) as ColoursName[]

/** The table from bottom to top, for CSS. */
export function gradientOf(name: ColoursName): string {
  const table: Table = COLOURS[name]
  const few = table.length > 32 ? table.filter((_, at) => at % 16 === 0 || at === table.length - 1) : table
  const stops = few.map(([part, ...rgb]) => `rgb(${rgb.map((value) => Math.round(value * 255)).join(' ')}) ${(part * 100).toFixed(1)}%`)
  return `linear-gradient(to top, ${stops.join(', ')})`
}

/** The modalities that are laid over others: what they show is where, not what shape. */
export function isLaidOver(stack: Stack): boolean {
  return stack.modality === 'PT' || stack.modality === 'NM'
}

function whose(stack: Stack): string | null {
  const first = stack.frames[0]?.metadata
  const patient = text(first, '00100020')
  return patient ? `${patient}^${text(first, '00100021') ?? ''}` : null
}

/** Whether `over` may be drawn over `under`; if not, why. */
export type FusionJudgement = { fits: true; unit: OverUnit } | { fits: false; reason: string }

const no = (reason: string): FusionJudgement => ({ fits: false, reason })

/**
 * Two stacks are drawn as one only where they are of one patient and of one Frame of Reference (PS3.3 C.7.4.1): places in
 * two frames have nothing to do with each other, and a picture that laid them over each other would show a tumour where
 * there is none.
 */
export function judgeFusion(under: Stack, over: Stack): FusionJudgement {
  const [one, other] = [whose(under), whose(over)]
  if (!one || !other) return no('it is not said whose images these are')
  if (one !== other) return no('another patient')
  if (!under.frameOfReferenceUid || !over.frameOfReferenceUid) return no('no frame of reference is told')
  if (under.frameOfReferenceUid !== over.frameOfReferenceUid) return no('another frame of reference')
  for (const stack of [under, over]) {
    const judged = judgeStack(stack)
    if (!judged.isVolume) return no(judged.reason.replace(/^./, (letter) => letter.toLowerCase()).replace(/\.$/, ''))
  }
  const units = over.frames.map((frame) => unitOf(over, frame.metadata))
  const [first] = units
  if (!first || units.some((unit) => unit.label !== first.label)) return no('its slices are in several units')
  return { fits: true, unit: first }
}

/** In what the values of a stack's pictures are told. */
export function unitOf(stack: Stack, metadata: Stack['frames'][number]['metadata']): OverUnit {
  const said = text(metadata, '00541001')
  const own = said === 'BQML' ? 'Bq/ml' : said === 'CNTS' ? 'counts' : ''
  if (stack.modality !== 'PT') return { label: own || 'counts', reason: null }
  const suv = suvOf(metadata)
  return 'factor' in suv ? { label: 'SUV', reason: null } : { label: own, reason: suv.reason }
}

/** At first: all of it, half and half; SUV to 10, else to the greatest value. */
export function blendAtFirst(unit: OverUnit, most: number): Blend {
  return { opacity: 0.5, from: 0, to: unit.label === 'SUV' ? 10 : roundUp(most), colours: 'Hot iron' }
}

/** A round number above, so that a scale can be read. */
export function roundUp(value: number): number {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 5, 10].find((step) => step * power >= value * 0.999) ?? 10) * power
}

/** `10`, `2.5`, `12000`. */
export function spoken(value: number): string {
  return String(Number(value.toPrecision(3)))
}

/** What stands on the picture of how it is laid over. */
export function blendWords({ opacity, from, to }: Blend, unit: OverUnit): string {
  const said = unit.label ? ` ${unit.label}` : ''
  return [`${Math.round(opacity * 100)} %`, `0 to ${spoken(to)}${said}`, from > 0 ? `from ${spoken(from)}${said}` : null].filter(Boolean).join(' · ')
}
