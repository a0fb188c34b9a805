import { expect, it } from 'vitest'
import { suvOf } from './suv'
import type { DicomJson } from '../dicom'

const cs = (...of: unknown[]) => ({ vr: 'CS', Value: of })
const injection = (more: object = {}) => ({ vr: 'SQ', Value: [{ '00181074': cs(370e6), '00181075': cs(6586.2), '00181072': cs('090000'), ...more }] })
const pet = (more: object = {}): DicomJson => ({
  '00541001': cs('BQML'),
  '00280051': cs('DECY', 'ATTN', 'SCAT'),
  '00541102': cs('START'),
  '00101030': cs(70),
  '00080021': cs('20261125'),
  '00080031': cs('100000'),
  '00080022': cs('20261125'),
  '00080032': cs('100130'),
  '00540016': injection(),
  ...more,
})
const factor = (metadata: DicomJson) => (suvOf(metadata) as { factor?: number }).factor
const reason = (metadata: DicomJson) => (suvOf(metadata) as { reason?: string }).reason

it('counts the dose that was left when the scan began', () => {
  // One hour of F-18: 370 MBq have become 370 · 2^(−3600/6586.2).
  expect(factor(pet())).toBeCloseTo(70_000 / (370e6 * 2 ** (-3600 / 6586.2)), 12)
  expect(factor(pet({ '00541102': cs('ADMIN') }))).toBeCloseTo(70_000 / 370e6, 12)
  expect(factor(pet({ '00541001': cs('GML') }))).toBe(1)
})

it('takes an injection before midnight for one', () => {
  const late = pet({ '00080031': cs('003000'), '00080032': cs('003100'), '00540016': injection({ '00181072': cs('233000') }) })
  expect(factor(late)).toBeCloseTo(factor(pet()) ?? 0, 12)
  const dated = pet({ '00540016': injection({ '00181078': cs('20261125090000.00') }) })
  expect(factor(dated)).toBeCloseTo(factor(pet()) ?? 0, 12)
})

it.each([
  ['weight', { '00101030': cs() }],
  ['dose', { '00540016': injection({ '00181074': cs() }) }],
  ['not in Bq', { '00540016': injection({ '00181074': cs(370) }) }],
  ['half-life', { '00540016': injection({ '00181075': cs() }) }],
  ['injection', { '00540016': injection({ '00181072': cs() }) }],
  ['attenuation', { '00280051': cs('DECY') }],
  ['decay', { '00280051': cs('ATTN') }],
  ['CNTS', { '00541001': cs('CNTS') }],
  ['later than its scan', { '00080031': cs('110000') }],
  ['to what time', { '00541102': cs('NONE') }],
] as const)('refuses where %s is wrong or missing', (words, more) => {
  expect(reason(pet(more))).toContain(words)
})
