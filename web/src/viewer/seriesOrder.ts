interface Listed {
  stacks: readonly unknown[] | undefined
  layers: readonly unknown[]
}

/** Series as they stand in the list: pictures, then what lies over them, then what is read; each in the order of their numbers. */
export function inListOrder<T extends Listed>(series: readonly T[]): T[] {
  const rank = ({ stacks, layers }: Listed) => (layers.length ? 1 : stacks?.length === 0 ? 2 : 0)
  return [...series].sort((a, b) => rank(a) - rank(b))
}
