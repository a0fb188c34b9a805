import { describe, expect, it } from 'vitest'
import { rangeOf } from '../presets'
import type { DicomJson } from '../dicom'
import { functionOf } from './plain'
import { shownWindow, storedWindow } from './storedWindow'
import { suvOf } from './suv'

const cs = (...Value: unknown[]) => ({ vr: 'CS', Value })
const CT: DicomJson = { '00080060': cs('CT') }
const EXACT: DicomJson = { '00080060': cs('CT'), '00281056': cs('LINEAR_EXACT') }
const PET: DicomJson = {
  '00080060': cs('PT'),
  '00541001': cs('BQML'),
  '00280051': cs('DECY', 'ATTN'),
  '00541102': cs('ADMIN'),
  '00101030': { vr: 'DS', Value: [70] },
  '00540016': { vr: 'SQ', Value: [{ '00181074': { vr: 'DS', Value: [370_000_000] }, '00181075': { vr: 'DS', Value: [6586.2] } }] },
} as never

describe('windows that are told others', () => {
  it('are those of the modality, and not of SUV', () => {
    const suv = suvOf(PET)
    const factor = 'factor' in suv ? suv.factor : NaN
    expect(factor).toBeCloseTo(70_000 / 370_000_000)
    const { center, width } = storedWindow(PET, { lower: 0, upper: 5 })
    expect(rangeOf({ center, width })).toEqual({ lower: 0, upper: 5 / factor })
    const seen = shownWindow(PET, { center, width })
    expect(seen.center).toBeCloseTo(2.5)
    expect(seen.width).toBeCloseTo(5)
  })

  it('are LINEAR, for nothing else is said of them', () => {
    expect(storedWindow(CT, { lower: -160, upper: 239 })).toEqual({ center: 40, width: 400 })
    expect(storedWindow(EXACT, { lower: 0, upper: 100 })).toEqual({ center: 50.5, width: 101 })
  })

  it.each([CT, EXACT, PET])('show the same again', (metadata) => {
    const range = { lower: -10, upper: 80 }
    const { lower, upper } = rangeOf(shownWindow(metadata, storedWindow(metadata, range)), functionOf(metadata))
    expect(lower).toBeCloseTo(range.lower)
    expect(upper).toBeCloseTo(range.upper)
  })
})
