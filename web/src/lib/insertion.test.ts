import { expect, it } from 'vitest'
import { insertText, markPlace, offerPlace } from './insertion'

it('puts text where a person wrote last, else where it is preferred', () => {
  const got: string[] = []
  expect(insertText('x', 'findings')).toBeNull()
  const away = [offerPlace('technique', (text) => got.push(`t:${text}`)), offerPlace('findings', (text) => got.push(`f:${text}`)), offerPlace('impression', (text) => got.push(`i:${text}`))]
  expect(insertText('1', 'findings')).toBe('findings')
  markPlace('impression')
  expect(insertText('2', 'findings')).toBe('impression')
  away[2]?.()
  expect(insertText('3', 'findings')).toBe('findings')
  expect(got).toEqual(['f:1', 'i:2', 'f:3'])
  for (const one of away) one()
})
