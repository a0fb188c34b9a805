import { describe, expect, it } from 'vitest'
import type { Frame } from '../stacks'
import { rangeOfRegion } from '../regionWindow'
import { Remembered } from '../pixels/remembered'
import { cardiothoracic } from './ratio'
import { handlesOf, type Point } from './shapes'
import { levelAmong, levelNext, levelOf } from './spine'
import { wordsOf, type Stats } from './words'

const frame = (imageId: string, kind: Frame['calibration']['kind']) => ({ imageId, calibration: { kind, label: '' } }) as Frame
new Remembered().hold([frame('ct', 'patient'), frame('dx', 'detector'), frame('ot', 'none'), frame('us', 'region'), frame('mg', 'calibrated')])
const words = (tool: string, target: string, stats: Stats, label = '') => wordsOf(tool, { label, cachedStats: { [target]: stats } }, target)

describe('the words beside a measurement', () => {
  it('name what a millimetre is worth', () => {
    expect(words('Length', 'imageId:ct', { length: 12.34, unit: 'mm' })).toEqual(['12.3 mm'])
    expect(words('Length', 'imageId:dx', { length: 123.4, unit: 'mm' })).toEqual(['123 mm at detector'])
    expect(words('Length', 'imageId:dx', { length: 52, unit: 'px' })).toEqual(['52 mm at detector'])
    expect(words('Length', 'imageId:mg', { length: 4, unit: 'mm' })).toEqual(['4 mm calibrated'])
    expect(words('Length', 'imageId:us', { length: 2.345, unit: 'cm US Region' })).toEqual(['2.3 cm'])
    expect(words('Length', 'volumeId:v', { length: 0.456, unit: 'mm' })).toEqual(['0.46 mm'])
  })

  it('give no length or area where nothing is calibrated, whatever the unit says', () => {
    expect(words('Length', 'imageId:ot', { length: 12, unit: 'mm' })).toEqual(['Not calibrated'])
    expect(words('Length', 'imageId:nobody', { length: 12, unit: 'mm' })).toEqual(['Not calibrated'])
    // Outside of the regions of an ultrasound picture.
    expect(words('Length', 'imageId:us', { length: 12, unit: 'px' })).toEqual(['Not calibrated'])
    expect(words('EllipticalROI', 'imageId:ot', { mean: 7.25, stdDev: 1, min: 5, max: 9, area: 400, areaUnit: 'mm²' })).toEqual([
      'Mean 7.3 · SD 1',
      'Min 5 · max 9',
      'Not calibrated',
    ])
    expect(words('Bidirectional', 'imageId:ot', { length: 9, width: 4, unit: 'px' })).toEqual(['Not calibrated'])
  })

  it('tell a region’s values in the units of the picture', () => {
    expect(
      words('RectangleROI', 'imageId:ct', { mean: -612.34, stdDev: 22.71, min: -700, max: -540, modalityUnit: 'HU', area: 1234, areaUnit: 'mm²' }),
    ).toEqual(['Mean -612 HU · SD 22.7', 'Min -700 · max -540', 'Area 12.3 cm²'])
  })

  it('tell an angle also where nothing is calibrated', () => {
    expect(words('Angle', 'imageId:ot', { angle: 45.04 })).toEqual(['45.0°'])
    expect(words('Angle', 'imageId:ct', { angle: 'Incomplete Angle' })).toEqual([])
  })

  it('tell a value at a point, and a person’s own words', () => {
    expect(words('Probe', 'imageId:ct', { value: 41, modalityUnit: 'HU' })).toEqual(['41 HU'])
    expect(words('Probe', 'imageId:us', { value: [255, 80, 80], modalityUnit: 'raw' })).toEqual(['255 / 80 / 80'])
    expect(words('ArrowAnnotate', 'imageId:ct', {}, 'Nodule')).toEqual(['Nodule'])
  })
})

describe('the cardiothoracic ratio', () => {
  const heart = [
    [0, 0, 0],
    [132, 0, 0],
  ]
  const chest = [
    [-50, 10, 0],
    [225, 10, 0],
  ]

  it('is the heart over the chest, whichever was drawn first', () => {
    expect(cardiothoracic([...heart, ...chest])).toEqual({ ratio: 0.48, heart: 132, chest: 275 })
    expect(cardiothoracic([...chest, ...heart])?.ratio).toBe(0.48)
    expect(cardiothoracic(heart)).toBeNull()
  })

  it('needs no calibration, its lengths do', () => {
    const stats = { ratio: 0.48, heart: 132, chest: 275 }
    expect(words('CardiothoracicRatio', 'imageId:ot', stats)).toEqual(['CTR 0.48'])
    expect(words('CardiothoracicRatio', 'imageId:dx', stats)).toEqual(['CTR 0.48', 'Heart 13.2 · chest 27.5 cm at detector'])
  })
})

describe('points set by keys', () => {
  it('become the handles of an ellipse: below, above, left, right', () => {
    const points: Point[] = [
      [10, 20],
      [50, 40],
    ]
    expect(handlesOf('ellipse', points)).toEqual([
      [30, 40],
      [30, 20],
      [10, 30],
      [50, 30],
    ])
    expect(handlesOf('rectangle', points)[3]).toEqual([50, 40])
  })

  it('make the short axis stand on the long one', () => {
    const [, , from, to] = handlesOf('bidirectional', [
      [0, 0],
      [100, 0],
      [40, -10],
      [55, 22],
    ])
    expect([from, to]).toEqual([
      [40, -10],
      [40, 22],
    ])
  })
})

describe('a window by region', () => {
  const values = Array.from({ length: 400 }, (_, at) => (at % 20) * 10)

  it('spans the values of the rectangle, whichever way it was drawn', () => {
    expect(rangeOfRegion(values, 20, 20, [2, 2], [6, 6])).toEqual({ lower: 20, upper: 60 })
    expect(rangeOfRegion(values, 20, 20, [6, 6], [2, 2])).toEqual({ lower: 20, upper: 60 })
  })

  it('is not led by one hot pixel, nor by what lies outside of the picture', () => {
    const hot = [...values]
    hot[5 * 20 + 5] = 9999
    expect(rangeOfRegion(hot, 20, 20, [0, 0], [19, 19])?.upper).toBe(190)
    expect(rangeOfRegion(values, 20, 20, [15, 15], [90, 90])).toEqual({ lower: 150, upper: 190 })
  })

  it('needs something to look at', () => {
    expect(rangeOfRegion(values, 20, 20, [3, 3], [4, 3])).toBeNull()
    expect(rangeOfRegion(new Array(100).fill(7), 10, 10, [1, 1], [8, 8])).toEqual({ lower: 6, upper: 8 })
  })
})

describe('labels of the spine', () => {
  it('go on down or up, over the borders of its parts', () => {
    expect([levelNext('C7', true), levelNext('T12', true), levelNext('L5', true), levelNext('T1', false)]).toEqual(['T1', 'L1', 'S1', 'C7'])
    expect([levelNext('S1', true), levelNext('C1', false), levelNext('Coccyx', true)]).toEqual([null, null, null])
  })

  it('are told by their neighbours, whichever was set last', () => {
    const set = [{ label: 'T12', down: 40 }, { label: 'L2', down: 80 }, { label: 'scar', down: 10 }]
    expect([20, 60, 90].map((down) => levelAmong(set, down))).toEqual(['T11', 'L1', 'L3'])
    // No room, room for two, an order that cannot be; and nothing to go by.
    expect(levelAmong([{ label: 'T12', down: 0 }, { label: 'L1', down: 9 }], 5)).toBeNull()
    expect(levelAmong([{ label: 'T12', down: 0 }, { label: 'L3', down: 9 }], 5)).toBeNull()
    expect(levelAmong([{ label: 'L2', down: 0 }, { label: 'L1', down: 9 }], 5)).toBeNull()
    expect([levelAmong([], 5), levelAmong([{ label: 'S1', down: 0 }], 5), levelAmong([{ label: 'scar', down: 0 }], 5)]).toEqual([null, null, null])
  })

  it('are known however they are typed', () => {
    expect(['l 4', 'Th12', 'd3', 'S1', 'L6'].map(levelOf)).toEqual(['L4', 'T12', 'T3', 'S1', 'L6'])
  })
})
