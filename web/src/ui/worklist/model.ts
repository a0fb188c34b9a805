import type { ReactNode } from 'react'

export type CellValue = string | number | boolean | Date | null | undefined

/** One column of a list. `value` is what sorting, search and CSV use; `render` what the eye sees. */
export interface WorkColumn<T> {
  id: string
  label: string
  value: (row: T) => CellValue
  render?: (row: T) => ReactNode
  /** Least width in px (default 96); with `grow` it takes a share of what is left. */
  width?: number
  grow?: number
  align?: 'left' | 'right'
  /** Off until chosen. */
  hidden?: boolean
  /** Not offered for sorting. */
  unsorted?: boolean
}

/** A choice beside the search: one chip per option, with its count. */
export interface WorkFilter<T> {
  id: string
  label: string
  options: readonly { value: string; label: string }[]
  match: (row: T, value: string) => boolean
}

/** Something done to the selected rows (or the current one when none is selected). */
export interface WorkAction<T> {
  id: string
  label: string
  icon?: ReactNode
  keys?: string
  /** Why it cannot be done to these rows; undefined when it can. */
  refuse?: (rows: readonly T[]) => string | undefined
  run: (rows: readonly T[]) => void | Promise<void>
}

export interface Sort {
  column: string
  descending: boolean
}

/** How a list stands: what a saved view keeps. */
export interface WorkView {
  name: string
  columns?: string[]
  sort?: Sort
  filters?: Record<string, string[]>
  search?: string
}

export function plainText(value: CellValue): string {
  if (value === null || value === undefined) return ''
  return value instanceof Date ? value.toISOString() : String(value)
}

/** Orders empty values last either way; text as people sort it, numbers inside it by size. */
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' })

export function compareValues(one: CellValue, other: CellValue, descending: boolean): number {
  const empty = (value: CellValue) => value === null || value === undefined || value === ''
  if (empty(one) || empty(other)) return Number(empty(one)) - Number(empty(other))
  const sign = descending ? -1 : 1
  if (one instanceof Date && other instanceof Date) return sign * (one.getTime() - other.getTime())
  if (typeof one === 'number' && typeof other === 'number') return sign * (one - other)
  if (typeof one === 'boolean' && typeof other === 'boolean') return sign * (Number(one) - Number(other))
  return sign * collator.compare(plainText(one), plainText(other))
}

/** Without case and accents, so that `muller` finds `Müller`. */
export function fold(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()
}

export interface Arrangement<T> {
  columns: readonly WorkColumn<T>[]
  filters: readonly WorkFilter<T>[]
  chosen: Readonly<Record<string, readonly string[]>>
  search: string
  sort: Sort | undefined
}

/** The rows that pass the search and the filters, in the order asked for. The given order is kept where no sort is. */
export function arrange<T>(rows: readonly T[], { columns, filters, chosen, search, sort }: Arrangement<T>): T[] {
  const words = fold(search).split(/\s+/).filter(Boolean)
  const active = filters
    .map((filter) => ({ filter, values: chosen[filter.id] ?? [] }))
    .filter(({ values }) => values.length > 0)
  const kept = rows.filter((row) => {
    if (!active.every(({ filter, values }) => values.some((value) => filter.match(row, value)))) return false
    if (!words.length) return true
    const text = fold(columns.map((column) => plainText(column.value(row))).join('\n'))
    return words.every((word) => text.includes(word))
  })
  const column = sort && columns.find((candidate) => candidate.id === sort.column)
  if (!sort || !column) return kept
  return kept
    .map((row, index) => ({ row, index, value: column.value(row) }))
    .sort((one, other) => compareValues(one.value, other.value, sort.descending) || one.index - other.index)
    .map(({ row }) => row)
}

/**
 * The order to show while somebody is at work in the list: rows that are there stay where they are, rows that left
 * are dropped, new ones wait. `held` are the keys that wait. What comes after the last row moves nothing, as the next
 * page does, and is there at once.
 */
export function holdOrder(shown: readonly string[], next: readonly string[]): { order: string[]; held: string[] } {
  const wanted = new Set(next)
  const there = new Set(shown)
  const end = next.findLastIndex((key) => there.has(key)) + 1
  return {
    order: [...shown.filter((key) => wanted.has(key)), ...(end ? next.slice(end) : [])],
    held: next.filter((key, index) => !there.has(key) && (index < end || !end)),
  }
}

/** `1 study`, `7 studies`, `1 piece of work`: what a list holds is named in the plural. */
export function counted(count: number, noun: string, quality?: string): string {
  const [, head = noun, rest = ''] = /^(.*?)( of .*)?$/.exec(noun) ?? []
  const one = head.endsWith('ies') ? `${head.slice(0, -3)}y` : head.replace(/s$/, '')
  return [count, quality, `${count === 1 ? one : head}${rest}`].filter((part) => part !== undefined).join(' ')
}

const SHRINKS_TO = 0.6

/** Columns that grow also shrink, their words cut short, before a column at the end is pushed out of sight. In pixels. */
export function leastWidth(column: { width?: number; grow?: number }): number {
  const width = column.width ?? 96
  return column.grow ? Math.round(Math.max(Math.min(width, 72), width * SHRINKS_TO)) : width
}
