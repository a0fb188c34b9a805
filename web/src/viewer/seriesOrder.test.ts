import { describe, expect, it } from 'vitest'
import { inListOrder } from './seriesOrder'

describe('the list of series', () => {
  it('has pictures first, then what lies over them, then what is read; what has not come yet stays among pictures', () => {
    const listed = [
      { name: 'model 1', stacks: [], layers: [] },
      { name: 'segmentation 2', stacks: [], layers: [{}] },
      { name: 'CT 3', stacks: [{}], layers: [] },
      { name: 'dose 4', stacks: [{}], layers: [{}] },
      { name: 'coming 5', stacks: undefined, layers: [] },
      { name: 'CT 6', stacks: [{}, {}], layers: [] },
      { name: 'report 7', stacks: [], layers: [] },
    ]
    expect(inListOrder(listed).map((one) => one.name)).toEqual(['CT 3', 'coming 5', 'CT 6', 'segmentation 2', 'dose 4', 'model 1', 'report 7'])
  })
})
