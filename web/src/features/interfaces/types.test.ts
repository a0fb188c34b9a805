import { describe, expect, it } from 'vitest'
import { placeText, stateOf, typeText, type Message } from './types'

const message = (state: string, attempts = 0) => ({ state, attempts }) as Message

describe('interface messages in words', () => {
  it('tells a first wait from a retry', () => {
    expect(stateOf(message('queued'))).toBe('queued')
    expect(stateOf(message('queued', 3))).toBe('retrying')
    expect(stateOf(message('applied'))).toBe('processed')
    expect(stateOf(message('dead', 10))).toBe('dead')
  })

  it('names places as HL7 people do', () => {
    expect(placeText('PID^1^3')).toBe('PID-3')
    expect(placeText('ORC^1^7^1^6')).toBe('ORC-7.6')
    expect(placeText('PID^1')).toBe('PID')
    expect(placeText(null)).toBe('')
  })

  it('says what a type is about', () => {
    expect(typeText('ORM^O01')).toBe('Order (ORM^O01)')
    expect(typeText('XXX^Y01')).toBe('XXX^Y01')
    expect(typeText('')).toBe('Not readable')
  })
})
