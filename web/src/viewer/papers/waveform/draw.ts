import { shortFor, type Note } from './annotations'
import { spokenValue } from './samples'
import { clock, isUniform, sampledWords, scaleWords, xOf, yOf, type Sheet, type Strip } from './sheet'

/** The colours of a paper: of a dark screen, or of a printer's. */
export interface Inks {
  ground: string
  fine: string
  thick: string
  curve: string
  words: string
  mark: string
  chosen: string
}

export interface Drawing {
  context: CanvasRenderingContext2D
  /** Pixels of the canvas a millimetre. */
  scale: number
  inks: Inks
  family: string
  /** Height of words, millimetres. */
  letters: number
}

/** Fine lines each millimetre and thick ones each five, as on the paper of an ECG; fine ones only where they can be told apart. */
function drawGrid({ context, scale, inks }: Drawing, width: number, height: number): void {
  context.fillStyle = inks.ground
  context.fillRect(0, 0, Math.ceil(width * scale), Math.ceil(height * scale))
  for (const [step, ink, thickness] of [[1, inks.fine, 0.08], [5, inks.thick, 0.14]] as const) {
    if (step * scale < 3) continue
    context.strokeStyle = ink
    context.lineWidth = Math.max(1, thickness * scale)
    context.beginPath()
    for (let x = 0; x <= width; x += step) {
      const at = Math.round(x * scale) + 0.5
      context.moveTo(at, 0)
      context.lineTo(at, height * scale)
    }
    for (let y = 0; y <= height; y += step) {
      const at = Math.round(y * scale) + 0.5
      context.moveTo(0, at)
      context.lineTo(width * scale, at)
    }
    context.stroke()
  }
}

/** One millivolt for a fifth of a second: what tells that the paper is as it says. */
function drawPulse({ context, scale, inks }: Drawing, sheet: Sheet, strip: Strip): void {
  const wide = Math.min(5, 0.2 * sheet.speed)
  const [left, base, top] = [strip.left - 2 - wide, strip.middle, strip.middle - sheet.gain]
  context.strokeStyle = inks.curve
  context.lineWidth = Math.max(1, 0.25 * scale)
  context.beginPath()
  for (const [at, [x, y]] of ([[left - 1, base], [left, base], [left, top], [left + wide, top], [left + wide, base], [left + wide + 1, base]] as const).entries())
    if (at) context.lineTo(x * scale, y * scale)
    else context.moveTo(x * scale, y * scale)
  context.stroke()
}

/** The curve of a strip: sample by sample, or where a pixel holds several, from their least to their greatest. */
export function drawCurve({ context, scale }: Pick<Drawing, 'context' | 'scale'>, sheet: Sheet, strip: Strip): void {
  const { trace } = strip
  const samplesPerPixel = trace.group.frequency / (sheet.speed * scale)
  const seconds = strip.width / sheet.speed
  context.beginPath()
  let pen = false
  const to = (x: number, value: number) => {
    const y = yOf(strip, value) * scale
    if (pen) context.lineTo(x, y)
    else context.moveTo(x, y)
    pen = true
  }
  if (samplesPerPixel <= 2) {
    const first = Math.max(0, Math.floor(trace.indexAt(strip.from_s)) - 1)
    const last = Math.min(trace.count - 1, Math.ceil(trace.indexAt(strip.from_s + seconds)) + 1)
    for (let at = first; at <= last; at++) {
      const value = trace.at(at)
      if (Number.isFinite(value)) to(xOf(sheet, strip, trace.timeAt(at)) * scale, value)
      else pen = false
    }
  } else {
    const [left, width] = [strip.left * scale, strip.width * scale]
    for (let pixel = 0; pixel < width; pixel++) {
      const from = trace.indexAt(strip.from_s) + pixel * samplesPerPixel
      // With one more, so that what stands in neighbouring pixels meets.
      const found = trace.extremes(from, from + samplesPerPixel + 1)
      if (!found) {
        pen = false
        continue
      }
      to(left + pixel + 0.5, found[0])
      to(left + pixel + 0.5, found[1])
    }
  }
  context.stroke()
}

function drawStrip(drawing: Drawing, sheet: Sheet, strip: Strip): void {
  const { context, scale, inks, family, letters } = drawing
  if (strip.pulse && sheet.ecg) drawPulse(drawing, sheet, strip)
  context.save()
  context.beginPath()
  context.rect(strip.left * scale, (strip.middle - strip.reach * 1.6) * scale, strip.width * scale, strip.reach * 3.2 * scale)
  context.clip()
  context.strokeStyle = inks.curve
  context.lineWidth = Math.max(1, 0.28 * scale)
  context.lineJoin = 'round'
  drawCurve(drawing, sheet, strip)
  context.restore()
  if (strip.left > 11) {
    context.strokeStyle = inks.words
    context.lineWidth = Math.max(1, 0.2 * scale)
    context.beginPath()
    context.moveTo(strip.left * scale, (strip.middle - 4) * scale)
    context.lineTo(strip.left * scale, (strip.middle + 4) * scale)
    context.stroke()
  }
  context.font = `600 ${letters * scale}px ${family}`
  context.textAlign = 'left'
  context.textBaseline = 'top'
  const words = sheet.ecg || isUniform(sheet) ? strip.trace.channel.name : `${strip.trace.channel.name} · ${scaleWords(sheet, strip)}`
  if (!sheet.ecg && strip.reach > 8) drawValues(drawing, strip)
  behind(drawing, words, (strip.left + 0.8) * scale, (strip.middle - strip.reach + 0.4) * scale)
}

/** What the thick lines of a strip stand for. */
function drawValues({ context, scale, inks, family, letters }: Drawing, strip: Strip): void {
  context.save()
  context.font = `${letters * 0.85 * scale}px ${family}`
  context.textAlign = 'right'
  context.textBaseline = 'middle'
  context.fillStyle = inks.words
  context.strokeStyle = inks.words
  context.lineWidth = 1
  for (let y = -Math.floor((strip.reach - 3) / 10) * 10; y <= strip.reach - 3; y += 10) {
    const at = (strip.middle - y) * scale
    context.fillText(spokenValue(strip.zero + y / strip.scale), (strip.left - 1.6) * scale, at)
    context.beginPath()
    context.moveTo((strip.left - 1.2) * scale, at)
    context.lineTo(strip.left * scale, at)
    context.stroke()
  }
  context.restore()
}

/** Words that a curve must not make unreadable. */
function behind({ context, inks }: Drawing, words: string, x: number, y: number): void {
  context.strokeStyle = inks.ground
  context.lineWidth = 4
  context.lineJoin = 'round'
  context.strokeText(words, x, y)
  context.fillStyle = inks.words
  context.fillText(words, x, y)
}

function drawMarks(drawing: Drawing, sheet: Sheet, notes: readonly Note[], chosen: string | null): void {
  const { context, scale, inks, family, letters } = drawing
  context.textAlign = 'left'
  context.textBaseline = 'bottom'
  context.font = `${letters * 0.8 * scale}px ${family}`
  const last = sheet.strips[sheet.strips.length - 1]
  for (const strip of sheet.strips) {
    const seconds = strip.width / sheet.speed
    const group = strip.trace.group
    let free = -Infinity
    for (const note of notes) {
      const isChosen = note.key === chosen
      // What is said of all channels stands under the last of them, so that the others can be read.
      const everywhere = isChosen || strip === last
      if (note.channels.length ? !note.channels.some(([number, channel]) => number === group.number && (channel === strip.trace.channel.number || (channel === 0 && everywhere))) : !everywhere) continue
      for (const [from, to] of note.spans) {
        if (to < strip.from_s || from > strip.from_s + seconds) continue
        const [left, right] = [Math.max(strip.left, xOf(sheet, strip, from)), Math.min(strip.left + strip.width, xOf(sheet, strip, to))]
        const [top, bottom] = [strip.middle - strip.reach * 0.7, strip.middle + strip.reach * 0.8]
        context.strokeStyle = isChosen ? inks.chosen : inks.mark
        context.lineWidth = Math.max(1, (isChosen ? 0.4 : 0.15) * scale)
        context.beginPath()
        for (const x of right > left ? [left, right] : [left]) {
          context.moveTo(x * scale, (isChosen ? top : bottom - 4) * scale)
          context.lineTo(x * scale, bottom * scale)
        }
        if (right > left) {
          context.moveTo(left * scale, bottom * scale)
          context.lineTo(right * scale, bottom * scale)
        }
        context.stroke()
        const words = isChosen ? note.words : shortFor(note.words)
        const wide = context.measureText(words).width / scale
        if (isChosen || left > free) {
          context.fillStyle = isChosen ? inks.chosen : inks.words
          context.fillText(words, (left + 0.4) * scale, (bottom + 0.4) * scale)
          free = left + wide + 1
        }
      }
    }
  }
}

/** All of a sheet. */
export function drawSheet(drawing: Drawing, sheet: Sheet, notes: readonly Note[], chosen: string | null): void {
  const { context, scale, inks, family, letters } = drawing
  drawGrid(drawing, sheet.width, sheet.height)
  for (const strip of sheet.strips) drawStrip(drawing, sheet, strip)
  drawMarks(drawing, sheet, notes, chosen)
  context.font = `${letters * 0.9 * scale}px ${family}`
  context.textBaseline = 'bottom'
  context.textAlign = 'left'
  const words = [`${sheet.speed} mm/s`, sheet.ecg || isUniform(sheet) ? scaleWords(sheet, sheet.strips[0]) : null, ...sampledWords(sheet), `${clock(sheet.from_s)} – ${clock(sheet.to_s)}`].filter(Boolean).join(' · ')
  context.fillStyle = inks.words
  behind(drawing, words, 1.5 * scale, (sheet.height - 0.6) * scale)
}
