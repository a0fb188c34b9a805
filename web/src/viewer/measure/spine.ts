import { annotation, LabelTool } from '@cornerstonejs/tools'
import { metadataOf } from './calibration'

/** Vertebrae from the head down. */
export const LEVELS: readonly string[] = [
  ...Array.from({ length: 7 }, (_, at) => `C${at + 1}`),
  ...Array.from({ length: 12 }, (_, at) => `T${at + 1}`),
  ...Array.from({ length: 5 }, (_, at) => `L${at + 1}`),
  'S1',
]

/** The level after `before`, towards the feet or the head; null: there is none, or `before` is none of the spine. */
export function levelNext(before: string, towardsFeet: boolean): string | null {
  const at = LEVELS.indexOf(before)
  return at < 0 ? null : (LEVELS[at + (towardsFeet ? 1 : -1)] ?? null)
}

/** A level as it is written, of what a person typed: `l 4` is L4; other words stay as they are. */
export function levelOf(words: string): string {
  const plain = words.replace(/\s+/g, '').toUpperCase().replace(/^TH/, 'T').replace(/^D(?=\d)/, 'T')
  return LEVELS.includes(plain) ? plain : words.trim()
}

/** A label that was set, and how far towards the feet, from anywhere. */
export interface Level {
  label: string
  down: number
}

/**
 * The level at a place among others, by the one before it and the one behind it; null: there is none, there is no room
 * between them or room for several, so that a person has to say.
 */
export function levelAmong(others: readonly Level[], down: number): string | null {
  const known = others.filter((one) => LEVELS.includes(one.label))
  const above = known.reduce<Level | null>((best, one) => (one.down <= down && (!best || one.down > best.down) ? one : best), null)
  const below = known.reduce<Level | null>((best, one) => (one.down > down && (!best || one.down < best.down) ? one : best), null)
  const [next, before] = [above && levelNext(above.label, true), below && levelNext(below.label, false)]
  if (above && below) return next === before ? next : null
  return next ?? before
}

interface Labelled {
  metadata?: { referencedImageId?: string; toolName?: string; FrameOfReferenceUID?: string }
  data: { label?: string; handles?: { points?: readonly (readonly number[])[] } }
}

/** Where it lies: in a frame of reference by the patient's axis where its picture has a plane, else on its picture. */
function placeOf({ metadata, data }: Labelled): { within: string; down: number } {
  const [, y = 0, z = 0] = data.handles?.points?.[0] ?? []
  const imageId = metadata?.referencedImageId ?? ''
  const hasPlane = metadataOf(imageId)?.['00200037'] !== undefined
  return hasPlane ? { within: metadata?.FrameOfReferenceUID ?? imageId, down: -z } : { within: imageId, down: y }
}

function labels(): Labelled[] {
  return (annotation.state.getAllAnnotations() as unknown as Labelled[]).filter((one) => one.metadata?.toolName === SpineLabelTool.toolName)
}

/** What the label at a place is, by those that were set before it; null: a person has to say. */
export function labelAt(here: Labelled): string | null {
  const { within, down } = placeOf(here)
  const others = labels().flatMap((one) => {
    const place = placeOf(one)
    return one !== here && place.within === within ? [{ label: one.data.label ?? '', down: place.down }] : []
  })
  return levelAmong(others, down)
}

type Ask = (done: (words: string | null) => void) => void

/** Labels vertebrae: the first is named by a person, the next ones by where they lie among the others. */
export class SpineLabelTool extends LabelTool {
  static override toolName = 'SpineLabel'

  constructor(...given: ConstructorParameters<typeof LabelTool>) {
    super(...given)
    const configuration = this.configuration as { getTextCallback: Ask }
    const ask = configuration.getTextCallback
    configuration.getTextCallback = (done) => {
      const here = labels().find((one) => !one.data.label)
      const next = here ? labelAt(here) : null
      if (next) done(next)
      else ask((words) => done(words ? levelOf(words) : null))
    }
  }
}
