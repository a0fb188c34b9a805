import { describe, expect, it } from 'vitest'
import { batchOf, coarsePays, coarsePaysForOne, halvingsOf, isSlow, Link, type Pace } from './link'

const SLOW: Pace = { bytesPerSecond: 30e6 / 8, waitSeconds: 0.04 }
const NEAR: Pace = { bytesPerSecond: 100e6, waitSeconds: 0.002 }
const CT = 156_000

describe('how quick the way is', () => {
  it('is not known before anything of a size came', () => {
    const link = new Link()
    link.note({ asked: 0, begun: 40, ended: 41, bytes: 2000 })
    expect(link.pace()).toBeNull()
  })

  it('counts once the time of what came side by side', () => {
    const link = new Link()
    for (const asked of [0, 0, 10]) link.note({ asked, begun: 40, ended: 140, bytes: 100_000 })
    expect(link.pace()).toEqual({ bytesPerSecond: 3_000_000, waitSeconds: 0.04 })
  })

  it('forgets what was before, as a tablet that is carried about', () => {
    const link = new Link()
    for (let at = 0; at < 20; at++) link.note({ asked: at, begun: at, ended: at + 1, bytes: 1_000_000 })
    expect(isSlow(link.pace())).toBe(false)
    for (let at = 0; at < 8; at++) link.note({ asked: 500 + 100 * at, begun: 540 + 100 * at, ended: 600 + 100 * at, bytes: 100_000 })
    expect(link.pace()?.bytesPerSecond).toBeCloseTo(100_000 / 0.06)
    link.note({ asked: 60_000, begun: 60_001, ended: 60_002, bytes: 1_000_000 })
    expect(link.pace()?.bytesPerSecond).toBe(1e9)
  })
})

describe('coarse first', () => {
  it('is for what takes long, on the way that there is', () => {
    expect(coarsePays(SLOW, 400, CT)).toBe(true)
    expect(coarsePays(NEAR, 400, CT)).toBe(false)
    expect(coarsePays(SLOW, 20, CT)).toBe(false)
    expect(coarsePays(null, 4000, CT)).toBe(false)
    expect(coarsePays(SLOW, 1, 50e6)).toBe(false)
  })

  it('is for one picture only where that is large', () => {
    expect(coarsePaysForOne(SLOW, CT)).toBe(false)
    expect(coarsePaysForOne(SLOW, 8e6)).toBe(true)
    expect(coarsePaysForOne(NEAR, 8e6)).toBe(false)
    expect(coarsePaysForOne(null, 8e6)).toBe(false)
  })

  it('keeps an image large enough to be recognised, and leaves small ones whole', () => {
    expect([[512, 512], [384, 384], [1024, 1024], [2048, 2500], [4096, 3328], [128, 128]].map(([rows = 0, columns = 0]) => halvingsOf(rows, columns, 2 * rows * columns))).toEqual([2, 1, 2, 3, 3, 0])
    expect(halvingsOf(256, 200, 51_200)).toBe(0)
  })

  it('asks for as many at once as come within a quarter of a second', () => {
    expect(batchOf(SLOW, 30_000)).toBe(31)
    expect(batchOf(SLOW, 300_000)).toBe(3)
    expect(batchOf(SLOW, 5e6)).toBe(1)
    expect(batchOf(NEAR, 10_000)).toBe(32)
  })
})
