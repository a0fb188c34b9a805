import { ActionIcon, Loader, PasswordInput, TextInput, Tooltip } from '@mantine/core'
import { IconArrowAutofitWidth, IconChevronDown, IconChevronUp, IconMinus, IconPlus, IconPrinter, IconSearch } from '@tabler/icons-react'
import type { PDFDocumentProxy } from 'pdfjs-dist/legacy/build/pdf.mjs'
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type FormEvent } from 'react'
import { toast } from '@/ui'
import viewer from '../../viewer.module.css'
import type { PaperViewProps } from '../paper'
import papers from '../papers.module.css'
import { placesOfParts, tellMoved, type Place as Seen, type Places } from '../places'
import { usePinch } from '../usePinch'
import type { Leads } from './notes'
import { matchesIn, type Match, type Run } from './finding'
import { faultOf, openPdf } from './open'
import classes from './pdf.module.css'
import { PdfPage, type Size } from './PdfPage'
import { drawForPrinter, PRINTED_MAX, PrintedPages, type PrintedPage } from './printing'

/** CSS pixels of a point, of which a PDF is made: at 100 % it is as large as its paper. */
const ACTUAL = 96 / 72
const LEAST = 0.2
const MOST = 6
const BESIDE_PX = 24
const STEP_PX = 56
/** Of more pages a browser cannot lay out even their places. */
const PAGES_MAX = 3_000

interface Asked {
  answer: (password: string) => void
  wasWrong: boolean
}

/** A PDF: pages to scroll, words to select and to search. Out of it no link leads unasked, and no script of it runs. */
export default function PdfView({ paper, onHands }: PaperViewProps) {
  const [opened, setOpened] = useState<{ of: string; pdf: PDFDocumentProxy; first: Size } | null>(null)
  const [fault, setFault] = useState<string | null>(null)
  const [asked, setAsked] = useState<Asked | null>(null)
  const [attempt, setAttempt] = useState(0)
  useEffect(() => {
    let gone = false
    setOpened(null)
    setFault(null)
    setAsked(null)
    const open = openPdf(paper, (answer, wasWrong) => (gone ? undefined : setAsked({ answer, wasWrong })))
    const begin = async () => {
      const pdf = await open.pages
      const { width, height } = (await pdf.getPage(1)).getViewport({ scale: 1 })
      if (!gone) setOpened({ of: paper.key, pdf, first: { width, height } })
    }
    begin().catch((error: unknown) => (gone ? undefined : setFault(faultOf(error))))
    return () => {
      gone = true
      open.close()
    }
    // Its path names it: what is told of it anew is no other document.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [paper.path, attempt])

  if (fault)
    return (
      <div className={papers['note']} role="alert">
        <p>{fault}</p>
        <button type="button" onClick={() => setAttempt(attempt + 1)}>
          Try again
        </button>
      </div>
    )
  if (opened) return <Pages pdf={opened.pdf} first={opened.first} onHands={onHands} />
  if (asked)
    return (
      <form
        className={classes['password']}
        onSubmit={(event) => {
          event.preventDefault()
          const said = new FormData(event.currentTarget).get('password')
          setAsked(null)
          asked.answer(typeof said === 'string' ? said : '')
        }}
      >
        <PasswordInput name="password" label="This document is locked with a password" error={asked.wasWrong ? 'This is not its password.' : undefined} autoComplete="off" autoFocus />
        <button type="submit">Open</button>
      </form>
    )
  return <Loader className={viewer['busy']} size="sm" aria-label="Opening the document" />
}

interface Place extends Match {
  page: number
}

function Pages({ pdf, first, onHands }: { pdf: PDFDocumentProxy; first: Size; onHands: PaperViewProps['onHands'] }) {
  const [within, setWithin] = useState<HTMLDivElement | null>(null)
  const [room, setRoom] = useState(0)
  /** Null: as wide as the pane. */
  const [chosen, setChosen] = useState<number | null>(null)
  const [sizes, setSizes] = useState<ReadonlyMap<number, Size>>(new Map())
  const [current, setCurrent] = useState(1)
  const [sheets, setSheets] = useState<readonly PrintedPage[] | null>(null)
  const [printing, setPrinting] = useState<number | null>(null)
  const widest = Math.max(first.width, ...[...sizes.values()].map((size) => size.width))
  const scale = Math.max(LEAST, Math.min(MOST, chosen ?? (room - BESIDE_PX) / widest))
  const pages = useMemo(() => Array.from({ length: Math.min(PAGES_MAX, pdf.numPages) }, (_, at) => at + 1), [pdf])
  const search = useSearch(pdf, pages.length)

  useLayoutEffect(() => {
    if (!within) return
    const measure = () => setRoom(within.clientWidth)
    measure()
    const watch = new ResizeObserver(measure)
    watch.observe(within)
    return () => watch.disconnect()
  }, [within])

  const onSize = useCallback((page: number, size: Size) => {
    setSizes((before) => {
      const known = before.get(page)
      return known?.width === size.width && known.height === size.height ? before : new Map(before).set(page, size)
    })
  }, [])

  // What was in the middle stays there when it gets larger.
  const last = useRef<number | null>(null)
  useLayoutEffect(() => {
    // Before it is measured it has no scale.
    if (!within || !room) return
    tellMoved(within)
    const factor = scale / (last.current ?? scale)
    last.current = scale
    if (factor === 1) return
    within.scrollTop = (within.scrollTop + within.clientHeight / 2) * factor - within.clientHeight / 2
    within.scrollLeft = (within.scrollLeft + within.clientWidth / 2) * factor - within.clientWidth / 2
  }, [within, room, scale])

  const goTo = useCallback(
    (page: number) => {
      const place = within?.querySelector<HTMLElement>(`[data-page="${page}"]`)
      if (place && within) within.scrollTop = place.offsetTop - 8
    },
    [within],
  )
  const scrolled = () => {
    if (!within) return
    tellMoved(within)
    const middle = within.scrollTop + within.clientHeight / 2
    const all = [...within.querySelectorAll<HTMLElement>('[data-page]')]
    const at = all.findLast((one) => one.offsetTop <= middle)
    setCurrent(Number(at?.dataset['page'] ?? 1))
  }

  const zoom = useCallback((factor: number) => setChosen(Math.max(LEAST, Math.min(MOST, (last.current ?? 1) * factor))), [])
  usePinch(within, zoom)

  const laid = useRef({ room, widest, chosen })
  /** Where to be once it is as large as it will be. */
  const going = useRef<Seen | null>(null)
  const parts = useMemo(() => within && placesOfParts(within, () => [...within.querySelectorAll<HTMLElement>('[data-page]')], () => undefined), [within])
  const bring = useCallback(
    ([page = 0, down = 0, across = 0.5]: Seen) => {
      parts?.bring(page, down)
      const box = within?.querySelector(`[data-page="${page + 1}"]`)?.getBoundingClientRect()
      const seen = within?.getBoundingClientRect()
      if (within && box && seen) within.scrollLeft += box.left + across * box.width - seen.left - seen.width / 2
    },
    [parts, within],
  )
  useLayoutEffect(() => {
    laid.current = { room, widest, chosen }
    if (going.current) bring(going.current)
    going.current = null
  }, [room, widest, chosen, bring])
  const places = useMemo<Places | undefined>(
    () =>
      parts && within
        ? {
            ...parts,
            // How much of a page's width a screen has room for: 1 is as wide as the pane.
            where: () => {
              const [page, down] = parts.middle()
              const box = within.querySelector(`[data-page="${page + 1}"]`)?.getBoundingClientRect()
              const { left, width } = within.getBoundingClientRect()
              const { room: wide, widest: page_pt, chosen: by } = laid.current
              return [page, down, box ? (left + width / 2 - box.left) / box.width : 0.5, by === null ? 1 : (wide - BESIDE_PX) / (page_pt * by)]
            },
            goTo: (place) => {
              const share = place[3] ?? 1
              const { room: wide, widest: page_pt, chosen: by } = laid.current
              const next = Math.abs(share - 1) < 0.001 ? null : Math.max(LEAST, Math.min(MOST, (wide - BESIDE_PX) / (page_pt * share)))
              going.current = next === by ? null : place
              if (next === by) bring(place)
              else setChosen(next)
            },
          }
        : undefined,
    [parts, within, bring],
  )
  useEffect(() => {
    onHands({
      places,
      step: (by) => within?.scrollBy({ top: Math.abs(by) >= 5 ? Math.sign(by) * within.clientHeight * 0.9 : by * STEP_PX }),
      end: (toLast) => within?.scrollTo({ top: toLast ? within.scrollHeight : 0 }),
      zoom,
      fit: () => setChosen(null),
    })
    return () => onHands(null)
  }, [onHands, within, zoom, places])

  const [leaving, setLeaving] = useState<string | null>(null)
  const follow = useCallback(
    (leads: Leads) => {
      if ('url' in leads) return setLeaving(leads.url)
      if ('named' in leads) {
        const to = { FirstPage: 1, LastPage: pages.length, NextPage: current + 1, PrevPage: current - 1 }[leads.named]
        return to ? goTo(Math.max(1, Math.min(pages.length, to))) : undefined
      }
      const find = async () => {
        const found: unknown = typeof leads.dest === 'string' ? await pdf.getDestination(leads.dest) : leads.dest
        const [first] = Array.isArray(found) ? (found as unknown[]) : []
        goTo((typeof first === 'number' ? first : await pdf.getPageIndex(first as Parameters<PDFDocumentProxy['getPageIndex']>[0])) + 1)
      }
      find().catch(() => toast('This link leads to no page of the document.'))
    },
    [pdf, pages.length, current, goTo],
  )

  const { place, turn } = search
  useEffect(() => {
    if (place) goTo(place.page)
    // Again where the reader goes to the only place once more.
  }, [place, turn, goTo])

  const print = () => {
    if (printing !== null) return
    setPrinting(0)
    drawForPrinter(pdf, setPrinting).then(setSheets, () => toast('Not printed: a page could not be drawn. The document can be saved and printed elsewhere.'))
      .finally(() => setPrinting(null))
  }
  const mayPrint = pdf.numPages <= PRINTED_MAX
  return (
    <div className={classes['view']}>
      <div className={classes['bar']} role="toolbar" aria-label="Document">
        <PageNumber current={current} of={pages.length} onGo={goTo} />
        <span className={classes['space']} />
        <Act label="Smaller" icon={<IconMinus size={18} />} onClick={() => zoom(1 / 1.2)} />
        <span className={classes['percent']}>{Math.round((100 * scale) / ACTUAL)} %</span>
        <Act label="Larger" icon={<IconPlus size={18} />} onClick={() => zoom(1.2)} />
        <Act label="As wide as the pane" icon={<IconArrowAutofitWidth size={18} />} pressed={chosen === null} onClick={() => setChosen(null)} />
        <span className={classes['space']} />
        <form className={classes['search']} role="search" onSubmit={search.submit}>
          <TextInput
            size="xs"
            aria-label="Find in the document"
            placeholder="Find"
            leftSection={<IconSearch size={14} />}
            value={search.words}
            onChange={(event) => search.setWords(event.currentTarget.value)}
          />
          <span role="status">{search.told}</span>
          <Act label="Previous place" icon={<IconChevronUp size={18} />} disabled={!search.count} onClick={() => search.step(-1)} />
          <Act label="Next place" icon={<IconChevronDown size={18} />} disabled={!search.count} onClick={() => search.step(1)} />
        </form>
        <Act
          label={mayPrint ? 'Print' : `At most ${PRINTED_MAX} pages are printed from here: save it, and print it elsewhere`}
          icon={<IconPrinter size={18} />}
          disabled={!mayPrint || printing !== null}
          onClick={print}
        />
        {printing !== null ? <span role="status">{`Page ${printing} of ${pdf.numPages}`}</span> : null}
      </div>
      {pdf.isPureXfa ? <p className={classes['told']}>This is a form of a kind (XFA) that is not shown here. It can be saved, and opened with a program that shows it.</p> : null}
      {pdf.numPages > PAGES_MAX ? <p className={classes['told']}>The first {PAGES_MAX} of its {pdf.numPages} pages are shown. It can be saved and opened elsewhere.</p> : null}
      {leaving === null ? null : (
        <p className={classes['leaving']} role="alert">
          <span>
            This document links to <bdi>{leaving}</bdi>, which is no part of it, and none of this hospital.
          </span>
          <a href={leaving} target="_blank" rel="noopener noreferrer" onClick={() => setLeaving(null)}>
            Open it in a new tab
          </a>
          <button type="button" onClick={() => setLeaving(null)}>
            Stay here
          </button>
        </p>
      )}
      {/* What can be scrolled can be reached by keys. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div ref={setWithin} className={classes['pages']} onScroll={scrolled} tabIndex={0} role="document" aria-label="Pages" data-testid="pdf-pages">
        {within && room > 0
          ? pages.map((page) => (
              <PdfPage key={page} pdf={pdf} page={page} of={pages.length} scale={scale} size={sizes.get(page) ?? first} within={within} onSize={onSize} found={search.on(page)} turn={search.turn} onFollow={follow} />
            ))
          : null}
      </div>
      {sheets ? <PrintedPages pages={sheets} onDone={() => setSheets(null)} /> : null}
    </div>
  )
}

function Act(props: { label: string; icon: React.ReactNode; pressed?: boolean; disabled?: boolean; onClick: () => void }) {
  return (
    <Tooltip label={props.label} openDelay={400}>
      <ActionIcon variant={props.pressed ? 'light' : 'subtle'} aria-label={props.label} aria-pressed={props.pressed} disabled={props.disabled} onClick={props.onClick}>
        {props.icon}
      </ActionIcon>
    </Tooltip>
  )
}

function PageNumber({ current, of, onGo }: { current: number; of: number; onGo: (page: number) => void }) {
  const [typed, setTyped] = useState<string | null>(null)
  const go = () => {
    const page = Number(typed)
    if (typed !== null && Number.isInteger(page) && page >= 1 && page <= of) onGo(page)
    setTyped(null)
  }
  return (
    <form
      className={classes['number']}
      onSubmit={(event) => {
        event.preventDefault()
        go()
      }}
    >
      <input aria-label="Page" inputMode="numeric" value={typed ?? String(current)} onChange={(event) => setTyped(event.currentTarget.value)} onBlur={go} size={Math.max(2, String(of).length)} />
      <span>of {of}</span>
    </form>
  )
}

const NOTHING: readonly never[] = []

/** The places of the words that are searched for, page by page as they are read. */
function useSearch(pdf: PDFDocumentProxy, pages: number) {
  const [words, setWords] = useState('')
  const [places, setPlaces] = useState<readonly Place[] | null>(null)
  const [at, setAt] = useState(0)
  const [read, setRead] = useState(0)
  const [turn, setTurn] = useState(0)
  const known = useRef(new Map<number, readonly Run[]>())
  const run = useRef(0)
  const sought = useRef('')

  const seek = async (wanted: string) => {
    const mine = (run.current += 1)
    sought.current = wanted
    const found: Place[] = []
    setPlaces(found)
    setAt(0)
    setTurn((before) => before + 1)
    for (let page = 1; page <= pages; page += 1) {
      let runs = known.current.get(page)
      if (!runs) {
        const content = await (await pdf.getPage(page)).getTextContent().catch(() => ({ items: [] }))
        // As the words are laid over the page: what only marks a part of it has no letters there.
        runs = content.items.flatMap((item) => ('str' in item ? [{ str: item.str, hasEOL: item.hasEOL }] : []))
        known.current.set(page, runs)
      }
      if (run.current !== mine) return
      const here = matchesIn(runs, wanted).map((one) => ({ ...one, page }))
      if (here.length) {
        found.push(...here)
        setPlaces([...found])
      }
      setRead(page)
    }
  }
  const step = (by: 1 | -1) => {
    const count = places?.length ?? 0
    if (!count) return
    setAt((at + by + count) % count)
    setTurn((before) => before + 1)
  }
  const place = places?.[at] ?? null
  const count = places?.length ?? 0
  const isDone = read === pages
  const byPage = useMemo(() => {
    const out = new Map<number, (Match & { current: boolean })[]>()
    for (const one of places ?? []) out.set(one.page, [...(out.get(one.page) ?? []), { first: one.first, last: one.last, current: one === place }])
    return out
  }, [places, place])
  return {
    words,
    setWords: (next: string) => {
      setWords(next)
      if (next.trim()) return
      run.current += 1
      setPlaces(null)
    },
    submit: (event: FormEvent) => {
      event.preventDefault()
      if (!words.trim()) return
      if (places && sought.current === words) step(1)
      else {
        setRead(0)
        void seek(words)
      }
    },
    step,
    count,
    place,
    turn,
    told: places === null ? '' : count ? `${at + 1} of ${count}${isDone ? '' : '…'}` : isDone ? 'Not found' : 'Searching',
    on: (page: number) => byPage.get(page) ?? NOTHING,
  }
}
