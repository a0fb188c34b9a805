import { describe, expect, it } from 'vitest'
import { isNpi, npiFault, particularsOf, personNameOf } from './particulars'

describe('NPI', () => {
  it.each(['1234567893', '1679576722', '1999999984'])('takes %s', (npi) => {
    expect(isNpi(npi)).toBe(true)
    expect(npiFault(` ${npi} `)).toBeNull()
  })
  it('finds every single mistyped figure and every swapped pair of neighbours but 09 and 90', () => {
    const npi = '1679576722'
    for (let at = 1; at < 10; at++) {
      for (let digit = 0; digit < 10; digit++) {
        const other = npi.slice(0, at) + String(digit) + npi.slice(at + 1)
        expect(isNpi(other)).toBe(other === npi)
      }
    }
    expect(isNpi('1697576722')).toBe(false)
  })
  it.each(['', '   '])('may be left out', (npi) => expect(npiFault(npi)).toBeNull())
  it.each(['123456789', '12345678931', '123456789x', '1234-567893'])('says that %s has not ten digits', (npi) => {
    expect(npiFault(npi)).toBe('Ten digits')
  })
  it('is only 1 or 2 at its head', () => expect(isNpi('3234567891')).toBe(false))
})

describe('a name', () => {
  it('is put together as PN and taken apart again', () => {
    const parts = { ...particularsOf(undefined), family: 'Moreau', given: 'Ines', prefix: 'Dr.' }
    expect(personNameOf(parts, undefined)).toBe('Moreau^Ines^^Dr.')
    const again = particularsOf({
      practitioner_pk: 1,
      person_name: 'Moreau^Ines^^Dr.',
      npi: null,
      taxonomy_code: null,
      phone: null,
      email: null,
      user_pk: null,
      user_display_name: null,
    })
    expect(again).toEqual(parts)
  })
  it('keeps its groups in other scripts', () => {
    expect(personNameOf({ ...particularsOf(undefined), family: 'Yamada', given: 'Taro' }, 'Yamada^Tarou=山田^太郎=やまだ^たろう')).toBe(
      'Yamada^Taro=山田^太郎=やまだ^たろう',
    )
  })
  it('cannot smuggle in separators', () => {
    expect(personNameOf({ ...particularsOf(undefined), family: 'A^B=C\\D' }, undefined)).toBe('A B C D')
  })
})
