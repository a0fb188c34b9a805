import { describe, expect, it } from 'vitest'
import { csv, csvField } from './csv'

describe('CSV', () => {
  it('quotes what RFC 4180 asks to be quoted', () => {
    expect(csv(['a', 'b'], [['x,y', 'say "hi"'], ['line\nbreak', null]])).toBe('a,b\r\n"x,y","say ""hi"""\r\n"line\nbreak",\r\n')
  })

  it.each(['=HYPERLINK("http://evil")', '+1', '-1', '@cmd', '\tx', '\rx'])('disarms %j as a formula', (text) => {
    expect(csvField(text).replaceAll('"', '')).toMatch(/^'/)
  })

  it('leaves numbers, dates and plain text alone', () => {
    expect(csvField(-5)).toBe('-5')
    expect(csvField(new Date('2026-11-25T03:00:00Z'))).toBe('2026-11-25T03:00:00.000Z')
    expect(csvField('Müller')).toBe('Müller')
  })
})
