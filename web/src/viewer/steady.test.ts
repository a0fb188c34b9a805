import { createElement } from 'react'
import { describe, expect, it } from 'vitest'
import { alike } from './steady'

describe('whether a part of the screen would look the same', () => {
  it('looks into lists, plain objects and sets, and no deeper', () => {
    const inner = {}
    expect(alike({ a: 1, can: { x: true }, list: [1, inner], keys: new Set(['k']) }, { a: 1, can: { x: true }, list: [1, inner], keys: new Set(['k']) })).toBe(true)
    expect(alike({ list: [{}] }, { list: [{}] })).toBe(false)
    expect(alike({ can: { x: true } }, { can: { x: false } })).toBe(false)
    expect(alike({ can: { x: true } }, { can: { x: true, y: undefined } })).toBe(false)
    expect(alike({ a: undefined }, { b: undefined })).toBe(false)
    expect(alike({ keys: new Set(['k']) }, { keys: new Set(['l']) })).toBe(false)
    expect(alike({ list: [] }, { list: {} })).toBe(false)
    expect(alike({ at: new Date(1) }, { at: new Date(2) })).toBe(false)
  })

  it('takes an element for another where it is made anew', () => {
    expect(alike({ children: createElement('p', null, 'a') }, { children: createElement('p', null, 'b') })).toBe(false)
  })
})
