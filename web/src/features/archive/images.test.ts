import { describe, expect, it } from 'vitest'
import { between, imagesLine, imagesOf } from './images'

const answer = [3, 1, 2, null, 7].map((number, place) => ({
  '00080018': { Value: [`1.2.${place}`] },
  '00200013': number === null ? {} : { Value: [number] },
  '00280010': place === 0 ? {} : { Value: [512] },
}))

describe('images of a series to choose from', () => {
  it('come in the order of their numbers, those without one last', () => {
    expect(imagesOf(answer).map((one) => one.instance_number)).toEqual([1, 2, 3, 7, null])
    expect(imagesOf(answer).map((one) => one.pictured)).toEqual([true, true, false, true, true])
  })

  it('are chosen from one to another in either direction', () => {
    const images = imagesOf(answer)
    expect(between(images, '1.2.4', '1.2.2')).toEqual(['1.2.2', '1.2.0', '1.2.4'])
    expect(between(images, '1.2.2', '1.2.4')).toEqual(['1.2.2', '1.2.0', '1.2.4'])
    expect(between(images, '1.2.99', '1.2.4')).toEqual(['1.2.4'])
  })

  it('are said in a line', () => {
    const images = imagesOf(answer)
    expect(imagesLine(images)).toBe('5 images: 1–3, 7')
    expect(imagesLine(images.slice(4))).toBe('1 image')
  })
})
