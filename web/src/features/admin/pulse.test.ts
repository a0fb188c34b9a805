import { describe, expect, it } from 'vitest'
import { needOf, sayBytes, sum } from './pulse'

describe('the pulse of a part', () => {
  it('asks for a person before it asks for time, and for nothing where nothing is known', () => {
    expect(needOf(1, 5)).toBe('person')
    expect(needOf(0, 5)).toBe('time')
    expect(needOf(0, 0)).toBe('none')
    expect(needOf(undefined, 0)).toBeUndefined()
  })

  it('counts messages of both ways', () => {
    const counts = { inbound: { failed: 2, processed: 9 }, outbound: { dead: 1, failed: 1 } }
    expect(sum(counts, ['failed', 'rejected', 'dead'])).toBe(4)
    expect(sum(undefined, ['failed'])).toBeUndefined()
  })

  it('says sizes as disks are sold', () => {
    expect([0, 999, 1000, 866_125_810, 76_394_598_400, 2.5e15].map(sayBytes)).toEqual(['0 B', '999 B', '1.0 kB', '866 MB', '76.4 GB', '2.5 PB'])
  })
})
