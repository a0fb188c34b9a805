// @vitest-environment jsdom
import { describe, expect, it } from 'vitest'
import type { DicomJson } from '../dicom'
import { stacksOfSeries, type SeriesHead } from '../stacks'
import { fileOf, papersOfSeries } from './paper'

const HEAD: SeriesHead = { seriesInstanceUid: '1.2', seriesNumber: 7, description: 'Outside', modality: 'OT', bodyPart: null, instances: 0 }
const STORAGE = '1.2.840.10008.5.1.4.1.1.'
const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })

function object(uid: string, sopClass: string, over: DicomJson = {}): DicomJson {
  return { '00080016': element('UI', `${STORAGE}${sopClass}`), '00080018': element('UI', uid), ...over }
}
const papers = (...instances: DicomJson[]) => papersOfSeries('1', HEAD, instances)
const film = (syntax: string) => ({
  '00083002': element('UI', `1.2.840.10008.1.2.4.${syntax}`),
  '00280008': element('IS', 90),
  '00280010': element('US', 48),
  '00280011': element('US', 64),
})

describe('what opens as a paper', () => {
  it.each([
    ['104.1', 'pdf'],
    ['104.2', 'text'],
    ['104.3', 'model'],
    ['104.4', 'model'],
    ['104.5', 'model'],
    ['88.11', 'report'],
    ['88.33', 'report'],
    ['88.59', 'report'],
    ['88.67', 'report'],
    ['9.1.1', 'waveform'],
    ['9.4.2', 'waveform'],
    ['9.7.4', 'waveform'],
  ])('%s is a %s', (sopClass, kind) => {
    expect(papers(object('1.5', sopClass)).map((one) => one.kind)).toEqual([kind])
  })

  const sized = { '00280010': element('US', 4), '00280011': element('US', 4) }

  // Pictures, what lies over pictures, and what the list of what readers left has.
  it.each(['2', '11.1', '66.4', '481.2', '481.3', '77.1.5.1'])('%s is none', (sopClass) => {
    expect(papers(object('1.5', sopClass, sized))).toEqual([])
  })

  // What has no view of its own is none the less there, also spectra, which say rows and columns; and what nobody knows.
  it.each([
    ['481.5', 'RT plan'],
    ['66.1', 'Registration'],
    ['66', 'Raw data'],
    ['4.2', 'MR spectroscopy'],
    ['9.100.1', 'Outside'],
    ['99.99', 'Outside'],
  ])('%s is an object, %s', (sopClass, title) => {
    const instance = object('1.5', sopClass, sopClass === '4.2' ? sized : {})
    expect(papersOfSeries('1', { ...HEAD, description: title === 'Outside' ? title : null }, [instance])).toMatchObject([{ kind: 'object', title }])
    expect(stacksOfSeries('1', HEAD, [instance])).toEqual([])
  })

  // The same SOP class holds frames or a film: only how it is coded tells.
  it.each([
    ['100', 'video', 0],
    ['102', 'video', 0],
    ['103.1', 'video', 0],
    ['108', 'video', 0],
    ['50', undefined, 1],
    ['90', undefined, 1],
  ])('a photograph or film coded as .4.%s', (syntax, kind, stacks) => {
    const instance = object('1.5', '77.1.1.1', film(syntax))
    expect(papers(instance)[0]?.kind).toBe(kind)
    expect(stacksOfSeries('1', HEAD, [instance])).toHaveLength(stacks)
  })
})

describe('a paper', () => {
  it('is named by what its maker called it, and dated by when it says that it was written', () => {
    const [pdf] = papers(
      object('1.5', '104.1', {
        '00420010': element('ST', 'Discharge letter'),
        '00420012': element('LO', 'application/pdf'),
        '0008002A': element('DT', '20251231235900.5+0100'),
        '00080021': element('DA', '20260102'),
      }),
    )
    expect(pdf).toMatchObject({ title: 'Discharge letter', date: '20251231', time: '235900', seriesNumber: 7 })
    expect(pdf && fileOf(pdf)).toEqual({ href: '/dicom-web/studies/1/series/1.2/instances/1.5/rendered', name: 'document.pdf', words: 'Save the PDF' })
  })

  it('of no title is named by its series, and one that says nothing by its kind', () => {
    expect(papers(object('1.5', '104.1'))[0]?.title).toBe('Outside')
    expect(papersOfSeries('1', { ...HEAD, description: null }, [object('1.5', '9.1.1'), object('1.6', '104.1')]).map((one) => one.title)).toEqual(['12-lead ECG', 'PDF'])
  })

  it('stands in the order of its numbers, those without one last', () => {
    const numbered = (uid: string, number: number) => object(uid, '88.11', { '00200013': element('IS', number) })
    expect(papers(object('1.1', '88.11'), numbered('1.3', 10), numbered('1.2', 9)).map((one) => one.sopInstanceUid)).toEqual(['1.2', '1.3', '1.1'])
  })

  it('whose document says no type is saved as the DICOM object that it is', () => {
    const [pdf] = papers(object('1.5', '104.1'))
    expect(pdf && fileOf(pdf)).toMatchObject({ name: 'pdf.dcm', words: 'Save the DICOM file' })
    expect(pdf && new URL(fileOf(pdf).href, 'http://here').searchParams.get('objectUID')).toBe('1.5')
  })
})
