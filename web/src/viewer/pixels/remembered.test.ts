import { describe, expect, it, vi } from 'vitest'
import type { Frame } from '../stacks'
import { bytesForPictures } from './budget'
import { frameOf, Remembered, rememberTable, voiTableOf, whenForgotten, whileHeld } from './remembered'

const frame = (imageId: string) => ({ imageId }) as Frame
const TABLE = { first: 0, entries: new Uint16Array(2), explanation: null } as never

describe('what is remembered of pictures', () => {
  it('goes when nobody holds them, and is told once for each', () => {
    const forgotten = vi.fn<(imageId: string, left: number) => void>()
    whenForgotten(forgotten)
    const earlier = new Remembered()
    earlier.hold([frame('z')])
    earlier.release()
    const left = forgotten.mock.lastCall?.[1] ?? Number.NaN // what other tests hold
    forgotten.mockClear()
    const [study, other] = [new Remembered(), new Remembered()]
    study.hold([frame('a'), frame('b')])
    study.hold([frame('a')]) // held twice by one is held once
    other.hold([frame('b')])
    rememberTable('a', 'voiTable', TABLE)
    expect(voiTableOf('a')).toBe(TABLE)
    study.release()
    expect(forgotten.mock.calls).toEqual([['a', left + 1]])
    expect([frameOf('a'), voiTableOf('a')]).toEqual([null, null])
    expect(frameOf('b')).not.toBeNull()
    study.release()
    other.release()
    expect(forgotten.mock.calls).toEqual([['a', left + 1], ['b', left]])
  })

  it('stays for a picture that is on its way, and what comes of it is not kept afterwards', async () => {
    const study = new Remembered()
    study.hold([frame('c')])
    let arrive = () => {}
    const coming = whileHeld('c', async (known) => {
      await new Promise<void>((resolve) => (arrive = resolve))
      rememberTable('c', 'voiTable', TABLE)
      return [known.imageId, frameOf('c')?.imageId, voiTableOf('c')]
    })
    study.release()
    expect(frameOf('c')).not.toBeNull()
    arrive()
    await expect(coming).resolves.toEqual(['c', 'c', TABLE])
    expect([frameOf('c'), voiTableOf('c')]).toEqual([null, null])
    await expect(whileHeld('c', async () => 0)).rejects.toThrow('Nothing is known')
  })

  it('is forgotten also where the picture could not be had', async () => {
    const study = new Remembered()
    study.hold([frame('d')])
    const coming = whileHeld('d', () => Promise.reject(new Error('gone')))
    study.release()
    await expect(coming).rejects.toThrow('gone')
    expect(frameOf('d')).toBeNull()
  })

  it('has the newest of what was said of a picture', () => {
    const study = new Remembered()
    study.hold([frame('e')])
    const corrected = frame('e')
    study.hold([corrected])
    expect(frameOf('e')).toBe(corrected)
    study.release()
  })
})

it('gives pictures a part of the memory of the device, and no more', () => {
  const GB = 1024 ** 3
  expect(bytesForPictures(8, false)).toBe(2 * GB)
  expect(bytesForPictures(64, false)).toBe(2 * GB)
  expect(bytesForPictures(4, true)).toBe(GB)
  expect(bytesForPictures(0.5, true)).toBe(GB / 4)
  expect(bytesForPictures(undefined, false)).toBe(GB)
  expect(bytesForPictures(undefined, true)).toBe(GB / 2)
})
