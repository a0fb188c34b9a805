import { LEVELS_MOST, type DoseLook } from './dose'

/** What is laid over the pictures, by the objects' UIDs: which of their parts are not, how opaque it is, and how a dose is looked at. */
export type SharedLaid = Readonly<Record<string, { hidden: readonly number[]; opacity: number; dose?: DoseLook }>>

/** What another browser told; what cannot be understood is left out. */
export function laidFrom(value: unknown): SharedLaid {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return {}
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]: [string, unknown]) => {
      const { hidden, opacity, dose } = (one ?? {}) as Readonly<Record<string, unknown>>
      if (typeof opacity !== 'number' || !(opacity >= 0 && opacity <= 1) || !Array.isArray(hidden)) return []
      return [[key, { hidden: hidden.filter((part): part is number => typeof part === 'number').sort((a, b) => a - b), opacity, ...doseFrom(dose) }] as const]
    }),
  )
}

function doseFrom(value: unknown): { dose?: DoseLook } {
  const { reference, inPercent, levels } = (value ?? {}) as Readonly<Record<string, unknown>>
  const isDose = (one: unknown): one is number => typeof one === 'number' && Number.isFinite(one) && one > 0 && one < 1e6
  if (!isDose(reference) || typeof inPercent !== 'boolean' || !Array.isArray(levels) || levels.length > LEVELS_MOST || !levels.every(isDose)) return {}
  return { dose: { reference, inPercent, levels } }
}

export function isSameLook(one: DoseLook | undefined, other: DoseLook | undefined): boolean {
  // Who has not set any sees each dose as it is at first.
  if (!one || !other) return one === other
  return one.reference === other.reference && one.inPercent === other.inPercent && one.levels.length === other.levels.length && one.levels.every((level, at) => level === other.levels[at])
}

/** Whether two say the same of the objects that are known here. */
export function isSameLaid(one: SharedLaid, other: SharedLaid, known: ReadonlySet<string>): boolean {
  return [...known].every((key) => {
    const [a, b] = [one[key], other[key]]
    if (!a || !b) return a === b
    return a.opacity === b.opacity && isSameLook(a.dose, b.dose) && a.hidden.length === b.hidden.length && a.hidden.every((part, at) => part === b.hidden[at])
  })
}
