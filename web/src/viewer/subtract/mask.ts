import { item, number, numbers, text, values, type DicomJson } from '../dicom'
import { distance, dot, subtract as between, type Vec3 } from '../geometry'
import { planeNormal, type Plane } from '../planes'
import type { Frame, Stack } from '../stacks'
import type { Mask, Named, Shift, Subtraction } from './types'

const MASK_SUBTRACTION_SEQUENCE = '00286100'
const FRAME_DISPLAY_SEQUENCE = '00289458'
const RECOMMENDED_VIEWING_MODE = '00281090'

export const STILL: Shift = { right: 0, down: 0 }
/** Nobody moves as far; a mask beyond it is a slip of the hand. */
export const SHIFT_MOST = 64

/** Of what a picture is made; image ids. */
export interface Plan {
  contrast: readonly string[]
  mask: readonly string[]
  shift: Shift
  /** What was subtracted. */
  words: string
}

/** For each picture of a stack how it is made, or why nothing is subtracted from it. */
export type Plans = readonly (Plan | { reason: string })[]

const named = ({ sopInstanceUid, frameNumber }: Frame): Named => ({ sop: sopInstanceUid, frame: frameNumber })

/** Whether pictures of a stack can be masks of the others: they show one place at several times. */
export function isRun(stack: Stack): boolean {
  return stack.length > 1 && stack.positions === null && stack.frames.every((frame) => frame.grey)
}

function itemsOf(frame: Frame): DicomJson[] {
  return values(frame.metadata, MASK_SUBTRACTION_SEQUENCE).filter((one): one is DicomJson => one !== null && typeof one === 'object')
}

/** Whether the device wrote what is to be subtracted (PS3.3 C.7.6.10). */
export function hasDeviceMask(stack: Stack): boolean {
  return isRun(stack) && stack.frames.some((frame) => itemsOf(frame).some((one) => ['AVG_SUB', 'TID', 'REV_TID'].includes(text(one, '00286101') ?? '')))
}

/** Whether it wants to be seen subtracted at first. */
export function isRecommended(stack: Stack): boolean {
  const first = stack.frames[0]?.metadata
  const said = text(item(first, FRAME_DISPLAY_SEQUENCE), RECOMMENDED_VIEWING_MODE) ?? text(first, RECOMMENDED_VIEWING_MODE)
  return said === 'SUB' && hasDeviceMask(stack)
}

/** Pairs of first and last frame; none: all of them. */
function rangesOf(one: DicomJson): [number, number][] {
  const all = numbers(one, '00286102')
  return Array.from({ length: Math.floor(all.length / 2) }, (_, at) => [all[2 * at] ?? 0, all[2 * at + 1] ?? 0])
}

/** Mask Sub-pixel Shift: down is positive, and so is to the left (PS3.3 C.7.6.10.1.2). */
function shiftOf(one: DicomJson, frame: Frame): Shift {
  // An enhanced object says it of each frame, for an item of the sequence.
  const own = number(frame.metadata, '00289416') === number(one, '00289416') ? numbers(frame.metadata, '00286114') : []
  const [down = 0, left = 0] = own.length === 2 ? own : numbers(one, '00286114')
  return { right: left ? -left : 0, down }
}

/** Frame numbers of the mask and of what is averaged over it, by one item of the sequence; null: it does not apply. */
export function framesBy(one: DicomJson, frame: number, count: number): { contrast: number[]; mask: number[] } | null {
  const operation = text(one, '00286101')
  const ranges = rangesOf(one)
  const range = ranges.find(([from, to]) => frame >= from && frame <= to)
  if (ranges.length && !range) return null
  const averaged = Math.max(1, number(one, '00286112') ?? 1)
  const last = range ? Math.min(range[1], count) : count
  const exists = (each: number) => Number.isInteger(each) && each >= 1 && each <= count
  if (operation === 'AVG_SUB') {
    const mask = numbers(one, '00286110').filter(exists)
    if (!range && frame > count - averaged + 1) return null
    const contrast = Array.from({ length: averaged }, (_, at) => frame + at).filter((each) => each <= last)
    return mask.length ? { contrast, mask } : null
  }
  const offset = number(one, '00286120') ?? 1
  const first = ranges[0]?.[0]
  const mask = operation === 'TID' ? frame - offset : operation === 'REV_TID' && first !== undefined ? first - offset - (frame - first) : 0
  return exists(mask) ? { contrast: [frame], mask: [mask] } : null
}

/** `1`, `1–3`, `1, 4`. */
export function spokenFrames(all: readonly number[]): string {
  const sorted = [...new Set(all)].sort((a, b) => a - b)
  const runs: [number, number][] = []
  for (const one of sorted) {
    const before = runs[runs.length - 1]
    if (before && before[1] === one - 1) before[1] = one
    else runs.push([one, one])
  }
  return runs.map(([from, to]) => (from === to ? String(from) : `${from}–${to}`)).join(', ')
}

function deviceNames(stack: Stack): Plans {
  const counts = new Map<string, number>()
  const ids = new Map<string, string>()
  for (const { sopInstanceUid, frameNumber, imageId } of stack.frames) {
    counts.set(sopInstanceUid, Math.max(counts.get(sopInstanceUid) ?? 0, frameNumber))
    ids.set(`${sopInstanceUid}/${frameNumber}`, imageId)
  }
  return stack.frames.map((frame) => {
    for (const one of itemsOf(frame)) {
      const found = framesBy(one, frame.frameNumber, counts.get(frame.sopInstanceUid) ?? 1)
      if (!found) continue
      const idsOf = (all: readonly number[]) => all.map((each) => ids.get(`${frame.sopInstanceUid}/${each}`)).filter((id) => id !== undefined)
      const [contrast, mask] = [idsOf(found.contrast), idsOf(found.mask)]
      if (contrast.length && mask.length) return { contrast, mask, shift: shiftOf(one, frame), words: `mask ${spokenFrames(found.mask)}` }
    }
    return { reason: 'the device names no mask for it' }
  })
}

/** How each picture of a stack is made. `other`: the stack that a mask of another series means, where it is here. */
export function plansOf(stack: Stack, { mask, shift }: Subtraction, other: Stack | null): Plans {
  const move = (plan: Plan): Plan => ({ ...plan, shift: { right: plan.shift.right + shift.right, down: plan.shift.down + shift.down } })
  const moved = (plans: Plans) => plans.map((one) => ('reason' in one ? one : move(one)))
  if (mask.kind === 'device') return moved(deviceNames(stack))
  if (mask.kind === 'frames') {
    const at = mask.frames.map(({ sop, frame }) => stack.frames.findIndex((one) => one.sopInstanceUid === sop && one.frameNumber === frame)).filter((index) => index >= 0)
    if (!at.length) return stack.frames.map(() => ({ reason: 'the mask is not in this series' }))
    const ids = at.map((index) => stack.frames[index]?.imageId ?? '')
    const words = `mask ${spokenFrames(at.map((index) => index + 1))}`
    return moved(stack.frames.map((frame) => ({ contrast: [frame.imageId], mask: ids, shift: STILL, words })))
  }
  if (!other) return stack.frames.map(() => ({ reason: 'the other series is not here' }))
  const partners = partnersOf(stack, other)
  const words = ['minus', other.seriesNumber === null ? null : `series ${other.seriesNumber}`, other.label].filter(Boolean).join(' ')
  return moved(
    stack.frames.map((frame, at) => {
      const partner = partners[at]
      return partner ? { contrast: [frame.imageId], mask: [partner.imageId], shift: STILL, words } : { reason: 'the other series has no picture at this place' }
    }),
  )
}

/** Pictures lie at one place that are no farther apart than this part of the step, or of a pixel within their plane. */
const STEP_PART = 0.25
const PIXEL_PART = 0.5

/** For each picture the one of another stack at its place; null: there is none. */
function partnersOf(stack: Stack, other: Stack): (Frame | null)[] {
  const normal = stack.normal
  if (!normal) return stack.frames.map(() => null)
  const across = (plane: Plane) => dot(normal, plane.origin)
  const places = other.frames.flatMap((frame) => (frame.plane ? [{ frame, plane: frame.plane, at: across(frame.plane) }] : [])).sort((a, b) => a.at - b.at)
  const steps = places.slice(1).map((one, at) => one.at - (places[at]?.at ?? 0)).filter((step) => step > 1e-4).sort((a, b) => a - b)
  const near = Math.max(0.05, (steps[Math.floor(steps.length / 2)] ?? 1) * STEP_PART)
  return stack.frames.map(({ plane }) => {
    if (!plane) return null
    const at = across(plane)
    const best = places.reduce<(typeof places)[number] | null>((found, one) => (found === null || Math.abs(one.at - at) < Math.abs(found.at - at) ? one : found), null)
    if (!best || Math.abs(best.at - at) > near) return null
    const aside = between(best.plane.origin, plane.origin)
    const within = [dot(aside, plane.row) / plane.betweenColumns, dot(aside, plane.column) / plane.betweenRows]
    return within.every((pixels) => Math.abs(pixels) < PIXEL_PART) ? best.frame : null
  })
}

/** Whether another stack can be subtracted; if not, why, in words for a reader. */
export type Fit = { fits: true; pictures: number } | { fits: false; reason: string }

const no = (reason: string): Fit => ({ fits: false, reason })

/** Judges by what the pictures say of themselves: the same modality, place, size and pixels. */
export function fitOf(stack: Stack, other: Stack): Fit {
  const [a, b] = [stack.frames[0], other.frames[0]]
  if (!a || !b) return no('it has no pictures')
  if (![...stack.frames, ...other.frames].every((frame) => frame.grey)) return no('it has colours')
  if (stack.modality !== other.modality) return no(`it is ${other.modality ?? 'of no known modality'}`)
  if (!a.plane || !b.plane || !stack.normal || !other.normal) return no('its pictures do not say where they lie')
  if (stack.frameOfReferenceUid === null || stack.frameOfReferenceUid !== other.frameOfReferenceUid) return no('it has another frame of reference: the patient may have moved')
  if (!isAlong(a.plane, b.plane)) return no('its pictures lie in another direction')
  const size = ({ metadata }: Frame) => `${number(metadata, '00280010')} × ${number(metadata, '00280011')}`
  if (size(a) !== size(b)) return no(`its pictures are ${size(b)} pixels, not ${size(a)}`)
  if (Math.abs(a.plane.betweenRows - b.plane.betweenRows) > 1e-3 || Math.abs(a.plane.betweenColumns - b.plane.betweenColumns) > 1e-3) return no('its pixels have another size')
  const pictures = partnersOf(stack, other).filter((one) => one !== null).length
  return pictures ? { fits: true, pictures } : no('its pictures lie at other places')
}

function isAlong(a: Plane, b: Plane): boolean {
  const near = (x: Vec3, y: Vec3) => distance(x, y) < 2e-3
  return near(a.row, b.row) && near(a.column, b.column) && near(planeNormal(a), planeNormal(b))
}

/** What a reader who turns subtraction on gets; a string: why there is nothing to subtract. */
export function atFirst(stack: Stack, others: readonly Stack[]): Subtraction | string {
  const made = (mask: Mask): Subtraction => ({ mask, shift: STILL, kept: 0 })
  if (hasDeviceMask(stack)) return made({ kind: 'device' })
  if (isRun(stack) && stack.frames[0]) return made({ kind: 'frames', frames: [named(stack.frames[0])] })
  const judged = others.filter((other) => other.key !== stack.key).map((other) => ({ other, fit: fitOf(stack, other) }))
  const fitting = judged.filter((one) => one.fit.fits)
  // What was made before is the mask of what was made after.
  const before = fitting.filter(({ other }) => (other.seriesNumber ?? Infinity) < (stack.seriesNumber ?? Infinity))
  const best = before[before.length - 1] ?? fitting[0]
  if (best) return made({ kind: 'series', stack: best.other.key })
  const [only] = judged
  if (judged.length === 1 && only && !only.fit.fits) return `The other series cannot be subtracted: ${only.fit.reason}.`
  return judged.length ? 'No other series shows the same places with the same pixels.' : 'There is no other series of the same places to subtract.'
}

/** The mask with one picture more, or without it. */
export function withFrame({ mask, shift, kept }: Subtraction, frame: Frame): Subtraction {
  const one = named(frame)
  const before = mask.kind === 'frames' ? mask.frames : []
  const without = before.filter((each) => each.sop !== one.sop || each.frame !== one.frame)
  const frames = without.length < before.length && without.length ? without : [...without, one]
  return { mask: { kind: 'frames', frames }, shift, kept }
}

/** This picture alone is the mask, and lies where it was made. */
export function byFrame(frame: Frame, kept: number): Subtraction {
  return { mask: { kind: 'frames', frames: [named(frame)] }, shift: STILL, kept }
}

const MASKS_MOST = 64

/** What somebody else told, as far as it can be meant; null: nothing is subtracted. */
export function subtractionFrom(told: unknown): Subtraction | null {
  if (told === null || typeof told !== 'object') return null
  const { mask, shift, kept } = told as { mask?: unknown; shift?: unknown; kept?: unknown }
  const made = maskFrom(mask)
  if (!made) return null
  const { right, down } = (shift ?? {}) as { right?: unknown; down?: unknown }
  const within = (value: unknown, least: number, most: number) => (typeof value === 'number' && Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : 0)
  return { mask: made, shift: { right: within(right, -SHIFT_MOST, SHIFT_MOST), down: within(down, -SHIFT_MOST, SHIFT_MOST) }, kept: within(kept, 0, 1) }
}

function maskFrom(told: unknown): Mask | null {
  if (told === null || typeof told !== 'object') return null
  const { kind, frames, stack } = told as { kind?: unknown; frames?: unknown; stack?: unknown }
  if (kind === 'device') return { kind }
  if (kind === 'series' && typeof stack === 'string') return { kind, stack }
  if (kind !== 'frames' || !Array.isArray(frames)) return null
  const all = frames.slice(0, MASKS_MOST).flatMap((one: unknown) => {
    const { sop, frame } = (one ?? {}) as Partial<Named>
    return typeof sop === 'string' && typeof frame === 'number' ? [{ sop, frame }] : []
  })
  return all.length ? { kind, frames: all } : null
}

export function isSameSubtraction(a: Subtraction | null, b: Subtraction | null): boolean {
  return JSON.stringify(a && ordered(a)) === JSON.stringify(b && ordered(b))
}

function ordered({ mask, shift, kept }: Subtraction): unknown {
  const said = mask.kind === 'frames' ? mask.frames.map(({ sop, frame }) => `${sop}/${frame}`).sort() : mask.kind === 'series' ? mask.stack : 'device'
  return [mask.kind, said, shift.right.toFixed(3), shift.down.toFixed(3), kept.toFixed(3)]
}
