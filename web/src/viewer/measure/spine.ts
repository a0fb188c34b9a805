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

interface Labelled {
  metadata?: { referencedImageId?: string; toolName?: string }
  data: { label?: string; handles?: { points?: number[][] } }
}

/** Whether a point lies nearer to the feet: by the patient's axis where the picture has a plane, else lower on the picture. */
function isBelow(one: Labelled, other: Labelled): boolean {
  const [point, before] = [one.data.handles?.points?.[0] ?? [], other.data.handles?.points?.[0] ?? []]
  const plane = metadataOf(one.metadata?.referencedImageId ?? '')?.['00200037']
  return plane ? (point[2] ?? 0) < (before[2] ?? 0) : (point[1] ?? 0) > (before[1] ?? 0)
}

function labels(): Labelled[] {
  return (annotation.state.getAllAnnotations() as unknown as Labelled[]).filter((one) => one.metadata?.toolName === SpineLabelTool.toolName)
}

/** What the label at a place is, by the one that was set before it; null: a person has to say. */
export function labelAt(here: Labelled): string | null {
  const before = labels().filter((one) => one !== here && LEVELS.includes(one.data.label ?? ''))
  const last = before[before.length - 1]
  return last ? levelNext(last.data.label ?? '', isBelow(here, last)) : null
}

type Ask = (done: (words: string | null) => void) => void

/** Labels vertebrae: the first is named by a person, the next ones by where they lie. */
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
