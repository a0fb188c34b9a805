import { cache, Enums, imageLoader, type Types } from '@cornerstonejs/core'
import type { DicomJson } from '../dicom'
import { imageOf } from '../pixels/loader'
import { forgetMade, sayMadeOf } from '../pixels/made'
import { whileHeld } from '../pixels/remembered'
import { isHere } from '../pixels/showing'
import { layoutOf } from '../pixels/values'
import type { Frame, Stack } from '../stacks'
import { averaged, difference, scaled, scaleOf, windowAround, type Scale } from './arithmetic'
import { plansOf, type Plan } from './mask'
import type { Subtraction } from './types'

const SCHEME = 'subtract'
/** So many pictures, from all of a run, decide on its window. */
const LOOKED_AT = 5
/** What says how stored values are to be read and seen, which is said otherwise of differences. */
const OF_STORED = ['00281050', '00281051', '00281055', '00281056', '00281052', '00281053', '00281054', '00283000', '00283010', '00280120', '00280121', '00286100', '00286114']

interface Made {
  plan: Plan
  source: Frame
  of: Difference
}

const known = new Map<string, Made>()

/** Makes pictures whose name begins with `subtract:` of those that they are made of. */
export function registerSubtraction(): void {
  imageLoader.registerImageLoader(SCHEME, (imageId: string, options?: unknown) => ({ promise: whileHeld(imageId, (frame) => load(frame, options)) }))
}

/** The picture that a difference was made of; the same one, where it is none. */
export function sourceOf(imageId: string): string {
  return known.get(imageId)?.source.imageId ?? imageId
}

export function isDifference(imageId: string | null | undefined): boolean {
  return imageId?.startsWith(`${SCHEME}:`) === true
}

async function load(frame: Frame, options: unknown): Promise<Types.IImage> {
  for (;;) {
    const made = known.get(frame.imageId)
    if (!made) throw new Error('Nothing is known of this difference.')
    const { of, plan, source } = made
    const { version } = of
    const [window, values] = await Promise.all([of.window(), of.values(plan, options)])
    // The mask was moved or changed meanwhile.
    if (of.version !== version || known.get(frame.imageId) !== made) continue
    const image = imageOf(frame, layoutOf(frame.metadata), values, false)
    return Object.assign(image, { windowCenter: window.center, windowWidth: window.width, rowPixelSpacing: of.spacingOf(source)[0], columnPixelSpacing: of.spacingOf(source)[1], voiLUTFunction: 'LINEAR' })
  }
}

/** What is subtracted in one pane: its pictures keep their names while the mask is moved, and are made anew. */
export class Difference {
  version = 0
  private stackMade: Stack | null = null
  private from: { source: Stack; other: Stack | null; how: Subtraction } | null = null
  private windowed: Promise<{ center: number; width: number }> | null = null

  constructor(private readonly pane: string) {}

  /** The stack whose pictures are differences; the same one as before where nothing else is asked for. */
  stack(source: Stack, other: Stack | null, how: Subtraction): Stack {
    const before = this.from
    if (this.stackMade && before?.source === source && before.other === other && before.how === how) return this.stackMade
    this.version += 1
    this.from = { source, other, how }
    // The window stays where the mask is only moved: a reader who moves it looks at its edges.
    if (!before || before.source !== source || before.other !== other || before.how.mask !== how.mask || before.how.kept !== how.kept) this.windowed = null
    const plans = plansOf(source, how, other)
    const used = new Set<string>()
    const frames = source.frames.map((frame, at): Frame => {
      const plan = plans[at]
      if (!plan || 'reason' in plan) return { ...frame, notSubtracted: plan?.reason ?? 'it has no mask' }
      const imageId = `${SCHEME}:${frame.imageId.slice(frame.imageId.indexOf(':') + 1)}?pane=${this.pane}`
      used.add(imageId)
      known.set(imageId, { plan, source: frame, of: this })
      sayMadeOf(imageId, [...plan.contrast, ...plan.mask])
      return { ...frame, imageId, metadata: metadataOf(frame.metadata), subtracted: { words: plan.words, scale: scaleOf(frame.metadata) } }
    })
    this.forget(used)
    // What was made otherwise before must not be seen under the same name.
    for (const imageId of used) if (isHere(imageId)) cache.removeImageLoadObject(imageId, { force: true })
    this.stackMade = { ...source, frames, subtraction: how, beneath: other ? [source, other] : [source] }
    return this.stackMade
  }

  /** The names of what is made. */
  get imageIds(): string[] {
    return this.stackMade?.frames.filter((frame) => frame.subtracted).map((frame) => frame.imageId) ?? []
  }

  private forget(but: ReadonlySet<string>): void {
    for (const imageId of this.imageIds)
      if (!but.has(imageId)) {
        known.delete(imageId)
        forgetMade(imageId)
      }
  }

  end(): void {
    this.forget(new Set())
    this.stackMade = null
    this.from = null
  }

  private get scale(): Scale {
    return scaleOf(this.from?.source.frames[0]?.metadata ?? {})
  }

  spacingOf({ metadata }: Frame): [number, number] {
    const [rows = 1, columns = 1] = (metadata['00280030']?.Value ?? []).map(Number)
    return [rows, columns]
  }

  async values({ contrast, mask, shift }: Plan, options?: unknown): Promise<Float32Array> {
    const { scale } = this
    const kept = this.from?.how.kept ?? 0
    const asked = askedWith(options)
    const all = async (ids: readonly string[]) => averaged((await Promise.all(ids.map((id) => imageLoader.loadAndCacheImage(id, asked)))).map((image) => scaled(image.getPixelData(), scale)))
    const [above, below] = await Promise.all([all(contrast), all(mask)])
    if (above.length !== below.length) throw new Error('The mask has another size than the picture.')
    const columns = Number(this.from?.source.frames[0]?.metadata['00280011']?.Value?.[0] ?? 0)
    return difference(above, below, columns, shift, kept)
  }

  /** One window for all of a run, so that it does not flicker: by what some of its pictures hold. */
  window(): Promise<{ center: number; width: number }> {
    this.windowed ??= this.judged()
    return this.windowed
  }

  private async judged(): Promise<{ center: number; width: number }> {
    const plans = this.imageIds.flatMap((id) => known.get(id)?.plan ?? [])
    const step = Math.max(1, Math.floor(plans.length / LOOKED_AT))
    const some = plans.filter((_, at) => at % step === Math.floor(step / 2)).slice(0, LOOKED_AT)
    // One that cannot be had says so when a reader comes to it.
    const values = (await Promise.allSettled(some.map((plan) => this.values(plan)))).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    return windowAround(values, this.from?.how.kept ?? 0)
  }
}

function askedWith(options: unknown): { requestType: Enums.RequestType; priority: number } {
  const { requestType = Enums.RequestType.Interaction, priority = 0 } = (options ?? {}) as { requestType?: Enums.RequestType; priority?: number }
  return { requestType, priority }
}

/** What is true of a difference: its values are fractions without a table, and nothing of it was stored. */
function metadataOf(metadata: DicomJson): DicomJson {
  const out: DicomJson = Object.fromEntries(Object.entries(metadata).filter(([tag]) => !OF_STORED.includes(tag)))
  out['7FE00008'] = { vr: 'OF' }
  out['00280100'] = { vr: 'US', Value: [32] }
  out['00280101'] = { vr: 'US', Value: [32] }
  out['00280102'] = { vr: 'US', Value: [31] }
  out['00280103'] = { vr: 'US', Value: [1] }
  return out
}
