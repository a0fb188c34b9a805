import { describe, expect, it } from 'vitest'
import type { DicomJson } from '../dicom'
import type { Vec3 } from '../geometry'
import type { Stack } from '../stacks'
import { blendAtFirst, blendWords, gradientOf, judgeFusion, roundUp } from './fusion'
import { fusibleWith } from './useFusion'

const FRAME = '1.2.3'

function stackOf(modality: string, { id = 'P1', issuer = 'HOSPITAL', frame = FRAME as string | null, units = 'GML', slices = 6 } = {}): Stack {
  const metadata: DicomJson = {
    '00080060': { vr: 'CS', Value: [modality] },
    ...(id ? { '00100020': { vr: 'LO', Value: [id] } } : {}),
    '00100021': { vr: 'LO', Value: [issuer] },
    '00541001': { vr: 'CS', Value: [units] },
  }
  const frames = Array.from({ length: slices }, (_, at) => ({
    grey: true,
    metadata,
    plane: { origin: [0, 0, at * 3] as Vec3, row: [1, 0, 0] as Vec3, column: [0, 1, 0] as Vec3, width: 10, height: 10, betweenRows: 1, betweenColumns: 1 },
  }))
  return { key: `${modality}${id}${frame}`, modality, label: modality, frames, length: slices, frameOfReferenceUid: frame } as unknown as Stack
}

describe('what is fused', () => {
  const ct = stackOf('CT')

  it('is of one patient and of one frame of reference, or it is said why not', () => {
    const reasonOf = (over: Stack, under = ct) => {
      const judged = judgeFusion(under, over)
      return judged.fits ? null : judged.reason
    }
    expect(reasonOf(stackOf('PT'))).toBeNull()
    expect(reasonOf(stackOf('PT', { id: 'P2' }))).toBe('another patient')
    // The same number at another hospital is another person.
    expect(reasonOf(stackOf('PT', { issuer: 'CLINIC' }))).toBe('another patient')
    expect(reasonOf(stackOf('PT', { id: '' }))).toBe('it is not said whose images these are')
    expect(reasonOf(stackOf('PT', { frame: '1.2.4' }))).toBe('another frame of reference')
    expect(reasonOf(stackOf('PT', { frame: null }), stackOf('CT', { frame: null }))).toBe('no frame of reference is told')
    expect(reasonOf(stackOf('PT', { slices: 3 }))).toBe('planes need at least 5 slices')
  })

  it('says in what it is told', () => {
    const unitOf = (over: Stack) => {
      const judged = judgeFusion(ct, over)
      return judged.fits ? judged.unit : null
    }
    expect(unitOf(stackOf('PT'))).toEqual({ label: 'SUV', reason: null })
    expect(unitOf(stackOf('PT', { units: 'BQML' }))).toEqual({ label: 'Bq/ml', reason: 'it is not corrected for attenuation' })
    const mixed = { ...stackOf('PT'), frames: [...stackOf('PT').frames, ...stackOf('PT', { units: 'BQML' }).frames.slice(0, 1)] }
    expect(judgeFusion(ct, mixed as Stack).fits).toBe(false)
  })

  it('is offered of the other kind alone, what fits first', () => {
    const study = { study_pk: 1 } as never
    const all = [ct, stackOf('PT', { frame: '1.2.4' }), stackOf('PT'), stackOf('MR', { frame: '9' }), stackOf('US')].map((stack) => ({ study, stack }))
    expect(fusibleWith(ct, all, study).map((one) => [one.label, one.judged.fits])).toEqual([
      ['PT · PT', true],
      ['PT · PT', false],
    ])
    expect(fusibleWith(stackOf('PT'), all, study).map((one) => [one.label, one.judged.fits])).toEqual([
      ['CT · CT', true],
      ['MR · MR', false],
    ])
  })
})

describe('how it is laid over', () => {
  it('is said on the picture', () => {
    const unit = { label: 'SUV', reason: null }
    expect(blendWords(blendAtFirst(unit, 7), unit)).toBe('50 % · 0 to 10 SUV')
    expect(blendWords({ ...blendAtFirst({ label: '', reason: 'x' }, 8300), from: 200 }, { label: 'Bq/ml', reason: 'x' })).toBe('50 % · 0 to 10000 Bq/ml · from 200 Bq/ml')
    expect([0, 3, 40, 51, 1000].map(roundUp)).toEqual([1, 5, 50, 100, 1000])
  })

  it('has the colours of PS3.6 B.1.1 from black to white', () => {
    expect(gradientOf('Hot iron')).toMatch(/^linear-gradient\(to top, rgb\(0 0 0\) 0\.0%.*rgb\(255 254 252\) 100\.0%\)$/)
  })
})
