import { useEffect, useLayoutEffect, useRef, useSyncExternalStore } from 'react'

/** One key of a screen: `keys` as people read it (`j`, `Shift+X`, `Mod+K`; `Mod` is ⌘ or Ctrl). */
export interface KeyBinding {
  keys: string
  label: string
  run: (event: KeyboardEvent) => void
  /** Also while typing in a field; `only`: at no other time. */
  inFields?: boolean | 'only'
  disabled?: boolean
}

interface Registered {
  group: string
  bindings: { current: readonly KeyBinding[] }
}

const registered: Registered[] = []
const watchers = new Set<() => void>()
let version = 0
let listening = false

const isMac = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.userAgent)

function touched(): void {
  version += 1
  for (const watcher of watchers) watcher()
}

export function keysOf(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'>): string {
  const parts: string[] = []
  if (isMac ? event.metaKey : event.ctrlKey) parts.push('Mod')
  if (isMac && event.ctrlKey) parts.push('Ctrl')
  if (event.altKey) parts.push('Alt')
  const named = event.key.length > 1
  const letter = /^[a-z]$/i.test(event.key)
  if (event.shiftKey && (named || letter)) parts.push('Shift')
  parts.push(letter ? event.key.toUpperCase() : event.key === ' ' ? 'Space' : event.key)
  return parts.join('+')
}

/** Keys that mean the same on every screen, and are not given to anything else. */
const FIXED = new Set(['Escape', 'Enter', '?', 'Tab', 'Mod+Enter'])
/** What a person has chosen in place of the usual keys, by group and usual keys. */
export type OwnKeys = Readonly<Record<string, string>>
let own: OwnKeys = {}
let keep: (own: OwnKeys) => void = () => undefined

const idOf = (group: string, binding: KeyBinding) => `${group} ${binding.keys}`
const keysNow = (group: string, binding: KeyBinding) => own[idOf(group, binding)] ?? binding.keys

/** From now on somebody works here whose keys these are; `kept` is told of each change. */
export function takeKeys(keys: OwnKeys, kept: (own: OwnKeys) => void): void {
  own = keys
  keep = kept
  touched()
}

/** Gives a binding other keys. Returns the label of what has these keys already, and then gives nothing. */
export function chooseKeys(id: string, keys: string): string | null {
  for (const { group, bindings } of registered) {
    const taken = bindings.current.find((binding) => idOf(group, binding) !== id && wanted(keysNow(group, binding)) === wanted(keys))
    if (taken) return taken.label
  }
  if (FIXED.has(keys)) return 'something on every screen'
  own = { ...own, [id]: keys }
  keep(own)
  touched()
  return null
}

/** All keys are the usual ones again. */
export function forgetKeys(): void {
  own = {}
  keep(own)
  touched()
}

function wanted(keys: string): string {
  const parts = keys.split('+')
  const last = parts.pop() ?? ''
  return [...parts, /^[a-z]$/i.test(last) ? last.toUpperCase() : last].join('+')
}

function inField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (target.isContentEditable) return true
  if (target instanceof HTMLInputElement) return !['checkbox', 'radio', 'button', 'submit', 'range'].includes(target.type)
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
}

const PRESSED = 'button, a[href], summary, select, input[type="checkbox"], input[type="radio"], [role="button"]'

/** Space and Enter belong to the control that has the focus: they press it. */
function pressesControl(event: KeyboardEvent): boolean {
  if (![' ', 'Enter'].includes(event.key) || event.ctrlKey || event.metaKey || event.altKey) return false
  return event.target instanceof Element && event.target.closest(PRESSED) !== null
}

function isDialogOpen(): boolean {
  return document.querySelector('[role="dialog"][aria-modal="true"]') !== null
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing || pressesControl(event)) return
  const pressed = keysOf(event)
  const typing = inField(event.target)
  const covered = isDialogOpen()
  // The latest registered screen part wins.
  for (const entry of [...registered].reverse()) {
    if (covered && !entry.group.startsWith('!')) continue
    for (const binding of entry.bindings.current) {
      if (binding.disabled || wanted(keysNow(entry.group, binding)) !== pressed) continue
      if (typing ? !binding.inFields : binding.inFields === 'only') continue
      event.preventDefault()
      binding.run(event)
      return
    }
  }
}

/**
 * Keys of a part of the screen, under a heading of the key sheet (`?`). While a dialog is open only groups whose
 * name begins with `!` (the dialog's own) are heard.
 */
export function useKeys(group: string, bindings: readonly KeyBinding[]): void {
  const latest = useRef(bindings)
  const shape = bindings.map((binding) => `${binding.keys}:${binding.label}:${binding.disabled ? 0 : 1}`).join('|')
  // At once with what is seen: a key that is pressed upon it means it.
  useLayoutEffect(() => {
    latest.current = bindings
  })
  useEffect(() => {
    const entry: Registered = { group, bindings: latest }
    registered.push(entry)
    if (!listening) {
      document.addEventListener('keydown', onKeyDown)
      listening = true
    }
    return () => {
      registered.splice(registered.indexOf(entry), 1)
      touched()
    }
  }, [group])
  useEffect(touched, [group, shape])
}

/** All keys that work now, by group, for the key sheet. */
export interface ShownKey {
  id: string
  keys: string
  label: string
  /** Whether a person chose other keys than the usual. */
  isOwn: boolean
  /** Whether it may be given other keys. */
  isFree: boolean
}

export function useRegisteredKeys(): { group: string; bindings: readonly ShownKey[] }[] {
  useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    () => version,
  )
  return registered.map((entry) => ({
    group: entry.group.replace(/^!/, ''),
    bindings: entry.bindings.current
      .filter((binding) => !binding.disabled)
      .map((binding) => ({
        id: idOf(entry.group, binding),
        keys: keysNow(entry.group, binding),
        label: binding.label,
        isOwn: idOf(entry.group, binding) in own,
        isFree: !FIXED.has(binding.keys),
      })),
  }))
}

/** `Mod+K` as it stands on this keyboard, `⌘ K` or `Ctrl K`: of keys that are usual for something shown now, those chosen for it. */
export function showKeys(usual: string): string {
  const chosen = Object.keys(own).length === 0 ? undefined : registered.findLast((entry) => entry.bindings.current.some((binding) => binding.keys === usual && idOf(entry.group, binding) in own))
  return spelt(chosen ? (own[`${chosen.group} ${usual}`] ?? usual) : usual)
}

const SPELT: Readonly<Record<string, string>> = { ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', Escape: 'Esc', PageUp: 'Page up', PageDown: 'Page down' }

/** Each key of a combination as it stands on this keyboard. */
export function partsOf(keys: string): string[] {
  const parts = keys === '+' ? ['+'] : keys.endsWith('++') ? [...keys.slice(0, -2).split('+'), '+'] : keys.split('+')
  return parts.map((part) => (part === 'Mod' ? (isMac ? '⌘' : 'Ctrl') : part.length === 1 ? part.toUpperCase() : (SPELT[part] ?? part)))
}

export function spelt(keys: string): string {
  return partsOf(keys).join(' ')
}
