/** What is laid over the pictures, by the objects' UIDs: which of their parts are not, and how opaque it is. */
export type SharedLaid = Readonly<Record<string, { hidden: readonly number[]; opacity: number }>>

/** What another browser told; what cannot be understood is left out. */
export function laidFrom(value: unknown): SharedLaid {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return {}
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]: [string, unknown]) => {
      const { hidden, opacity } = (one ?? {}) as Readonly<Record<string, unknown>>
      if (typeof opacity !== 'number' || !(opacity >= 0 && opacity <= 1) || !Array.isArray(hidden)) return []
      return [[key, { hidden: hidden.filter((part): part is number => typeof part === 'number').sort((a, b) => a - b), opacity }] as const]
    }),
  )
}

/** Whether two say the same of the objects that are known here. */
export function isSameLaid(one: SharedLaid, other: SharedLaid, known: ReadonlySet<string>): boolean {
  return [...known].every((key) => {
    const [a, b] = [one[key], other[key]]
    if (!a || !b) return a === b
    return a.opacity === b.opacity && a.hidden.length === b.hidden.length && a.hidden.every((part, at) => part === b.hidden[at])
  })
}
