import { describe, expect, it } from 'vitest'
import { arrange, compareValues, counted, holdOrder, leastWidth, type WorkColumn } from './model'

interface Row {
  id: number
  name: string
  due: Date | null
}

const rows: Row[] = [
  { id: 1, name: 'Müller', due: null },
  { id: 10, name: 'abel', due: new Date(3) },
  { id: 2, name: 'Zoë', due: new Date(1) },
]
const columns: WorkColumn<Row>[] = [
  { id: 'id', label: 'Id', value: (row) => row.id },
  { id: 'name', label: 'Name', value: (row) => row.name },
  { id: 'due', label: 'Due', value: (row) => row.due },
]
const plain = { columns, filters: [], chosen: {}, search: '', sort: undefined }
const ids = (list: Row[]) => list.map((row) => row.id)

describe('arranging a list', () => {
  it('keeps the order given where nobody sorted', () => {
    expect(ids(arrange(rows, plain))).toEqual([1, 10, 2])
  })

  it('finds without case and accents, every word somewhere in the row', () => {
    expect(ids(arrange(rows, { ...plain, search: 'muller' }))).toEqual([1])
    expect(ids(arrange(rows, { ...plain, search: 'zoe 2' }))).toEqual([2])
    expect(ids(arrange(rows, { ...plain, search: 'zoe 99' }))).toEqual([])
  })

  it('keeps rows that answer to any chosen value of each filter', () => {
    const filters = [{ id: 'kind', label: 'Kind', options: [], match: (row: Row, value: string) => String(row.id) === value }]
    expect(ids(arrange(rows, { ...plain, filters, chosen: { kind: ['1', '2'] } }))).toEqual([1, 2])
    expect(ids(arrange(rows, { ...plain, filters, chosen: { kind: [] } }))).toEqual([1, 10, 2])
  })

  it('sorts names as people do and puts what is empty last either way', () => {
    expect(ids(arrange(rows, { ...plain, sort: { column: 'name', descending: false } }))).toEqual([10, 1, 2])
    expect(ids(arrange(rows, { ...plain, sort: { column: 'due', descending: false } }))).toEqual([2, 10, 1])
    expect(ids(arrange(rows, { ...plain, sort: { column: 'due', descending: true } }))).toEqual([10, 2, 1])
    expect(compareValues('CT 2', 'CT 10', false)).toBeLessThan(0)
  })
})

describe('counting what a list holds', () => {
  it('says one in the singular', () => {
    expect([0, 1, 2].map((count) => counted(count, 'studies'))).toEqual(['0 studies', '1 study', '2 studies'])
    expect(counted(1, 'pieces of work')).toBe('1 piece of work')
    expect(counted(1, 'application entities')).toBe('1 application entity')
    expect(counted(1, 'cases', 'new')).toBe('1 new case')
  })
})

describe('holding the order while somebody points', () => {
  it('leaves rows where they are, drops what left, lets new ones wait', () => {
    expect(holdOrder(['a', 'b', 'c'], ['new', 'c', 'a'])).toEqual({ order: ['a', 'c'], held: ['new'] })
    expect(holdOrder(['a'], ['b', 'c'])).toEqual({ order: [], held: ['b', 'c'] })
  })

  it('lets the next page in at once, under the rows that are there', () => {
    expect(holdOrder(['a', 'b'], ['new', 'a', 'b', 'c', 'd'])).toEqual({ order: ['a', 'b', 'c', 'd'], held: ['new'] })
  })
})

describe('the least width of a column', () => {
  it('gives way where the column also grows, and never to nothing', () => {
    expect(leastWidth({ width: 170, grow: 2 })).toBe(102)
    expect(leastWidth({ width: 100, grow: 1 })).toBe(72)
    expect(leastWidth({ width: 60, grow: 1 })).toBe(60)
    expect(leastWidth({ width: 130 })).toBe(130)
  })
})
