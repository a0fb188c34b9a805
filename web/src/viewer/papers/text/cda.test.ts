// @vitest-environment jsdom
import { describe, expect, it } from 'vitest'
import { readCda, wordsOf } from './cda'

const cda = (body: string) => `<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3">
  <title>Discharge  letter</title><effectiveTime value="20261120101500+0100"/>
  <recordTarget><patientRole><id extension="P-17" root="1.2"/><patient>
    <name><prefix>Dr.</prefix><given>Jörg</given><given>Anton</given><family>Weiß</family></name><birthTime value="19590301"/>
  </patient></patientRole></recordTarget>
  <author><assignedAuthor><assignedPerson><name>Dr. Free Text</name></assignedPerson></assignedAuthor></author>
  <custodian><assignedCustodian><representedCustodianOrganization><name>St. Elsewhere</name></representedCustodianOrganization></assignedCustodian></custodian>
  <component>${body}</component>
</ClinicalDocument>`

describe('a clinical document', () => {
  it('says whose it is, from when and from whom', () => {
    const read = readCda(cda('<structuredBody><component><section><title>A</title></section></component><component><section/></component></structuredBody>'))
    expect(read?.title).toBe('Discharge letter')
    expect(read?.facts).toEqual([
      { name: 'Patient in the document', value: 'Dr. Jörg Anton Weiß · 1959-03-01 · P-17' },
      { name: 'Written', value: '2026-11-20 10:15' },
      { name: 'Author', value: 'Dr. Free Text' },
      { name: 'From', value: 'St. Elsewhere' },
    ])
    expect(read?.sections).toHaveLength(2)
  })

  it('without a narrative holds a body of another type', () => {
    const read = readCda(cda('<nonXMLBody><text mediaType="application/pdf" representation="B64">JVBE\n Ri0=</text></nonXMLBody>'))
    expect(read?.body).toEqual({ mediaType: 'application/pdf', base64: 'JVBERi0=', words: 'JVBE\n Ri0=' })
  })

  it('takes pictures of known kinds alone', () => {
    const media = (id: string, type: string, data: string) => `<observationMedia ID="${id}"><value mediaType="${type}" representation="B64">${data}</value></observationMedia>`
    const read = readCda(cda(`<structuredBody><component><section>${media('a', 'image/png', 'AA ==')}${media('b', 'image/svg+xml', 'AAAA')}${media('c', 'image/png', 'x"y')}</section></component></structuredBody>`))
    expect([...(read?.media ?? [])]).toEqual([['a', 'data:image/png;base64,AA==']])
  })

  it('is none where it cannot be read, or is another kind of XML', () => {
    expect(readCda('<ClinicalDocument>')).toBeNull()
    expect(readCda('<html xmlns="http://www.w3.org/1999/xhtml"><script>1</script></html>')).toBeNull()
    expect(readCda('')).toBeNull()
  })

  it('is read in the character set that it names', () => {
    const latin = Uint8Array.from([...'<?xml version="1.0" encoding="ISO-8859-1"?><a>Gr\u00f6\u00dfe</a>\0'].map((letter) => letter.charCodeAt(0)))
    expect(wordsOf(latin)).toContain('Größe</a>')
    expect(wordsOf(new TextEncoder().encode('<a>Größe</a>\0'))).toBe('<a>Größe</a>')
    expect(wordsOf(new TextEncoder().encode('<?xml version="1.0" encoding="nonsense"?><a>Größe</a>'))).toContain('Größe')
  })
})
