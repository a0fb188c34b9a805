import { describe, expect, it } from 'vitest'
import { stateKey, stateLook } from './states'

describe('state signs', () => {
  it.each([
    ['IN PROGRESS', 'in_progress'],
    ['in-progress', 'in_progress'],
    ['InProgress', 'in_progress'],
    ['CANCELLED', 'canceled'],
    ['CANCELED', 'canceled'],
  ])('%s is %s', (state, key) => {
    expect(stateKey(state)).toBe(key)
  })

  it('shows every step state with a word and a shape of its own', () => {
    const looks = ['SCHEDULED', 'ARRIVED', 'READY', 'STARTED', 'COMPLETED', 'DISCONTINUED', 'CANCELED'].map((state) => stateLook(state, 'step'))
    expect(new Set(looks.map((look) => look.word)).size).toBe(7)
    expect(new Set(looks.map((look) => look.shape)).size).toBe(7)
  })

  it('asks which machine a word belongs to', () => {
    expect(stateLook('draft', 'claim').word).toBe('Draft')
    expect(stateLook('sent', 'claim').tint).toBe('accent')
    expect(stateLook('sent', 'queue').tint).toBe('safe')
  })

  it('shows an unknown state as its word, never as nothing', () => {
    expect(stateLook('AWAITING_FILM', 'step')).toEqual({ word: 'Awaiting film', shape: 'ring', tint: 'quiet' })
  })
})
