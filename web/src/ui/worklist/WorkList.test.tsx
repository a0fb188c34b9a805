import { act, fireEvent, screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { drawn } from '../testing'
import type { WorkColumn } from './model'
import { WorkList, type WorkListProps } from './WorkList'

interface Row {
  id: string
  name: string
  state: string
}

const columns: WorkColumn<Row>[] = [
  { id: 'name', label: 'Name', value: (row) => row.name },
  { id: 'state', label: 'State', value: (row) => row.state },
]
const make = (id: string, name: string, state = 'open'): Row => ({ id, name, state })
const three = [make('1', 'Carol'), make('2', 'Alice', 'done'), make('3', 'Bob')]

function list(props: Partial<WorkListProps<Row>> = {}) {
  return (
    <WorkList<Row>
      id="test"
      noun="orders"
      rows={three}
      rowKey={(row) => row.id}
      columns={columns}
      empty={{ title: 'Nothing is ordered', hint: 'Place the first order.' }}
      {...props}
    />
  )
}

const shown = () => [...document.querySelectorAll('[data-row]')].map((row) => row.querySelector('[data-column=name]')?.textContent)
const current = () => document.querySelector('[data-current]')?.getAttribute('data-row')

beforeEach(() => localStorage.clear())

describe('the one list', () => {
  it('moves, selects and opens by keys', async () => {
    const onOpen = vi.fn()
    const onCurrent = vi.fn()
    const run = vi.fn()
    const user = userEvent.setup()
    drawn(list({ onOpen, onCurrent, actions: [{ id: 'assign', label: 'Assign', keys: 'a', run }] }))
    await user.keyboard('jj')
    expect(current()).toBe('2')
    await user.keyboard('k')
    expect(current()).toBe('1')
    expect(onCurrent).toHaveBeenLastCalledWith(three[0])
    await user.keyboard('x')
    expect(screen.getByText('1 selected')).toBeDefined()
    await user.keyboard('jjxa')
    expect(run).toHaveBeenCalledExactlyOnceWith([three[0], three[2]])
    fireEvent.keyDown(screen.getByRole('grid'), { key: 'Enter' })
    expect(onOpen).toHaveBeenCalledExactlyOnceWith(three[2])
  })

  it('puts the search under /, and says how many are left', async () => {
    const user = userEvent.setup()
    drawn(list())
    await user.keyboard('/bo')
    expect(shown()).toEqual(['Bob'])
    expect(screen.getByText('1 of 3 orders')).toBeDefined()
    await user.keyboard('zzz')
    expect(screen.getByText('None of the orders match')).toBeDefined()
    await user.click(screen.getByRole('button', { name: 'Show all 3' }))
    expect(shown()).toHaveLength(3)
  })

  it('sorts by a click on the heading and keeps that for the next time', async () => {
    const user = userEvent.setup()
    const { unmount } = drawn(list())
    await user.click(screen.getByRole('button', { name: 'Name' }))
    expect(shown()).toEqual(['Alice', 'Bob', 'Carol'])
    await user.click(screen.getByRole('button', { name: 'Name' }))
    expect(shown()).toEqual(['Carol', 'Bob', 'Alice'])
    unmount()
    drawn(list())
    expect(shown()).toEqual(['Carol', 'Bob', 'Alice'])
    expect(screen.getByRole('columnheader', { name: 'Name' }).getAttribute('aria-sort')).toBe('descending')
  })

  it('filters by chips that count', async () => {
    const user = userEvent.setup()
    drawn(
      list({
        filters: [
          {
            id: 'state',
            label: 'State',
            options: [{ value: 'done', label: 'Done' }],
            match: (row, value) => row.state === value,
          },
        ],
      }),
    )
    const chip = screen.getByRole('button', { name: 'Done 1' })
    await user.click(chip)
    expect(chip.getAttribute('aria-pressed')).toBe('true')
    expect(shown()).toEqual(['Alice'])
  })

  it('hides and shows columns', async () => {
    const user = userEvent.setup()
    drawn(list())
    await user.click(screen.getByRole('button', { name: 'Columns' }))
    // Without a layout the menu has no place to be and counts as hidden.
    const items = await screen.findAllByRole('menuitemcheckbox', { hidden: true })
    fireEvent.click(items.find((item) => item.textContent === 'State') as HTMLElement)
    expect(screen.queryByRole('columnheader', { name: 'State' })).toBeNull()
  })

  it('says why it is empty, that it loads, and what failed', () => {
    const { rerender } = drawn(list({ rows: [] }))
    expect(screen.getByText('Nothing is ordered')).toBeDefined()
    const onRetry = vi.fn()
    rerender(list({ rows: undefined, error: new Error('boom'), onRetry }))
    fireEvent.click(within(screen.getByRole('alert')).getByRole('button', { name: 'Try again' }))
    expect(onRetry).toHaveBeenCalledOnce()
    rerender(list({ rows: three, error: new Error('boom') }))
    expect(shown()).toHaveLength(3)
    expect(screen.getByText(/may be old/)).toBeDefined()
  })

  it('counts nothing that it does not know yet', () => {
    const filters = [{ id: 'state', label: 'State', options: [{ value: 'done', label: 'Done' }], match: (row: Row, value: string) => row.state === value }]
    const { rerender } = drawn(list({ rows: undefined, filters }))
    const unknown = () => {
      expect(screen.queryByText(/\d+ orders/)).toBeNull()
      expect(screen.getByRole('button', { name: 'Done' })).toBeDefined()
    }
    unknown()
    rerender(list({ rows: undefined, filters, error: new Error('no answer') }))
    unknown()
    rerender(list({ rows: [], filters }))
    expect(screen.getByText('0 orders')).toBeDefined()
    expect(screen.getByRole('button', { name: 'Done 0' })).toBeDefined()
  })

  it('has rows alone in its grid, whatever there is to say', () => {
    const { rerender } = drawn(list({ rows: [] }))
    const said = () => screen.getByRole('grid').querySelectorAll(':scope > :not([role=rowgroup])').length
    expect(said()).toBe(0)
    rerender(list({ rows: undefined, error: new Error('no answer') }))
    expect(said()).toBe(0)
  })

  it('refuses a batch action with its reason and does not run it', async () => {
    const run = vi.fn()
    const user = userEvent.setup()
    drawn(list({ actions: [{ id: 'pay', label: 'Pay', keys: 'p', refuse: () => 'Not yours', run }] }))
    await user.keyboard('jxp')
    expect((screen.getByRole('button', { name: 'Pay' }) as HTMLButtonElement).disabled).toBe(true)
    expect(run).not.toHaveBeenCalled()
  })

  it('draws only what is seen of 100,000 rows', () => {
    drawn(list({ rows: Array.from({ length: 100_000 }, (_, id) => make(String(id), `Row ${id}`)) }))
    expect(shown().length).toBeGreaterThan(10)
    expect(shown().length).toBeLessThan(60)
    expect(screen.getByRole('grid').getAttribute('aria-rowcount')).toBe('100001')
  })
})

describe('live rows', () => {
  const arrived = [make('9', 'Stat'), ...three]

  it('come at once when nobody is at work in the list', () => {
    const { rerender } = drawn(list())
    rerender(list({ rows: arrived }))
    expect(shown()).toEqual(['Stat', 'Carol', 'Alice', 'Bob'])
    expect(screen.getByText('1 new order')).toBeDefined()
  })

  it('wait while the pointer is at work, are counted, and come after four seconds', () => {
    vi.useFakeTimers()
    try {
      const { rerender } = drawn(list())
      fireEvent.pointerMove(screen.getByRole('grid'))
      rerender(list({ rows: arrived }))
      expect(shown()).toEqual(['Carol', 'Alice', 'Bob'])
      expect(screen.getByRole('button', { name: '1 new, show now' })).toBeDefined()
      act(() => void vi.advanceTimersByTime(5000))
      expect(shown()).toEqual(['Stat', 'Carol', 'Alice', 'Bob'])
    } finally {
      vi.useRealTimers()
    }
  })

  it('come when asked for', () => {
    const { rerender } = drawn(list())
    fireEvent.pointerMove(screen.getByRole('grid'))
    rerender(list({ rows: arrived }))
    fireEvent.click(screen.getByRole('button', { name: '1 new, show now' }))
    expect(shown()[0]).toBe('Stat')
  })

  it('change in place and go when they have left', () => {
    const { rerender } = drawn(list())
    fireEvent.pointerMove(screen.getByRole('grid'))
    rerender(list({ rows: [make('3', 'Bob'), make('1', 'Caroline')] }))
    expect(shown()).toEqual(['Caroline', 'Bob'])
  })
})
