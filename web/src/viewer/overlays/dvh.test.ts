// @vitest-environment jsdom
import { describe, expect, it } from 'vitest'
import { histogramsOf, partFrom, structuresNamedBy } from './dvh'
import type { Layer } from './layers'

const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })
const items = (...of: object[]) => ({ vr: 'SQ', Value: of })
const region = (of: number, contribution = 'INCLUDED') => ({ '30060084': element('IS', of), '30040062': element('CS', contribution) })

function dose(...histograms: object[]) {
  return { '30040002': element('CS', 'GY'), '300C0060': items({ '00081155': element('UI', '1.3') }), '30040050': items(...histograms) }
}
function histogram(kind: string, data: number[], over: object = {}) {
  return { '30040001': element('CS', kind), '30040002': element('CS', 'GY'), '30040052': element('DS', 2), '30040054': element('CS', 'CM3'), '30040058': element('DS', ...data), '30040060': items(region(4)), ...over }
}
const structures = { parts: [{ number: 4, label: 'PTV', colour: 'rgb(255 0 0)' }, { number: 5, label: 'GTV', colour: 'rgb(0 0 255)' }] } as unknown as Layer

describe('the histograms of a dose', () => {
  // 80 ml in all: 20 have less than 2 Gy, 50 have from 2 to 6, 10 from 6 to 8.
  const differential = histogram('DIFFERENTIAL', [1, 20, 2, 50, 1, 10])
  const cumulative = histogram('CUMULATIVE', [1, 80, 2, 60, 1, 10])

  it('say the same, whether a bin tells what is in it or what has as much', () => {
    const { histograms, left } = histogramsOf(dose(differential, cumulative), structures)
    expect(left).toBe(0)
    for (const one of histograms) {
      expect(one).toMatchObject({ name: 'PTV', colour: 'rgb(255 0 0)', volume: 80 })
      expect(one.points.slice(0, 3)).toEqual([
        [0, 1],
        [2, 0.75],
        [6, 0.125],
      ])
      expect(partFrom(one, 0)).toBe(1)
      expect(partFrom(one, 4)).toBeCloseTo((0.75 + 0.125) / 2)
      expect(partFrom(one, 9)).toBe(0)
    }
    expect(histograms[0]?.points[3]).toEqual([8, 0])
    expect(structuresNamedBy(dose())).toBe('1.3')
  })

  it('name all their regions, also those that are taken out, and those that nobody names here', () => {
    const { histograms } = histogramsOf(dose(histogram('CUMULATIVE', [1, 5, 1, 2], { '30040060': items(region(4), region(9), region(5, 'EXCLUDED')), '30040054': element('CS', 'PERCENT') })), structures)
    expect(histograms[0]).toMatchObject({ name: 'PTV and ROI 9, without GTV', volume: null })
  })

  it('that cannot be drawn are counted', () => {
    const bad = [histogram('NATURAL', [1, 5, 1, 2]), histogram('CUMULATIVE', [1, 5]), histogram('CUMULATIVE', [1, -5, 1, 2]), histogram('CUMULATIVE', [1, 5, 1, 2], { '30040002': element('CS', 'RELATIVE') })]
    expect(histogramsOf(dose(...bad), structures)).toEqual({ histograms: [], left: 4 })
  })
})
