import type { Vec3 } from '../geometry'
import type { Stack } from '../stacks'
import { doseWords, kindOfDose } from './dose'
import { fits } from './layers'
import type { Shown } from './useOverlays'

/** What is laid over a stack tells at a place, in words: `Dose 57.3 Gy`; nothing where nothing has a value. */
export function valuesAt(shown: readonly Shown[], stack: Stack, point: Vec3): string[] {
  const doses = shown.filter(({ layer, parts }) => layer.kind === 'dose' && parts.some(({ part }) => fits(layer, part, stack)))
  return doses.flatMap(({ layer, parts }) => {
    const value = parts.find(({ form }) => form.valueAt)?.form.valueAt?.(point) ?? null
    if (value === null) return []
    // Of several each is named by what it is.
    const name = doses.length > 1 ? layer.label : kindOfDose(layer.instance).startsWith('Difference') ? 'Difference of doses' : 'Dose'
    return [`${name} ${doseWords(value, layer.instance)}`]
  })
}

type Teller = (imageId: string, point: Vec3) => string[]

let teller: Teller | null = null

/** Who knows what is laid over the pictures that are open. */
export function tellValues(next: Teller): () => void {
  teller = next
  return () => {
    if (teller === next) teller = null
  }
}

/** What is laid over a picture tells at a place of it. */
export function valuesOver(imageId: string, point: Vec3): string[] {
  return teller?.(imageId, point) ?? []
}
