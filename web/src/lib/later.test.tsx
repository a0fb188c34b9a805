import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { Component, type ReactNode } from 'react'
import { describe, expect, it, vi } from 'vitest'
import { later } from './later'

class Caught extends Component<{ children: ReactNode }, { fault: boolean }> {
  override state = { fault: false }

  static getDerivedStateFromError() {
    return { fault: true }
  }

  override render() {
    return this.state.fault ? <button onClick={() => this.setState({ fault: false })}>Again</button> : this.props.children
  }
}

describe('a part of the program that comes later', () => {
  it('draws a part within a part when both are here, and what is here at once', async () => {
    const inner = vi.fn(() => Promise.resolve({ default: ({ word }: { word: string }) => <p>{word}</p> }))
    const Inner = later(inner)
    const Outer = later(() => Promise.resolve({ default: () => <Inner word="here" meanwhile={<p>inner to come</p>} /> }))
    const { unmount } = render(<Outer meanwhile={<p>outer to come</p>} />)
    expect(screen.queryByText('outer to come')).not.toBeNull()
    await screen.findByText('here')
    expect(screen.queryByText(/to come/)).toBeNull()
    unmount()
    render(<Outer meanwhile={<p>outer to come</p>} />)
    expect(screen.queryByText('here')).not.toBeNull()
    expect(inner).toHaveBeenCalledTimes(1)
  })

  it('tells of what did not come, and asks once more when it is shown anew', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const load = vi.fn<() => Promise<{ default: () => ReactNode }>>()
    load.mockRejectedValueOnce(new Error('lost')).mockResolvedValue({ default: () => <p>here</p> })
    const Part = later(load)
    render(
      <Caught>
        <Part />
      </Caught>,
    )
    await userEvent.click(await screen.findByRole('button', { name: 'Again' }))
    expect(await screen.findByText('here')).toBeDefined()
    expect(load).toHaveBeenCalledTimes(2)
  })
})
