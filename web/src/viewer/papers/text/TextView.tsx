import { Loader } from '@mantine/core'
import { createElement, useEffect, useMemo, useState, type ReactNode } from 'react'
import { http } from '@/lib/api/http'
import { later } from '@/lib/later'
import { bytesOf } from '../../bulk'
import { text as valueOf } from '../../dicom'
import viewer from '../../viewer.module.css'
import type { Paper, PaperViewProps } from '../paper'
import { whyNotFetched } from '../fetched'
import papers from '../papers.module.css'
import sheet from '../report/report.module.css'
import { useSheet } from '../useSheet'
import { childrenOf, readCda, wordsOf, type Cda } from './cda'
import classes from './text.module.css'

const PdfView = later(() => import('../pdf/PdfView'))
const BYTES_MAX = 20 * 1024 * 1024
/** More of a narrative would keep the browser from everything else while it is laid out. */
const LETTERS_MAX = 3_000_000
const TOO_LONG = 'This text is too long to be shown here. It can be saved and opened elsewhere.'

async function fetched(paper: Paper, signal: AbortSignal): Promise<Uint8Array> {
  const element = paper.instance['00420011']
  if (!valueOf(paper.instance, '00420012')) return element ? bytesOf(element) : new Uint8Array(0)
  const blob = await http.blob(`${paper.path}/rendered`, { signal })
  if (blob.size > BYTES_MAX) throw new RangeError('too large')
  return new Uint8Array(await blob.arrayBuffer())
}

/** A clinical document (CDA) in words: nothing of it runs, and nothing is fetched for it. What is none is shown as it stands. */
export default function TextView(props: PaperViewProps) {
  const { paper } = props
  const [words, setWords] = useState<string | null>(null)
  const [fault, setFault] = useState<string | null>(null)
  const [attempt, setAttempt] = useState(0)
  useEffect(() => {
    const stop = new AbortController()
    setWords(null)
    setFault(null)
    fetched(paper, stop.signal).then(
      (bytes) => setWords(wordsOf(bytes)),
      (error: unknown) => {
        if (stop.signal.aborted) return
        setFault(error instanceof RangeError ? TOO_LONG : whyNotFetched(error, 'text'))
      },
    )
    return () => stop.abort()
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
  return words === null ? <Loader className={viewer['busy']} size="sm" aria-label="Opening the text" /> : <Document {...props} words={words} />
}

function Document({ paper, links, onHands, words }: PaperViewProps & { words: string }) {
  const cda = useMemo(() => readCda(words), [words])
  const inner = cda?.body?.mediaType === 'application/pdf' && cda.body.base64 !== null ? cda.body.base64 : null
  const { setSheet, large } = useSheet(inner === null ? onHands : null)
  if (inner !== null)
    return <PdfView paper={{ ...paper, instance: { '00420011': { vr: 'OB', InlineBinary: inner } } }} links={links} onHands={onHands} />
  return (
    // What can be scrolled can be reached by keys.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div ref={setSheet} className={sheet['sheet']} tabIndex={0} role="document" aria-label={paper.title} data-testid="text">
      <article className={classes['words']} style={{ fontSize: `calc(var(--text-form) * ${large})` }}>
        {words.length > LETTERS_MAX ? (
          <p role="note">{TOO_LONG}</p>
        ) : cda ? (
          <Narrative cda={cda} />
        ) : words ? (
          <>
            <p role="note">This is no clinical document (CDA) that can be read: it is shown as it stands.</p>
            <pre dir="auto">{words}</pre>
          </>
        ) : (
          <p role="note">It is empty.</p>
        )}
      </article>
    </div>
  )
}

function Narrative({ cda }: { cda: Cda }) {
  return (
    <>
      <header>
        <h2 dir="auto">{cda.title}</h2>
        <dl>
          {cda.facts.map((one) => (
            <div key={one.name}>
              <dt>{one.name}</dt>
              <dd dir="auto">{one.value}</dd>
            </div>
          ))}
        </dl>
      </header>
      {cda.sections.map((section, at) => (
        <Section key={at} section={section} level={3} media={cda.media} />
      ))}
      {cda.body ? cda.body.base64 === null ? <pre dir="auto">{cda.body.words}</pre> : <p role="note">Its body is of the type {cda.body.mediaType}, which is not shown here. It can be saved.</p> : null}
      {cda.body || cda.sections.length ? null : <p role="note">It says nothing in words.</p>}
    </>
  )
}

const DEEPEST = 16

function Section({ section, level, media }: { section: Element; level: number; media: Cda['media'] }): ReactNode {
  if (level > DEEPEST) return null
  const title = childrenOf(section, 'title')[0]?.textContent
  return (
    <section>
      {title ? createElement(`h${Math.min(6, level)}`, { dir: 'auto' }, title) : null}
      {childrenOf(section, 'text').map((one, at) => (
        <div key={at} dir="auto">
          {told(one, media, 0)}
        </div>
      ))}
      {childrenOf(section, 'component', 'section').map((one, at) => (
        <Section key={at} section={one} level={level + 1} media={media} />
      ))}
    </section>
  )
}

/** Elements of the narrative (CDA R2 4.3.5) and what they are on a page; of all others only the words are taken. */
const AS: Readonly<Record<string, string>> = {
  paragraph: 'p',
  item: 'li',
  table: 'table',
  thead: 'thead',
  tbody: 'tbody',
  tfoot: 'tfoot',
  tr: 'tr',
  th: 'th',
  td: 'td',
  sub: 'sub',
  sup: 'sup',
  footnote: 'small',
}
const STYLES: Readonly<Record<string, string>> = { Bold: 'strong', Italics: 'em', Emphasis: 'em', Underline: 'u' }

function told(element: Element, media: Cda['media'], depth: number): ReactNode[] {
  if (depth > 100) return []
  return [...element.childNodes].map((node, at): ReactNode => {
    if (!(node instanceof Element)) {
      // Between the rows of a table there are no words.
      const inTable = /^(table|thead|tbody|tfoot|tr|list)$/.test(element.localName)
      return node.nodeType === Node.TEXT_NODE && !inTable ? node.nodeValue : null
    }
    const name = node.localName
    const inner = () => told(node, media, depth + 1)
    if (name === 'br') return <br key={at} />
    if (name === 'list') return createElement(node.getAttribute('listType') === 'ordered' ? 'ol' : 'ul', { key: at }, inner())
    if (name === 'caption') return createElement(element.localName === 'table' ? 'caption' : 'strong', { key: at }, inner())
    if (name === 'content') {
      const style = (node.getAttribute('styleCode') ?? '').split(/\s+/).map((one) => STYLES[one]).find(Boolean)
      return createElement(style ?? 'span', { key: at }, inner())
    }
    if (name === 'renderMultiMedia') {
      const picture = media.get(node.getAttribute('referencedObject') ?? '')
      return picture ? <img key={at} src={picture} alt={node.textContent?.trim() ?? ''} /> : <em key={at}>(A picture that is not shown here)</em>
    }
    const as = AS[name]
    if (!as) return <span key={at}>{inner()}</span>
    const spans = as === 'td' || as === 'th' ? { colSpan: spanOf(node, 'colspan'), rowSpan: spanOf(node, 'rowspan') } : {}
    return createElement(as, { key: at, ...spans }, inner())
  })
}

function spanOf(cell: Element, name: string): number | undefined {
  const span = Number(cell.getAttribute(name))
  return Number.isInteger(span) && span > 1 && span <= 1000 ? span : undefined
}
