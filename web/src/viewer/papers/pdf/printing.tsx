import type { PDFDocumentProxy } from 'pdfjs-dist/legacy/build/pdf.mjs'
import { useEffect } from 'react'
import { createPortal } from 'react-dom'
import classes from './pdf.module.css'

export const PRINTED_MAX = 100
const DOTS_PER_INCH = 150
/** A page that is larger, a plan or a poster, is printed coarser. */
const PIXELS_MAX = 16_000_000

export interface PrintedPage {
  url: string
  /** Points. */
  width: number
  height: number
}

/** Pages as pictures for a printer, one after the other. The caller frees their addresses. */
export async function drawForPrinter(pdf: PDFDocumentProxy, tell: (page: number) => void): Promise<PrintedPage[]> {
  const pages: PrintedPage[] = []
  try {
    for (let number = 1; number <= pdf.numPages; number += 1) {
      tell(number)
      const page = await pdf.getPage(number)
      const { width, height } = page.getViewport({ scale: 1 })
      const viewport = page.getViewport({ scale: Math.min(DOTS_PER_INCH / 72, Math.sqrt(PIXELS_MAX / Math.max(1, width * height))) })
      const canvas = document.createElement('canvas')
      canvas.width = Math.max(1, Math.round(viewport.width))
      canvas.height = Math.max(1, Math.round(viewport.height))
      await page.render({ canvas, viewport, intent: 'print' }).promise
      const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'))
      canvas.width = 0
      if (!blob) throw new Error('No picture of a page')
      pages.push({ url: URL.createObjectURL(blob), width, height })
    }
  } catch (error) {
    for (const page of pages) URL.revokeObjectURL(page.url)
    throw error
  }
  return pages
}

/** The pages, as the browser prints them: it prints nothing else while they are there, and they go when it has. */
export function PrintedPages({ pages, onDone }: { pages: readonly PrintedPage[]; onDone: () => void }) {
  useEffect(() => {
    let gone = false
    const waits = pages.map(async (page) => {
      const image = new Image()
      image.src = page.url
      await image.decode()
    })
    const ended = () => onDone()
    window.addEventListener('afterprint', ended)
    void Promise.allSettled(waits).then(() => {
      if (!gone) window.print()
    })
    return () => {
      gone = true
      window.removeEventListener('afterprint', ended)
      for (const page of pages) URL.revokeObjectURL(page.url)
    }
    // Once for each set of pages.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [pages])
  const [first] = pages
  return createPortal(
    <div data-sheets className={classes['printer']}>
      <style>{`@page { size: ${first?.width ?? 595}pt ${first?.height ?? 842}pt; margin: 0 }`}</style>
      {pages.map((page) => (
        <img key={page.url} src={page.url} alt="" style={{ width: `${page.width}pt`, height: `${page.height}pt` }} />
      ))}
    </div>,
    document.body,
  )
}
