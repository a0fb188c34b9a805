import { describe, expect, it } from 'vitest'
import { Ahead } from './ahead'

const range = (name: string, length: number) => Array.from({ length }, (_, at) => `${name}${at}`)
const drain = (ahead: Ahead<string>, count: number, within?: number) => Array.from({ length: count }, () => ahead.next(within)?.frame ?? null)

describe('what is fetched ahead', () => {
  it('goes from the reader outwards, and leaves out what is here', () => {
    const here = new Set(['a3'])
    const ahead = new Ahead([{ key: 'a', frames: range('a', 6), from: 2, seen: true }], (frame) => here.has(frame))
    expect(drain(ahead, 6)).toEqual(['a2', 'a1', 'a4', 'a0', 'a5', null])
  })

  it('follows the reader, more before than behind', () => {
    const ahead = new Ahead([{ key: 'a', frames: range('a', 100), from: 0, seen: true }], () => false)
    expect(drain(ahead, 2)).toEqual(['a0', 'a1'])
    ahead.moved('a', 50)
    expect(drain(ahead, 5)).toEqual(['a50', 'a51', 'a52', 'a53', 'a49'])
    ahead.moved('a', 48)
    expect(drain(ahead, 4)).toEqual(['a48', 'a47', 'a46', 'a45'])
    const rest = drain(ahead, 200).filter((one) => one !== null)
    expect(new Set(rest).size).toBe(rest.length)
    expect(rest.length).toBe(100 - 11)
  })

  it('takes stacks on the screen in turn, and the others after them', () => {
    const ahead = new Ahead(
      [
        { key: 'a', frames: range('a', 3), from: 1, seen: true },
        { key: 'b', frames: range('b', 3), from: 0, seen: true },
        { key: 'c', frames: range('c', 2), from: 0, seen: false },
        { key: 'd', frames: range('d', 1), from: 0, seen: false },
      ],
      () => false,
    )
    expect(drain(ahead, 10)).toEqual(['a1', 'b0', 'a2', 'a0', 'b1', 'b2', 'c0', 'c1', 'd0', null])
  })

  it('keeps near the reader where there is little room, and fetches again what had to go', () => {
    const here = new Set<string>()
    const ahead = new Ahead(
      [
        { key: 'a', frames: range('a', 50), from: 10, seen: true },
        { key: 'c', frames: range('c', 2), from: 0, seen: false },
      ],
      (frame) => here.has(frame),
    )
    const near = drain(ahead, 6, 2)
    expect(near).toEqual(['a10', 'a11', 'a9', 'a12', 'a8', null])
    for (const frame of near) if (frame) here.add(frame)
    here.delete('a9')
    ahead.gone('a9')
    ahead.moved('a', 11)
    expect(drain(ahead, 3, 2)).toEqual(['a13', 'a9', null])
  })

  it('gives again what was begun in vain, at its place', () => {
    const ahead = new Ahead([{ key: 'a', frames: range('a', 7), from: 3, seen: true }], () => false)
    expect(drain(ahead, 4)).toEqual(['a3', 'a4', 'a2', 'a5'])
    ahead.again('a4')
    ahead.again('a3')
    expect(drain(ahead, 5)).toEqual(['a3', 'a4', 'a1', 'a6', 'a0'])
  })
})
