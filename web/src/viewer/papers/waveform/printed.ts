import type { Note } from './annotations'
import { drawSheet, type Inks } from './draw'
import { sheetOf, type LayoutName } from './sheet'
import type { Trace } from './samples'

/** A4 across, millimetres. */
const PAGE = { width: 297, height: 210 } as const
const EDGE = 10
const HEAD = 22
const DOTS_PER_MM = 200 / 25.4
const POINTS_PER_MM = 72 / 25.4

interface Printed {
  traces: readonly Trace[]
  layout: LayoutName
  speed: number
  gain: number
  from_s: number
  notes: readonly Note[]
  /** Who it is of, and what it is; a line each. */
  head: readonly string[]
  inks: Inks
  family: string
}

/** A page on which a second and a millivolt are as long as they say; what does not fit goes on to the next. The caller frees its address. */
export async function drawForPaper({ traces, layout, speed, gain, from_s, notes, head, inks, family }: Printed): Promise<{ url: string; width: number; height: number }[]> {
  const room = { width: PAGE.width - 2 * EDGE, height: PAGE.height - 2 * EDGE - HEAD }
  const whole = sheetOf({ traces, layout, speed, gain, width: room.width, from_s })
  const count = Math.max(1, Math.ceil((whole.height - 1) / room.height))
  const perPage = Math.ceil(traces.length / count)
  const pages: { url: string; width: number; height: number }[] = []
  for (let page = 0; page < count; page++) {
    const canvas = document.createElement('canvas')
    canvas.width = Math.round(PAGE.width * DOTS_PER_MM)
    canvas.height = Math.round(PAGE.height * DOTS_PER_MM)
    const context = canvas.getContext('2d')
    if (!context) throw new Error('This browser has no memory for the page.')
    context.fillStyle = inks.ground
    context.fillRect(0, 0, canvas.width, canvas.height)
    context.fillStyle = inks.curve
    context.textBaseline = 'top'
    head.forEach((line, at) => {
      context.font = `${at ? 400 : 650} ${3.6 * DOTS_PER_MM}px ${family}`
      context.fillText(line, EDGE * DOTS_PER_MM, (EDGE + at * 5) * DOTS_PER_MM, room.width * DOTS_PER_MM)
    })
    const sheet = count === 1 ? whole : sheetOf({ traces: traces.slice(page * perPage, (page + 1) * perPage), layout: 'All channels', speed, gain, width: room.width, from_s })
    const part = document.createElement('canvas')
    part.width = Math.round(sheet.width * DOTS_PER_MM)
    part.height = Math.round(sheet.height * DOTS_PER_MM)
    const drawing = part.getContext('2d')
    if (!drawing) throw new Error('This browser has no memory for the page.')
    drawSheet({ context: drawing, scale: DOTS_PER_MM, inks, family, letters: 3.2 }, sheet, notes, null)
    context.drawImage(part, EDGE * DOTS_PER_MM, (EDGE + HEAD) * DOTS_PER_MM)
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'))
    if (!blob) throw new Error('No picture of the page')
    pages.push({ url: URL.createObjectURL(blob), width: PAGE.width * POINTS_PER_MM, height: PAGE.height * POINTS_PER_MM })
  }
  return pages
}
