import { describe, expect, it } from 'vitest'
import { daysBetween, formatMoney, parseMoney } from './money'

describe('money', () => {
  it('shows cents exactly', () => {
    expect(formatMoney(45000)).toBe('$450.00')
    expect(formatMoney(7)).toBe('$0.07')
    expect(formatMoney(123456789)).toBe('$1,234,567.89')
  })

  it('reads what people type without rounding', () => {
    expect(parseMoney('450')).toBe(45000)
    expect(parseMoney('$1,234.5')).toBe(123450)
    expect(parseMoney(' 0.07 ')).toBe(7)
    expect(parseMoney('12.345')).toBeUndefined()
    expect(parseMoney('twelve')).toBeUndefined()
    expect(parseMoney('')).toBeUndefined()
    expect(parseMoney('-3')).toBeUndefined()
  })

  it('counts calendar days across a change of clocks', () => {
    expect(daysBetween('2026-10-31', new Date(2026, 10, 2))).toBe(2)
    expect(daysBetween('2026-11-25', new Date(2026, 10, 25, 23, 59))).toBe(0)
    expect(daysBetween('2026-12-25', new Date(2026, 10, 25))).toBe(-30)
  })
})
