import { ActionIcon, Button, Checkbox, CloseButton, Menu, Popover, TextInput, Tooltip, UnstyledButton } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import {
  IconArrowDown,
  IconArrowUp,
  IconBookmark,
  IconColumns3,
  IconDownload,
  IconSearch,
  IconTrash,
} from '@tabler/icons-react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useId, useMemo, useRef, useState, type ReactNode } from 'react'
import { csv, saveFile } from '@/lib/csv'
import { useKeys, type KeyBinding } from '@/lib/keys'
import { load, save } from '@/lib/storage'
import { formatDay } from '@/lib/time'
import { Empty, Outline, ProblemNote, toastProblem } from '../feedback'
import { arrange, counted, leastWidth, type Sort, type WorkAction, type WorkColumn, type WorkFilter, type WorkView } from './model'
import { useSteadyOrder } from './useSteadyOrder'
import classes from './WorkList.module.css'

export interface WorkListProps<T> {
  /** Names the list: layout and saved views are kept under it. */
  id: string
  /** What the rows are, in the plural (`orders`), for the count and for screen readers. */
  noun: string
  rows: readonly T[] | undefined
  rowKey: (row: T) => string
  columns: readonly WorkColumn<T>[]
  filters?: readonly WorkFilter<T>[]
  /** Views that come with the list; a person adds their own. */
  views?: readonly WorkView[]
  defaultSort?: Sort
  /** What else the order of the rows says, where people change it on purpose: they take their places at once then. */
  arrangement?: string
  actions?: readonly WorkAction<T>[]
  /** Enter or double click. */
  onOpen?: (row: T) => void
  /** The row under the cursor of the list: what the inspector shows. */
  onCurrent?: (row: T | undefined) => void
  /** A row that must be seen first: an amber edge. The sign in words is a column's own. */
  isUrgent?: (row: T) => boolean
  /** Greyed, as it is not this person's to do. */
  isQuiet?: (row: T) => boolean
  error?: unknown
  onRetry?: () => void
  /** Why the list is empty and what to do next. */
  empty: { title: string; hint?: string; children?: ReactNode }
  /** When the search is the server's: its text and where to send it. Rows then come already matched. */
  search?: { text: string; onChange: (text: string) => void; placeholder?: string }
  searchPlaceholder?: string
  searchFocused?: boolean
  /** How many there are in all, when the server holds more than `rows`. */
  total?: number | null
  /** Asked for when the end of the rows comes near. */
  onMore?: () => void
  /** On a phone a row is drawn so, in two lines; the first three columns otherwise. */
  compact?: (row: T) => ReactNode
  /** Something of the list's own in its toolbar. */
  tools?: ReactNode
  /** Keys of the list are heard (off while another list of the screen has them). */
  keysActive?: boolean
}

interface Layout {
  columns?: string[]
  sort?: Sort
  filters?: Record<string, string[]>
}

/** The one list: every worklist, queue and log is this component. */
export function WorkList<T>(props: WorkListProps<T>) {
  const { id, noun, rows, rowKey, columns, actions, onOpen, onCurrent, total, onMore } = props
  const filters = useMemo(() => props.filters ?? [], [props.filters])
  const [layout, setLayout] = useState<Layout>(() => load<Layout>(`list:${id}`, {}))
  const [views, setViews] = useState<WorkView[]>(() => load<WorkView[]>(`views:${id}`, []))
  const [ownText, setOwnText] = useState('')
  const [current, setCurrent] = useState<string>()
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const [busy, setBusy] = useState(false)
  const coarse = useMediaQuery('(pointer: coarse)') ?? false
  const phone = useMediaQuery('(max-width: 600px)') ?? false
  const scroller = useRef<HTMLDivElement>(null)
  const searchField = useRef<HTMLInputElement>(null)
  const listId = useId()

  const change = (next: Layout) => {
    setLayout(next)
    save(`list:${id}`, next)
  }
  const text = props.search?.text ?? ownText
  const setText = props.search?.onChange ?? setOwnText
  const chosen = useMemo(() => layout.filters ?? {}, [layout.filters])
  const sort = layout.sort ?? props.defaultSort
  const shownColumns = columns.filter((column) =>
    layout.columns ? layout.columns.includes(column.id) : !column.hidden,
  )

  const byKey = useMemo(() => new Map(rows?.map((row) => [rowKey(row), row])), [rows, rowKey])
  const arranged = useMemo(
    () => arrange(rows ?? [], { columns, filters, chosen, search: props.search ? '' : ownText, sort }).map(rowKey),
    [rows, columns, filters, chosen, props.search, ownText, sort, rowKey],
  )
  const asked = useRef(false)
  const steady = useSteadyOrder(arranged, JSON.stringify([chosen, text, sort, props.arrangement]), asked)
  const order = useMemo(() => steady.order.filter((key) => byKey.has(key)), [steady.order, byKey])

  const rowHeight = phone ? 60 : coarse ? 44 : 32
  const virtual = useVirtualizer({
    count: order.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
    initialRect: { width: 1000, height: 600 },
  })
  useEffect(() => {
    virtual.measure()
  }, [rowHeight, virtual])
  const items = virtual.getVirtualItems()
  const lastShown = items.at(-1)?.index ?? 0
  const wantsMore = useRef(0)
  useEffect(() => {
    if (onMore && order.length > 0 && lastShown >= order.length - 20 && wantsMore.current !== (rows?.length ?? 0)) {
      wantsMore.current = rows?.length ?? 0
      asked.current = true
      onMore()
    }
  }, [lastShown, order.length, onMore, rows?.length])

  const currentRow = current === undefined ? undefined : byKey.get(current)
  const tellCurrent = useRef(onCurrent)
  useEffect(() => {
    tellCurrent.current = onCurrent
  })
  useEffect(() => {
    tellCurrent.current?.(currentRow)
  }, [currentRow])

  const move = (to: number) => {
    steady.touch()
    const index = Math.max(0, Math.min(order.length - 1, to))
    const key = order[index]
    if (key === undefined) return
    setCurrent(key)
    virtual.scrollToIndex(index, { align: 'auto' })
  }
  const at = current === undefined ? -1 : order.indexOf(current)
  const toggle = (key: string) => {
    setSelected((was) => {
      const next = new Set(was)
      if (!next.delete(key)) next.add(key)
      return next
    })
  }
  const chosenRows = (): T[] => {
    const keys = selected.size ? order.filter((key) => selected.has(key)) : current === undefined ? [] : [current]
    return keys.flatMap((key) => byKey.get(key) ?? [])
  }
  const run = async (action: WorkAction<T>) => {
    const targets = chosenRows()
    if (!targets.length || action.refuse?.(targets)) return
    setBusy(true)
    try {
      await action.run(targets)
      setSelected(new Set())
    } catch (error) {
      toastProblem(error, `${action.label}: not done`)
    } finally {
      setBusy(false)
    }
  }
  const open = () => {
    if (currentRow) onOpen?.(currentRow)
  }

  const keysActive = props.keysActive ?? true
  useKeys(
    'List',
    keysActive
      ? [
          { keys: 'j', label: 'Next row', run: () => move(at + 1) },
          { keys: 'k', label: 'Row before', run: () => move(at < 0 ? 0 : at - 1) },
          ...(onOpen ? [{ keys: 'o', label: 'Open the row (also Enter)', run: open }] : []),
          { keys: 'x', label: 'Select the row', run: () => current !== undefined && toggle(current) },
          { keys: '/', label: 'Search this list', run: () => searchField.current?.focus() },
          ...(actions ?? []).flatMap((action): KeyBinding[] =>
            action.keys ? [{ keys: action.keys, label: action.label, run: () => void run(action) }] : [],
          ),
        ]
      : [],
  )

  const exportCsv = () => {
    const wanted = selected.size ? order.filter((key) => selected.has(key)) : order
    const lines = wanted.flatMap((key) => {
      const row = byKey.get(key)
      return row === undefined ? [] : [shownColumns.map((column) => column.value(row))]
    })
    const file = csv(
      shownColumns.map((column) => column.label),
      lines,
    )
    saveFile(`${id}-${formatDay(new Date())}.csv`, '\ufeff' + file, 'text/csv;charset=utf-8')
  }

  const filtered = Object.values(chosen).some((values) => values.length > 0) || text !== ''
  const template = [
    '36px',
    ...shownColumns.map((column) =>
      column.grow ? `minmax(${leastWidth(column)}px, ${column.grow}fr)` : `${leastWidth(column)}px`,
    ),
  ].join(' ')
  const minWidth = 36 + shownColumns.reduce((sum, column) => sum + leastWidth(column), 0) + shownColumns.length * 16 + 16
  const count = total ?? rows?.length ?? 0

  const instead =
    props.error && !rows ? (
      <ProblemNote error={props.error} title={`The ${noun} could not be fetched`} onRetry={props.onRetry} />
    ) : rows === undefined ? (
      <Outline rows={14} />
    ) : order.length > 0 || steady.held.length > 0 ? null : filtered && rows.length > 0 ? (
      <Empty title={`None of the ${noun} match`} hint="The search or a filter hides them all.">
        <Button
          variant="default"
          onClick={() => {
            setText('')
            change({ ...layout, filters: {} })
          }}
        >
          Show all {rows.length}
        </Button>
      </Empty>
    ) : (
      <Empty title={props.empty.title} hint={props.empty.hint}>
        {props.empty.children}
      </Empty>
    )

  return (
    <div className={classes['list']}>
      <div className={classes['bar']}>
        <TextInput
          ref={searchField}
          className={classes['search']}
          aria-label={`Search ${noun}`}
          placeholder={props.search?.placeholder ?? props.searchPlaceholder ?? `Search ${noun}`}
          leftSection={<IconSearch size={16} aria-hidden />}
          rightSection={text ? <CloseButton size="sm" aria-label="Clear the search" onClick={() => setText('')} /> : <kbd>/</kbd>}
          value={text}
          autoFocus={props.searchFocused}
          onChange={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Escape') {
              if (text) setText('')
              else event.currentTarget.blur()
            }
            if (event.key === 'ArrowDown' || event.key === 'Enter') {
              event.preventDefault()
              scroller.current?.focus()
              move(0)
            }
          }}
        />
        {filters.map((filter) => (
          <Chips
            key={filter.id}
            filter={filter}
            rows={rows}
            chosen={chosen[filter.id] ?? []}
            onChange={(values) => change({ ...layout, filters: { ...chosen, [filter.id]: values } })}
          />
        ))}
        <div className={classes['tools']}>
          {props.tools}
          <ViewsMenu
            views={[...(props.views ?? []), ...views]}
            own={views}
            onUse={(view) => {
              change({ columns: view.columns, sort: view.sort, filters: view.filters })
              setText(view.search ?? '')
            }}
            onSave={(name) => {
              const next = [...views.filter((view) => view.name !== name), { ...layout, name, search: text }]
              setViews(next)
              save(`views:${id}`, next)
            }}
            onForget={(name) => {
              const next = views.filter((view) => view.name !== name)
              setViews(next)
              save(`views:${id}`, next)
            }}
          />
          <ColumnsMenu
            columns={columns}
            shown={shownColumns.map((column) => column.id)}
            onChange={(ids) => change({ ...layout, columns: ids })}
          />
          <Tooltip label="Save as CSV">
            <ActionIcon aria-label="Save as CSV" onClick={exportCsv} disabled={order.length === 0}>
              <IconDownload size={18} />
            </ActionIcon>
          </Tooltip>
        </div>
      </div>

      {selected.size > 0 ? (
        <div className={classes['batch']} role="toolbar" aria-label="What to do with the selected rows">
          <strong>{selected.size} selected</strong>
          {(actions ?? []).map((action) => {
            const refused = action.refuse?.(chosenRows())
            return (
              <Tooltip key={action.id} label={refused} disabled={!refused}>
                <Button
                  variant="default"
                  leftSection={action.icon}
                  disabled={Boolean(refused)}
                  loading={busy}
                  onClick={() => void run(action)}
                >
                  {action.label}
                </Button>
              </Tooltip>
            )
          })}
          <Button variant="subtle" color="gray" onClick={() => setSelected(new Set())}>
            Select none
          </Button>
        </div>
      ) : null}

      <div
        ref={scroller}
        className={classes['scroller']}
        role="grid"
        aria-label={noun}
        aria-rowcount={order.length + 1}
        aria-multiselectable
        aria-activedescendant={at >= 0 ? `${listId}-${current}` : undefined}
        tabIndex={0}
        onPointerMove={steady.touch}
        onPointerLeave={steady.release}
        onKeyDown={(event) => {
          if (event.target !== event.currentTarget) return
          const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / rowHeight) - 2)
          const to: Record<string, number> = {
            ArrowDown: at + 1,
            ArrowUp: at < 0 ? 0 : at - 1,
            Home: 0,
            End: order.length - 1,
            PageDown: at + page,
            PageUp: at - page,
          }
          const target = to[event.key]
          if (target !== undefined) {
            event.preventDefault()
            move(target)
          } else if (event.key === 'Enter') {
            event.preventDefault()
            open()
          } else if (event.key === ' ' && current !== undefined) {
            event.preventDefault()
            toggle(current)
          }
        }}
      >
        {phone ? null : (
          <div role="rowgroup" className={classes['headGroup']}>
            <div role="row" aria-rowindex={1} className={classes['head']} style={{ gridTemplateColumns: template, minWidth }}>
              <div role="columnheader" className={classes['check']}>
                <Checkbox
                  size="xs"
                  aria-label="Select all rows shown"
                  checked={selected.size > 0 && selected.size === order.length}
                  indeterminate={selected.size > 0 && selected.size < order.length}
                  onChange={() => setSelected(selected.size ? new Set() : new Set(order))}
                />
              </div>
              {shownColumns.map((column) => (
                <HeadCell
                  key={column.id}
                  column={column}
                  sort={sort}
                  onSort={() =>
                    change({
                      ...layout,
                      sort: { column: column.id, descending: sort?.column === column.id ? !sort.descending : false },
                    })
                  }
                />
              ))}
            </div>
          </div>
        )}
        {instead ? (
          // A grid holds rows alone, whatever there is to say.
          <div role="rowgroup">
            <div role="row">
              <div role="gridcell">{instead}</div>
            </div>
          </div>
        ) : (
          <div role="rowgroup" className={classes['rows']} style={{ height: virtual.getTotalSize(), minWidth: phone ? 0 : minWidth }}>
            {items.map((item) => {
              const key = order[item.index]
              const row = key === undefined ? undefined : byKey.get(key)
              if (key === undefined || row === undefined) return null
              return (
                // Keys are heard by the grid itself, which has the focus; a row is only pointed at.
                // eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus
                <div
                  key={key}
                  id={`${listId}-${key}`}
                  role="row"
                  aria-rowindex={item.index + 2}
                  aria-selected={selected.has(key)}
                  className={phone ? classes['compact'] : classes['row']}
                  data-row={key}
                  data-current={key === current || undefined}
                  data-selected={selected.has(key) || undefined}
                  data-urgent={props.isUrgent?.(row) || undefined}
                  data-quiet={props.isQuiet?.(row) || undefined}
                  data-fresh={steady.fresh.has(key) || undefined}
                  style={{
                    gridTemplateColumns: phone ? undefined : template,
                    height: rowHeight,
                    transform: `translateY(${item.start}px)`,
                  }}
                  onClick={() => {
                    setCurrent(key)
                    steady.touch()
                    if (phone && key === current) onOpen?.(row)
                  }}
                  onDoubleClick={() => onOpen?.(row)}
                >
                  {phone ? (
                    <div role="gridcell" className={classes['compactCell']}>
                      {props.compact?.(row) ?? <DefaultCompact row={row} columns={shownColumns} />}
                    </div>
                  ) : (
                    <>
                      <div role="gridcell" className={classes['check']}>
                        <Checkbox
                          size="xs"
                          tabIndex={-1}
                          aria-label="Select this row"
                          checked={selected.has(key)}
                          onClick={(event) => event.stopPropagation()}
                          onDoubleClick={(event) => event.stopPropagation()}
                          onChange={() => toggle(key)}
                        />
                      </div>
                      {shownColumns.map((column) => (
                        <div
                          key={column.id}
                          role="gridcell"
                          className={classes['cell']}
                          data-align={column.align}
                          data-column={column.id}
                        >
                          {column.render ? column.render(row) : <CellText value={column.value(row)} />}
                        </div>
                      ))}
                    </>
                  )}
                </div>
              )
            })}
          </div>
        )}
      </div>

      <footer className={classes['foot']}>
        <span>
          {rows === undefined ? null : filtered ? `${order.length} of ${counted(count, noun)}` : counted(count, noun)}
          {total !== null && total !== undefined && rows && rows.length < total ? `, ${rows.length} fetched` : ''}
        </span>
        {steady.held.length ? (
          <UnstyledButton className={classes['held']} onClick={steady.showNow}>
            {steady.held.length} new, show now
          </UnstyledButton>
        ) : null}
        {props.error && rows ? <span className={classes['stale']}>Could not be refreshed; this may be old</span> : null}
        <span className="sr-only" role="status">
          {steady.fresh.size ? counted(steady.fresh.size, noun, 'new') : ''}
        </span>
      </footer>
    </div>
  )
}

function CellText({ value }: { value: ReturnType<WorkColumn<unknown>['value']> }) {
  if (value === null || value === undefined) return null
  return <>{value instanceof Date ? value.toISOString() : String(value)}</>
}

function DefaultCompact<T>({ row, columns }: { row: T; columns: readonly WorkColumn<T>[] }) {
  const [first, ...rest] = columns
  const draw = (column: WorkColumn<T>) => (column.render ? column.render(row) : <CellText value={column.value(row)} />)
  return (
    <>
      <div className={classes['compactFirst']}>{first ? draw(first) : null}</div>
      <div className={classes['compactRest']}>
        {rest.slice(0, 3).map((column) => (
          <span key={column.id}>{draw(column)}</span>
        ))}
      </div>
    </>
  )
}

function HeadCell<T>({ column, sort, onSort }: { column: WorkColumn<T>; sort: Sort | undefined; onSort: () => void }) {
  const sorted = sort?.column === column.id
  return (
    <div
      role="columnheader"
      aria-sort={sorted ? (sort.descending ? 'descending' : 'ascending') : undefined}
      className={classes['headCell']}
      data-align={column.align}
    >
      {column.unsorted ? (
        column.label
      ) : (
        <UnstyledButton onClick={onSort}>
          {column.label}
          {sorted ? sort.descending ? <IconArrowDown size={13} aria-hidden /> : <IconArrowUp size={13} aria-hidden /> : null}
        </UnstyledButton>
      )}
    </div>
  )
}

function Chips<T>({
  filter,
  rows,
  chosen,
  onChange,
}: {
  filter: WorkFilter<T>
  rows: readonly T[] | undefined
  chosen: readonly string[]
  onChange: (values: string[]) => void
}) {
  const counts = useMemo(
    () => rows && filter.options.map((option) => rows.reduce((sum, row) => sum + (filter.match(row, option.value) ? 1 : 0), 0)),
    [filter, rows],
  )
  return (
    <div role="group" aria-label={filter.label} className={classes['chips']}>
      {filter.options.map((option, index) => (
        <UnstyledButton
          key={option.value}
          className={classes['chip']}
          aria-pressed={chosen.includes(option.value)}
          onClick={() =>
            onChange(
              chosen.includes(option.value) ? chosen.filter((value) => value !== option.value) : [...chosen, option.value],
            )
          }
        >
          {option.label} {counts ? <span>{counts[index]}</span> : null}
        </UnstyledButton>
      ))}
    </div>
  )
}

function ViewsMenu({
  views,
  own,
  onUse,
  onSave,
  onForget,
}: {
  views: readonly WorkView[]
  own: readonly WorkView[]
  onUse: (view: WorkView) => void
  onSave: (name: string) => void
  onForget: (name: string) => void
}) {
  const [open, setOpen] = useState(false)
  const [name, setName] = useState('')
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" trapFocus width={280}>
      <Popover.Target>
        <Tooltip label="Views">
          <ActionIcon aria-label="Views" aria-expanded={open} onClick={() => setOpen(!open)}>
            <IconBookmark size={18} />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown>
        <div className={classes['views']}>
          {views.map((view) => (
            <div key={view.name}>
              <UnstyledButton
                onClick={() => {
                  onUse(view)
                  setOpen(false)
                }}
              >
                {view.name}
              </UnstyledButton>
              {own.includes(view) ? (
                <ActionIcon size="sm" aria-label={`Forget the view ${view.name}`} onClick={() => onForget(view.name)}>
                  <IconTrash size={15} />
                </ActionIcon>
              ) : null}
            </div>
          ))}
          {views.length === 0 ? <p>Filter and sort the list as you need it, then keep it here.</p> : null}
          <form
            onSubmit={(event) => {
              event.preventDefault()
              if (name.trim()) onSave(name.trim())
              setName('')
              setOpen(false)
            }}
          >
            <TextInput
              aria-label="Name of the view"
              placeholder="Keep this view as"
              value={name}
              maxLength={40}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <Button type="submit" variant="default" disabled={!name.trim()}>
              Keep
            </Button>
          </form>
        </div>
      </Popover.Dropdown>
    </Popover>
  )
}

function ColumnsMenu<T>({
  columns,
  shown,
  onChange,
}: {
  columns: readonly WorkColumn<T>[]
  shown: readonly string[]
  onChange: (ids: string[]) => void
}) {
  return (
    <Menu closeOnItemClick={false} position="bottom-end">
      <Menu.Target>
        <Tooltip label="Columns">
          <ActionIcon aria-label="Columns">
            <IconColumns3 size={18} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {columns.map((column) => {
          const on = shown.includes(column.id)
          return (
            <Menu.CheckboxItem
              key={column.id}
              checked={on}
              disabled={on && shown.length === 1}
              onChange={() =>
                onChange(columns.map((one) => one.id).filter((one) => (one === column.id ? !on : shown.includes(one))))
              }
            >
              {column.label}
            </Menu.CheckboxItem>
          )
        })}
      </Menu.Dropdown>
    </Menu>
  )
}
