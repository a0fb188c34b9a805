import { createPortal } from 'react-dom'
import { formatMoment } from '@/lib/time'
import type { EdgeLetters } from '../geometry'
import { scaleBar } from '../view'
import type { Identity } from './identity'
import { FOOTER, GUTTER, HEADER, MARGIN, GAP, ABOVE, BELOW, pagesOf, paperLayout, printed, scaleWords, type GridName, type PaperLayout, type PaperName } from './paper'
import classes from './export.module.css'

/** A picture that is ready for paper. */
export interface PrintPicture {
  key: string
  url: string
  pixels: { width: number; height: number }
  /** How large one of its pixels is in the patient; null where it is not calibrated. */
  pixel_mm: number | null
  calibration: string
  edges: EdgeLetters | null
  laterality: string | null
  /** Of the study that it is of; null where nothing of the patient is printed. */
  studyDate: string | null
  words: string
}

export interface SheetsProps {
  pictures: readonly PrintPicture[]
  /** Null: nothing of the patient is printed. */
  identity: Identity | null
  paper: PaperName
  lying: boolean
  grid: GridName
  trueSize: boolean
}

const mm = (value: number) => `${value}mm`

/** All sheets, as the browser prints them: it prints nothing else while they are there. */
export function SheetsForPrinter(props: SheetsProps) {
  const { width, height } = paperLayout(props.paper, props.lying, props.grid)
  return createPortal(
    <div data-sheets className={classes['printer']}>
      <style>{`@page { size: ${width}mm ${height}mm; margin: 0 }`}</style>
      <Sheets {...props} />
    </div>,
    document.body,
  )
}

/** `only`: that sheet alone. */
export function Sheets(props: SheetsProps & { only?: number }) {
  const layout = paperLayout(props.paper, props.lying, props.grid)
  const pages = pagesOf(props.pictures, layout.columns * layout.rows)
  // A prior never stands under the date of the study that is read.
  const dated = new Set(props.pictures.map((picture) => picture.studyDate)).size > 1
  return pages.map((pictures, at) => (props.only === undefined || props.only === at + 1) && <Sheet key={at} {...props} dated={dated} layout={layout} pictures={pictures} page={at + 1} of={pages.length} />)
}

function Sheet({ pictures, identity, layout, trueSize, dated, page, of }: SheetsProps & { layout: PaperLayout; dated: boolean; page: number; of: number }) {
  return (
    <section className={classes['sheet']} style={{ width: mm(layout.width), height: mm(layout.height), padding: mm(MARGIN) }}>
      <header style={{ height: mm(HEADER) }}>
        {identity ? (
          <>
            <div>
              <strong dir="auto">{identity.name}</strong>
              <span>{[identity.id, identity.birthDate ? `born ${identity.birthDate}` : null, identity.sex].filter(Boolean).join(' · ')}</span>
            </div>
            {dated ? null : (
              <div className={classes['right']}>
                <strong>{identity.studyDate}</strong>
                <span>{identity.studyDescription}</span>
              </div>
            )}
          </>
        ) : (
          <strong>No patient data</strong>
        )}
      </header>
      <div
        className={classes['cells']}
        style={{ gap: mm(GAP), gridTemplateColumns: `repeat(${layout.columns}, ${mm(layout.cell.width)})`, gridAutoRows: mm(layout.cell.height) }}
      >
        {pictures.map((picture) => (
          <Cell key={picture.key} picture={picture} layout={layout} trueSize={trueSize} dated={dated} />
        ))}
      </div>
      <footer style={{ height: mm(FOOTER) }}>
        <span>
          Printed {formatMoment(new Date())} · Not for diagnosis
          {trueSize ? ' · True size only where printed at 100 %: measure the bars' : null}
        </span>
        <span>
          Page {page} of {of}
        </span>
      </footer>
    </section>
  )
}

function Cell({ picture, layout, trueSize, dated }: { picture: PrintPicture; layout: PaperLayout; trueSize: boolean; dated: boolean }) {
  const size = printed(picture.pixels, picture.pixel_mm, layout.picture, trueSize)
  const cut = size.width > size.seen.width + 0.01 || size.height > size.seen.height + 0.01
  const bar = size.magnification === null ? null : scaleBar(size.magnification, Math.min(50, size.seen.width * 0.6))
  const { edges } = picture
  return (
    <figure className={classes['cell']}>
      <figcaption style={{ height: mm(ABOVE / 2) }}>
        {dated ? <strong>{picture.studyDate}</strong> : null}
        {picture.laterality ? <strong>{picture.laterality}</strong> : null}
        <span>{picture.words}</span>
      </figcaption>
      <div className={classes['body']} style={{ height: mm(layout.picture.height + ABOVE / 2 + BELOW / 2) }}>
        <div className={classes['letter']} style={{ height: mm(ABOVE / 2) }}>
          {edges?.top}
        </div>
        <div className={classes['row']}>
          <span className={classes['letter']} style={{ width: mm(GUTTER) }}>
            {edges?.left}
          </span>
          <div className={classes['cutting']} style={{ width: mm(size.seen.width), height: mm(size.seen.height) }}>
            <img
              src={picture.url}
              alt=""
              style={{ width: mm(size.width), height: mm(size.height), left: mm((size.seen.width - size.width) / 2), top: mm((size.seen.height - size.height) / 2) }}
            />
          </div>
          <span className={classes['letter']} style={{ width: mm(GUTTER) }}>
            {edges?.right}
          </span>
        </div>
        <div className={classes['letter']} style={{ height: mm(BELOW / 2) }}>
          {edges?.bottom}
        </div>
      </div>
      <div className={classes['measure']} style={{ height: mm(BELOW / 2) }}>
        {bar ? <i data-scale={bar.units} style={{ width: mm(bar.length_px) }} /> : null}
        <span>
          {[
            bar ? (bar.units >= 10 ? `${bar.units / 10} cm` : `${Number(bar.units.toFixed(2))} mm`) : null,
            size.magnification === null ? null : scaleWords(size.magnification),
            picture.calibration,
            cut ? 'middle part' : null,
            trueSize && picture.pixel_mm === null ? 'size not known' : null,
          ]
            .filter(Boolean)
            .join(' · ')}
        </span>
      </div>
    </figure>
  )
}
