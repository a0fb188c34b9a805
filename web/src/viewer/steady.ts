import { useLayoutEffect, useRef, useState } from 'react'

type Acts = Record<string, (...args: never[]) => unknown>

/**
 * The same functions at each drawing, which do what those of the newest do: whoever is given them need not be drawn anew
 * because a picture was scrolled. For what is called by hand, not while drawing.
 */
export function useSteady<T extends { [Name in keyof T]: (...args: never[]) => unknown }>(acts: T): T {
  const latest = useRef(acts)
  useLayoutEffect(() => {
    latest.current = acts
  })
  return useState(() => Object.fromEntries(Object.keys(acts).map((name) => [name, (...args: never[]) => (latest.current as Acts)[name]?.(...args)])) as T)[0]
}

/** Whether two sets of properties say the same, where each is a value or holds nothing but values. */
export function alike<T extends object>(one: T, other: T): boolean {
  return same(one, other, sameOrHolds)
}

function same(one: object, other: object, by: (a: unknown, b: unknown) => boolean): boolean {
  const names = Object.keys(one) as never[]
  return names.length === Object.keys(other).length && names.every((name) => name in other && by(one[name], other[name]))
}

function sameOrHolds(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true
  if (one instanceof Set && other instanceof Set) return one.size === other.size && [...one].every((value) => other.has(value))
  return isHolder(one) && isHolder(other) && Array.isArray(one) === Array.isArray(other) && same(one, other, Object.is)
}

/** Lists and plain objects; elements of the screen are neither, for what they hold lies deeper. */
function isHolder(value: unknown): value is object {
  if (Array.isArray(value)) return true
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype && !('$$typeof' in value)
}
