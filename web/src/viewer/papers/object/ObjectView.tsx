import { Loader, TextInput } from '@mantine/core'
import { IconChevronDown, IconChevronRight } from '@tabler/icons-react'
import { useEffect, useMemo, useState } from 'react'
import { http, useSession } from '@/lib/api'
import { metadataPath } from '../../listing'
import { whyNotFetched } from '../fetched'
import { kindWordOf, type PaperLinks, type PaperViewProps } from '../paper'
import { useSheet } from '../useSheet'
import { dataSetsOf, rowsOf, uidOf, type Attribute, type Row } from './dataset'
import { factsOf, type Table } from './facts'
import classes from './object.module.css'

const XML = 'multipart/related; type="application/dicom+xml"'
/** So many lines are laid out at first: a plan may have a hundred thousand. */
const AT_FIRST = 1_500

/** An object that has no view of its own: what it is, its main facts, and all that it says, with the names of its attributes. */
export default function ObjectView({ paper, links, onHands }: PaperViewProps) {
  const { setSheet, large } = useSheet(onHands)
  const { may } = useSession()
  const { set, fault, again } = useDataSet(paper, may('study.read') || may('result.read'))
  const told = useMemo(() => factsOf(paper.instance), [paper.instance])
  return (
    // What can be scrolled can be reached by keys.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div ref={setSheet} className={classes['sheet']} tabIndex={0} role="document" aria-label={paper.title} data-testid="object">
      <article style={{ fontSize: `calc(var(--text-form) * ${large})` }}>
        <header>
          <h2 dir="auto">{kindWordOf(paper)}</h2>
          {told.facts.length ? (
            <dl>
              {told.facts.map((one) => (
                <div key={one.name}>
                  <dt>{one.name}</dt>
                  <dd dir="auto">{one.value}</dd>
                </div>
              ))}
            </dl>
          ) : null}
        </header>
        {told.tables.map((table, at) => (
          <Listed key={at} table={table} />
        ))}
        {fault ? (
          <p role="alert">
            {fault}{' '}
            <button type="button" className={classes['more']} onClick={again}>
              Try again
            </button>
          </p>
        ) : set ? (
          <All set={set} links={links} self={paper.sopInstanceUid} />
        ) : (
          <Loader size="sm" aria-label="Fetching all that it says" />
        )}
      </article>
    </div>
  )
}

function useDataSet(paper: PaperViewProps['paper'], isOwn: boolean): { set: readonly Attribute[] | null; fault: string | null; again: () => void } {
  const [found, setFound] = useState<{ set: readonly Attribute[] | null; fault: string | null }>({ set: null, fault: null })
  const [tries, setTries] = useState(0)
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, path } = paper
  // Guests are told of a series, and of each object in it, what they may know.
  const from = isOwn ? `${path}/metadata` : metadataPath(studyInstanceUid, seriesInstanceUid)
  useEffect(() => {
    const stop = new AbortController()
    setFound({ set: null, fault: null })
    const read = async () => {
      const sets = dataSetsOf(await (await http.blob(from, { headers: { Accept: XML }, signal: stop.signal })).text())
      const set = sets.find((one) => uidOf(one) === sopInstanceUid)
      if (!set) throw new Error('It is not among what came.')
      setFound({ set, fault: null })
    }
    read().catch((error: unknown) => (stop.signal.aborted ? undefined : setFound({ set: null, fault: whyNotFetched(error, 'object') })))
    return () => stop.abort()
  }, [from, sopInstanceUid, tries])
  return { ...found, again: () => setTries(tries + 1) }
}

function Listed({ table }: { table: Table }) {
  // A column in which nothing stands says nothing.
  const columns = table.heads.map((_, at) => at).filter((at) => table.rows.some((row) => row[at]))
  return (
    <section className={classes['listed']} aria-label={table.title}>
      <h3 dir="auto">{table.title}</h3>
      <div>
        <table>
          <thead>
            <tr>
              {columns.map((at) => (
                <th key={at} scope="col">
                  {table.heads[at]}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.map((row, at) => (
              <tr key={at}>
                {columns.map((column) => (
                  <td key={column} dir="auto">
                    {row[column]}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

function All({ set, links, self }: { set: readonly Attribute[]; links: PaperLinks; self: string }) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const [wanted, setWanted] = useState('')
  const [most, setMost] = useState(AT_FIRST)
  const rows = useMemo(() => rowsOf(set, open, wanted), [set, open, wanted])
  const toggle = (path: string) =>
    setOpen((before) => {
      const next = new Set(before)
      if (!next.delete(path)) next.add(path)
      return next
    })
  return (
    <section aria-label="All that it says" className={classes['all']}>
      <div className={classes['find']}>
        <h3>All that it says</h3>
        <TextInput
          size="sm"
          aria-label="Find within"
          placeholder="Find a name, tag or value"
          value={wanted}
          onChange={(event) => {
            setWanted(event.currentTarget.value)
            setMost(AT_FIRST)
          }}
        />
      </div>
      <div data-testid="attributes">
        {rows.slice(0, most).map((row) => (
          <One key={row.path} row={row} isOpen={open.has(row.path) || wanted.trim() !== ''} links={links} self={self} onToggle={toggle} />
        ))}
      </div>
      {rows.length ? null : <p role="note">Nothing in it is that.</p>}
      {rows.length > most ? (
        <button type="button" className={classes['more']} onClick={() => setMost(most + 5 * AT_FIRST)}>
          Show more: {rows.length - most} lines are left
        </button>
      ) : null}
    </section>
  )
}

const DEEPEST = 10

function One({ row, isOpen, links, self, onToggle }: { row: Row; isOpen: boolean; links: PaperLinks; self: string; onToggle: (path: string) => void }) {
  const style = { paddingInlineStart: `${Math.min(row.depth, DEEPEST) * 1.1}em` }
  const Sign = isOpen ? IconChevronDown : IconChevronRight
  if (row.item) {
    const { number, of, called } = row.item
    const words = `Item ${number}${called ? ` · ${called}` : ''}`
    return (
      <div className={classes['row']} style={style} data-item>
        {of > 1 ? (
          <button type="button" aria-expanded={isOpen} onClick={() => onToggle(row.path)}>
            <Sign size={16} aria-hidden />
            <span dir="auto">{words}</span>
          </button>
        ) : (
          <span dir="auto">{words}</span>
        )}
      </div>
    )
  }
  const { attribute } = row
  if (!attribute) return null
  const { name, tag, vr, items } = attribute
  const title = `(${tag.slice(0, 4)},${tag.slice(4)}) ${vr}`
  return (
    <div className={classes['row']} style={style} title={title}>
      {row.opens ? (
        <button type="button" aria-expanded={isOpen} onClick={() => onToggle(row.path)}>
          <Sign size={16} aria-hidden />
          <span>{name}</span>
          <em>{items.length}</em>
        </button>
      ) : (
        <span>{name}</span>
      )}
      <Value attribute={attribute} links={links} self={self} />
      <code>{title}</code>
    </div>
  )
}

function Value({ attribute: { values, vr, items, isElsewhere }, links, self }: { attribute: Attribute; links: PaperLinks; self: string }) {
  if (isElsewhere) return <em>Long or binary: in the saved object</em>
  if (vr === 'SQ') return items.length ? null : <em>Empty</em>
  const [first] = values
  if (first === undefined) return <em>Empty</em>
  const found = vr === 'UI' && values.length === 1 && first !== self ? links.find(first, []) : null
  return (
    <p dir="auto">
      {values.join(' \\ ')}
      {found ? (
        <button type="button" className={classes['more']} onClick={found.open}>
          {found.words}
        </button>
      ) : null}
    </p>
  )
}
