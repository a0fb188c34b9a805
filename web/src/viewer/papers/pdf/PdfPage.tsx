import { TextLayer, type PDFDocumentProxy, type RenderTask } from 'pdfjs-dist/legacy/build/pdf.mjs'
import { useEffect, useRef, useState } from 'react'
import type { Match } from './finding'
import { notesOn, type Leads, type PageNote } from './notes'
import classes from './pdf.module.css'

/** Beyond so many a canvas takes more memory than it is worth: it is drawn coarser. */
const CANVAS_PIXELS_MAX = 24_000_000

export interface Size {
  width: number
  height: number
}

export interface PdfPageProps {
  pdf: PDFDocumentProxy
  /** From 1. */
  page: number
  of: number
  scale: number
  /** At a scale of 1. */
  size: Size
  /** What is scrolled. */
  within: HTMLElement
  onSize: (page: number, size: Size) => void
  /** What was searched for on it; `current` is the one that was gone to. */
  found: readonly (Match & { current: boolean })[]
  /** Another number each time a reader goes to a place: it is brought into sight once, and stays where the reader moves it. */
  turn: number
  onFollow: (leads: Leads) => void
}

/** A page: its place always, its picture and its words while it is near to what is seen. */
export function PdfPage({ pdf, page, of, scale, size, within, onSize, found, turn, onFollow }: PdfPageProps) {
  const box = useRef<HTMLDivElement>(null)
  const paint = useRef<HTMLDivElement>(null)
  const words = useRef<HTMLDivElement>(null)
  const layer = useRef<TextLayer | null>(null)
  const [near, setNear] = useState(page === 1)
  const [notes, setNotes] = useState<readonly PageNote[]>([])
  const [state, setState] = useState<'waiting' | 'drawn' | 'failed'>('waiting')

  const marked = useRef({ found, turn })
  const brought = useRef(0)
  const mark = (on: TextLayer) => {
    const { found: all, turn: now } = marked.current
    const current = marks(on, all)
    if (!current || brought.current === now) return
    brought.current = now
    current.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }
  useEffect(() => {
    marked.current = { found, turn }
    if (layer.current) mark(layer.current)
  }, [found, turn])

  useEffect(() => {
    if (!box.current) return
    const watch = new IntersectionObserver(([entry]) => setNear(entry?.isIntersecting === true), { root: within, rootMargin: '100% 0px' })
    watch.observe(box.current)
    return () => watch.disconnect()
  }, [within])

  useEffect(() => {
    const [picture, text] = [paint.current, words.current]
    if (!near || !picture || !text) return
    let gone = false
    let task: RenderTask | null = null
    const draw = async () => {
      const one = await pdf.getPage(page)
      if (gone) return
      const flat = one.getViewport({ scale: 1 })
      onSize(page, { width: flat.width, height: flat.height })
      const viewport = one.getViewport({ scale })
      const dense = Math.min(window.devicePixelRatio || 1, Math.sqrt(CANVAS_PIXELS_MAX / (viewport.width * viewport.height)))
      const canvas = document.createElement('canvas')
      canvas.width = Math.max(1, Math.round(viewport.width * dense))
      canvas.height = Math.max(1, Math.round(viewport.height * dense))
      task = one.render({ canvas, viewport, transform: dense === 1 ? undefined : [dense, 0, 0, dense, 0, 0] })
      await task.promise
      if (gone) return
      picture.replaceChildren(canvas)
      setState('drawn')
      text.replaceChildren()
      text.style.setProperty('--total-scale-factor', String(scale))
      const next = new TextLayer({ textContentSource: await one.getTextContent(), container: text, viewport })
      if (gone) return
      await next.render()
      if (gone) return
      layer.current = next
      mark(next)
      // Without them the page is what it was.
      const annotations = await one.getAnnotations({ intent: 'display' }).catch(() => [])
      if (!gone) setNotes(notesOn(annotations, viewport))
    }
    draw().catch(() => {
      if (!gone) setState('failed')
    })
    return () => {
      gone = true
      task?.cancel()
      layer.current?.cancel()
      layer.current = null
    }
  }, [pdf, page, scale, near, onSize])

  // What is far away gives its memory back.
  useEffect(() => {
    if (near) return
    for (const canvas of paint.current?.querySelectorAll('canvas') ?? []) canvas.width = 0
    paint.current?.replaceChildren()
    words.current?.replaceChildren()
    setNotes([])
    setState('waiting')
  }, [near])

  return (
    <div
      ref={box}
      className={classes['page']}
      style={{ width: size.width * scale, height: size.height * scale }}
      data-page={page}
      data-drawn={state === 'drawn' || undefined}
      role="group"
      aria-label={`Page ${page} of ${of}`}
    >
      <div ref={paint} className={classes['paint']} aria-hidden />
      <div ref={words} className={classes['words']} />
      {notes.map(({ box: place, leads, words: value }, at) =>
        leads ? (
          <button key={at} type="button" className={classes['link']} style={place} aria-label={'url' in leads ? `Link to ${leads.url}` : 'Link within the document'} title={'url' in leads ? leads.url : undefined} onClick={() => onFollow(leads)} />
        ) : (
          <span key={at} className={classes['value']} style={{ ...place, fontSize: Math.min(place.height * 0.7, 12 * scale) }}>
            {value}
          </span>
        ),
      )}
      {state === 'failed' ? (
        <p className={classes['failed']} role="alert">
          Page {page} could not be drawn.
        </p>
      ) : null}
    </div>
  )
}

/** Marks what was found; the place that was gone to. */
function marks(layer: TextLayer, found: PdfPageProps['found']): HTMLElement | undefined {
  layer.textDivs.forEach((div, at) => {
    const hits = found.filter((one) => one.first <= at && at <= one.last)
    if (hits.length) div.dataset['found'] = hits.some((one) => one.current) ? 'current' : 'also'
    else delete div.dataset['found']
  })
  return layer.textDivs.find((div) => div.dataset['found'] === 'current')
}
