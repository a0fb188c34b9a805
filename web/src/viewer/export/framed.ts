import type { EdgeLetters } from '../geometry'
import { scaleBar } from '../view'
import { speltLaterality, type Frame, type Stack } from '../stacks'
import type { Identity } from './identity'
import type { Taken } from './offstage'

const GROUND = '#000000'
const INK = '#e6e8eb'
const QUIET = '#aab1bb'
const NARROWEST_PX = 420

export interface Margin {
  /** Null: nothing of the patient is written. */
  identity: Identity | null
  stack: Stack
  /** What must be said of the file: that it is lossy, that something was left out. */
  notes: readonly string[]
}

export function windowWords({ view }: Taken): string[] {
  return [
    view.window ? `W ${rounded(view.window.width)} · C ${rounded(view.window.center)}` : null,
    view.table ? `Table: ${view.table}` : null,
    view.inverted ? 'Inverted' : null,
  ].filter((words): words is string => words !== null)
}

export function placeWords({ frame, view }: Taken): string {
  return [`Image ${view.index + 1} / ${view.of}`, frame.position === null ? null : `${frame.position.toFixed(1)} mm`].filter(Boolean).join(' · ')
}

/** That a picture is none that was stored, and what was subtracted; the words of a series may say whose it is. */
export function subtractedWords({ subtracted, notSubtracted }: Frame, named: boolean): string {
  if (subtracted) return named || !subtracted.words.startsWith('minus') ? `Subtracted · ${subtracted.words}` : 'Subtracted · minus another series'
  return notSubtracted ? 'Not subtracted' : ''
}

/** The modality, and the series by its own words where these may say whose it is. */
export function seriesWords({ modality, label }: Stack, named: boolean): string {
  return [modality, named && label !== modality ? label : null].filter(Boolean).join(' · ')
}

/** A picture and what stands around it. */
export interface Page {
  picture: HTMLCanvasElement
  /** Who it is of: at the left above, the first line strong. */
  who: readonly string[]
  /** What it is: at the right above. */
  what: readonly string[]
  /** Of those one that is written large: the side. */
  large: string | null
  edges: EdgeLetters | null
  below: string
  bar: { units: number; length_px: number } | null
  /** Of the bar, and where its millimetres come from. */
  scale: string
  notes: readonly string[]
}

/** A picture with its margins: who and what it is above, letters of orientation beside, scale and window below; nothing over it. */
export function framed(taken: Taken, { identity, stack, notes }: Margin): HTMLCanvasElement {
  const { canvas, view, frame, ratio } = taken
  const laterality = speltLaterality(frame.laterality)
  const calibrated = frame.calibration.kind !== 'none' && frame.calibration.kind !== 'region'
  const bar = calibrated ? scaleBar(view.pixelsPerUnit * ratio, canvas.width * 0.3) : null
  return laidOut({
    picture: canvas,
    who: whoWords(identity),
    what: [seriesWords(stack, identity !== null), placeWords(taken), subtractedWords(frame, identity !== null), [laterality, frame.viewPosition].filter(Boolean).join(' ')].filter(Boolean),
    large: laterality,
    edges: view.edges,
    below: [...windowWords(taken), ...(frame.lossy ? ['Lossy compression'] : [])].join(' · '),
    bar,
    scale: [bar && barWords(bar.units), frame.calibration.label].filter(Boolean).join(' · '),
    notes,
  })
}

/** Null: nothing of the patient is written, and that is said. */
export function whoWords(identity: Identity | null): string[] {
  if (!identity) return ['No patient data']
  return [
    identity.name ?? '',
    [identity.id, identity.birthDate ? `born ${identity.birthDate}` : null, identity.sex].filter(Boolean).join(' · '),
    [identity.studyDate, identity.studyDescription].filter(Boolean).join(' · '),
  ].filter(Boolean)
}

export function barWords(units: number): string {
  return units >= 10 ? `${units / 10} cm` : `${Number(units.toFixed(2))} mm`
}

export function laidOut({ picture, who, what, large, edges, below, bar, scale, notes }: Page): HTMLCanvasElement {
  const size = Math.round(Math.min(44, Math.max(13, Math.max(picture.width, picture.height) / 52)))
  const line = Math.round(size * 1.4)
  const gutter = Math.round(size * 2.4)
  const width = Math.max(NARROWEST_PX, picture.width + 2 * gutter)
  const top = Math.max(who.length, what.length) * line + line
  const bottom = Math.round(3.1 * line) + line * notes.length
  const made = document.createElement('canvas')
  made.width = width
  made.height = top + line + picture.height + bottom
  const context = made.getContext('2d')
  if (!context) throw new Error('This browser has no memory for the picture.')
  context.fillStyle = GROUND
  context.fillRect(0, 0, made.width, made.height)
  const family = getComputedStyle(document.body).fontFamily || 'sans-serif'
  const write = (words: string, x: number, y: number, align: CanvasTextAlign, room: number, style: { bold?: boolean; quiet?: boolean; large?: boolean } = {}) => {
    context.font = `${style.bold ? 650 : 400} ${style.large ? Math.round(size * 1.25) : size}px ${family}`
    context.textAlign = align
    context.textBaseline = 'alphabetic'
    context.fillStyle = style.quiet ? QUIET : INK
    context.fillText(shortened(context, words, room), x, y)
  }
  const edge = Math.round(size * 0.8)
  const half = width * 0.56 - edge
  const isLarge = (words: string) => large !== null && words.startsWith(large)
  who.forEach((words, at) => write(words, edge, line * (at + 1), 'left', half, { bold: at === 0 }))
  what.forEach((words, at) => write(words, width - edge, line * (at + 1), 'right', width - half - 3 * edge, { bold: isLarge(words), large: isLarge(words) }))
  const left = Math.floor((width - picture.width) / 2)
  const head = top + line
  context.drawImage(picture, left, head)
  if (edges) {
    const { top: above, bottom: under, left: before, right: after } = edges
    const [middle, centre] = [head + picture.height / 2 + size / 3, left + picture.width / 2]
    write(above, centre, head - Math.round(line * 0.35), 'center', picture.width, { bold: true })
    write(under, centre, head + picture.height + line, 'center', picture.width, { bold: true })
    write(before, left - gutter / 2, middle, 'center', gutter, { bold: true })
    write(after, left + picture.width + gutter / 2, middle, 'center', gutter, { bold: true })
  }
  const foot = head + picture.height + 2 * line
  write(below, edge, foot + line * 0.7, 'left', width - edge * 3 - (bar?.length_px ?? 0))
  if (bar) {
    const [from, to, y] = [Math.round(width - edge - bar.length_px), width - edge, Math.round(foot - line * 0.35)]
    context.strokeStyle = INK
    context.lineWidth = Math.max(1, Math.round(size / 9))
    context.beginPath()
    context.moveTo(from, y - size * 0.35)
    context.lineTo(from, y)
    context.lineTo(to, y)
    context.lineTo(to, y - size * 0.35)
    context.stroke()
  }
  write(scale, width - edge, foot + line * 0.7, 'right', width / 2)
  notes.forEach((note, at) => write(note, edge, foot + line * (1.75 + at), 'left', width - 2 * edge, { quiet: true }))
  return made
}

function shortened(context: CanvasRenderingContext2D, words: string, room: number): string {
  if (context.measureText(words).width <= room) return words
  let kept = words
  while (kept && context.measureText(`${kept}…`).width > room) kept = kept.slice(0, -1)
  return `${kept}…`
}

function rounded(value: number): string {
  return Math.abs(value) >= 20 ? String(Math.round(value)) : String(Number(value.toFixed(2)))
}
