// @vitest-environment jsdom
import { fireEvent, renderHook } from '@testing-library/react'
import { expect, it, vi } from 'vitest'
import { useKeys } from './keys'

it('hears keys of the screen, but not while somebody types', () => {
  const run = vi.fn()
  renderHook(() => useKeys('List', [{ keys: 'j', label: 'Next', run }]))
  fireEvent.keyDown(document.body, { key: 'j' })
  expect(run).toHaveBeenCalledTimes(1)

  const field = document.body.appendChild(document.createElement('input'))
  fireEvent.keyDown(field, { key: 'j' })
  expect(run).toHaveBeenCalledTimes(1)
  field.remove()
})

it('tells a letter from the same letter with Shift or Ctrl', () => {
  const plain = vi.fn()
  const shifted = vi.fn()
  const mod = vi.fn()
  renderHook(() =>
    useKeys('List', [
      { keys: 'x', label: 'Select', run: plain },
      { keys: 'Shift+X', label: 'Select all', run: shifted },
      { keys: 'Mod+K', label: 'Find', run: mod, inFields: true },
    ]),
  )
  fireEvent.keyDown(document.body, { key: 'X', shiftKey: true })
  fireEvent.keyDown(document.body, { key: 'k', ctrlKey: true })
  expect([plain.mock.calls.length, shifted.mock.calls.length, mod.mock.calls.length]).toEqual([0, 1, 1])
})

it('leaves the screen deaf while a dialog is open', () => {
  const run = vi.fn()
  renderHook(() => useKeys('List', [{ keys: 'j', label: 'Next', run }]))
  const dialog = document.body.appendChild(document.createElement('div'))
  dialog.setAttribute('role', 'dialog')
  dialog.setAttribute('aria-modal', 'true')
  fireEvent.keyDown(document.body, { key: 'j' })
  dialog.remove()
  expect(run).not.toHaveBeenCalled()
})

it('forgets the keys of what is no longer shown', () => {
  const run = vi.fn()
  const { unmount } = renderHook(() => useKeys('List', [{ keys: 'j', label: 'Next', run }]))
  unmount()
  fireEvent.keyDown(document.body, { key: 'j' })
  expect(run).not.toHaveBeenCalled()
})

it('leaves Space and Enter to the control that has the focus', () => {
  const run = vi.fn()
  renderHook(() => useKeys('Images', [{ keys: 'Space', label: 'Play', run }, { keys: 'j', label: 'Next', run }]))
  const box = document.body.appendChild(document.createElement('input'))
  box.type = 'checkbox'
  fireEvent.keyDown(box, { key: ' ' })
  expect(run).not.toHaveBeenCalled()
  fireEvent.keyDown(box, { key: 'j' })
  fireEvent.keyDown(document.body, { key: ' ' })
  expect(run).toHaveBeenCalledTimes(2)
  box.remove()
})
