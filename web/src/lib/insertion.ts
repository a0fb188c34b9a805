/** Where text from another part of the screen can be put: sections of a report offer themselves, a viewer fills them. */
interface Place {
  insert: (text: string) => void
  /** When a person last wrote here; 0: not yet. */
  used: number
}

const places = new Map<string, Place>()
let clock = 0

/** Offers a place under a name; the answer takes it away again. */
export function offerPlace(name: string, insert: (text: string) => void): () => void {
  const place = { insert, used: 0 }
  places.set(name, place)
  return () => {
    if (places.get(name) === place) places.delete(name)
  }
}

/** Says that a person writes there now. */
export function markPlace(name: string): void {
  const place = places.get(name)
  if (place) place.used = ++clock
}

/** Puts text where a person wrote last, else into `preferred`, else into the first place; its name, null where none is. */
export function insertText(text: string, preferred: string): string | null {
  const used = [...places].filter(([, place]) => place.used > 0).sort(([, a], [, b]) => b.used - a.used)[0]
  const [name, place] = used ?? [...places].find(([one]) => one === preferred) ?? [...places][0] ?? []
  if (!name || !place) return null
  place.insert(text)
  return name
}
