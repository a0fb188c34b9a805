import type { PageViewport } from 'pdfjs-dist/legacy/build/pdf.mjs'

/** Where a link leads: to a place of the document, a page by its name, or out of it. */
export type Leads = { dest: unknown } | { named: string } | { url: string }

/** What lies over a page: a link, or the value of a field that the page has no picture of. */
export interface PageNote {
  box: { left: number; top: number; width: number; height: number }
  leads: Leads | null
  words: string | null
}

/** A page with more is a page made to stop a browser. */
const NOTES_MOST = 2_000
const WORDS_MOST = 2_000

/** What of the annotations of a page is shown over its picture. Scripts, sounds and files of it are none of it. */
export function notesOn(annotations: readonly unknown[], viewport: PageViewport): PageNote[] {
  return annotations.slice(0, NOTES_MOST).flatMap((each): PageNote[] => {
    const one = each as { subtype?: unknown; rect?: unknown; dest?: unknown; url?: unknown; action?: unknown; fieldValue?: unknown; hasAppearance?: unknown; hidden?: unknown; password?: unknown }
    if (!Array.isArray(one.rect) || one.rect.length !== 4 || one.hidden === true) return []
    const [left = NaN, low = NaN, right = NaN, high = NaN] = one.rect.map(Number)
    const [x1 = NaN, y1 = NaN] = viewport.convertToViewportPoint(left, low) as number[]
    const [x2 = NaN, y2 = NaN] = viewport.convertToViewportPoint(right, high) as number[]
    const box = { left: Math.min(x1, x2), top: Math.min(y1, y2), width: Math.abs(x2 - x1), height: Math.abs(y2 - y1) }
    if (!Object.values(box).every(Number.isFinite)) return []
    if (one.subtype === 'Link') {
      const leads: Leads | null = typeof one.url === 'string' && /^https?:/.test(one.url) ? { url: one.url } : one.dest ? { dest: one.dest } : typeof one.action === 'string' ? { named: one.action } : null
      return leads ? [{ box, leads, words: null }] : []
    }
    const words = one.subtype === 'Widget' && one.hasAppearance !== true && one.password !== true ? valueOf(one.fieldValue) : null
    return words ? [{ box, leads: null, words: words.slice(0, WORDS_MOST) }] : []
  })
}

function valueOf(value: unknown): string | null {
  if (typeof value === 'string') return value === 'Off' ? null : value
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string').join(', ') || null : null
}
