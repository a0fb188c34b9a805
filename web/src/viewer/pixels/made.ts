/** Pictures that are made here of others, and of which: while such a one is waited for, those are looked at. */
const made = new Map<string, readonly string[]>()

export function madeOf(imageId: string): readonly string[] {
  return made.get(imageId) ?? []
}

export function sayMadeOf(imageId: string, of: readonly string[]): void {
  made.set(imageId, of)
}

export function forgetMade(imageId: string): void {
  made.delete(imageId)
}
