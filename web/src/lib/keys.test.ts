// @vitest-environment jsdom
import { fireEvent, renderHook } from '@testing-library/react'
import { beforeEach, expect, it, vi } from 'vitest'
import { chooseKeys, forgetKeys, showKeys, takeKeys, useKeys, type OwnKeys } from './keys'

beforeEach(() => {
  takeKeys({}, () => undefined)
})

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

it('hears what leaves a text only while somebody types, so that it takes nothing from other parts', () => {
  const [leave, close] = [vi.fn(), vi.fn()]
  renderHook(() => useKeys('Planes', [{ keys: 'Escape', label: 'Back', run: close }]))
  renderHook(() => useKeys('Report', [{ keys: 'Escape', label: 'Leave the text', run: leave, inFields: 'only' }]))
  fireEvent.keyDown(document.body, { key: 'Escape' })
  const field = document.body.appendChild(document.createElement('textarea'))
  fireEvent.keyDown(field, { key: 'Escape' })
  field.remove()
  expect([leave.mock.calls.length, close.mock.calls.length]).toEqual([1, 1])
})

it('gives a key another name for one person, and takes none that means something here already', () => {
  const [length, zoom] = [vi.fn(), vi.fn()]
  let kept: OwnKeys = {}
  const keep = (own: OwnKeys) => {
    kept = own
  }
  takeKeys({}, keep)
  renderHook(() => useKeys('Images', [{ keys: 'l', label: 'Length', run: length }, { keys: 'z', label: 'Zoom', run: zoom }]))
  expect(chooseKeys('Images l', 'Z')).toBe('Zoom')
  expect(chooseKeys('Images l', 'Escape')).not.toBeNull()
  expect(chooseKeys('Images l', 'Shift+Q')).toBeNull()
  expect(showKeys('l')).toBe('Shift Q')
  fireEvent.keyDown(document.body, { key: 'l' })
  fireEvent.keyDown(document.body, { key: 'Q', shiftKey: true })
  expect(length).toHaveBeenCalledTimes(1)
  // What was given up is free.
  expect(chooseKeys('Images z', 'l')).toBeNull()
  fireEvent.keyDown(document.body, { key: 'l' })
  expect([length.mock.calls.length, zoom.mock.calls.length]).toEqual([1, 1])

  // Another person here has the usual keys, and the first finds his own again.
  expect(kept).toEqual({ 'Images l': 'Shift+Q', 'Images z': 'l' })
  takeKeys({}, () => undefined)
  expect(showKeys('l')).toBe('L')
  takeKeys(kept, keep)
  expect(showKeys('l')).toBe('Shift Q')
  forgetKeys()
  expect(showKeys('l')).toBe('L')
  expect(kept).toEqual({})
})
