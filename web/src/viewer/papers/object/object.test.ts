// @vitest-environment jsdom
import { describe, expect, it } from 'vitest'
import { calledOf, dataSetsOf, rowsOf, spelt, uidOf } from './dataset'
import { factsOf } from './facts'

const plan = `--x\r\nContent-Type: application/dicom+xml\r\n\r\n<?xml version="1.0"?>
<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve">
<DicomAttribute tag="00080018" vr="UI" keyword="SOPInstanceUID"><Value number="1">1.2</Value></DicomAttribute>
<DicomAttribute tag="00100010" vr="PN" keyword="PatientName"><PersonName number="1"><Alphabetic><FamilyName>Mad</FamilyName><GivenName>Max</GivenName></Alphabetic></PersonName></DicomAttribute>
<DicomAttribute tag="300A00B0" vr="SQ" keyword="BeamSequence">
<Item number="1"><DicomAttribute tag="300A00C2" vr="LO" keyword="BeamName"><Value number="1">AP</Value></DicomAttribute></Item>
<Item number="2"><DicomAttribute tag="300A00C2" vr="LO" keyword="BeamName"><Value number="1">PA</Value></DicomAttribute>
<DicomAttribute tag="300A0111" vr="SQ" keyword="ControlPointSequence"><Item number="1"><DicomAttribute tag="300A011E" vr="DS" keyword="GantryAngle"><Value number="1">181.5</Value></DicomAttribute></Item></DicomAttribute></Item>
</DicomAttribute>
<DicomAttribute tag="30110010" vr="LO"><Value number="1">ACME</Value></DicomAttribute>
<DicomAttribute tag="30111001" vr="OB" privateCreator="ACME"><BulkData uri="b/1"/></DicomAttribute>
</NativeDicomModel>\r\n--x--`

describe('a data set that has no view of its own', () => {
  const [set = []] = dataSetsOf(plan)
  const lines = (open: string[], looked = '') => rowsOf(set, new Set(open), looked).map((row) => row.attribute?.name ?? `item ${row.item?.number} of ${row.item?.of}`)

  it('is read with the names of its attributes, of private ones whose they are', () => {
    expect(uidOf(set)).toBe('1.2')
    expect(set.map((one) => one.name)).toEqual(['SOP Instance UID', 'Patient Name', 'Beam Sequence', 'Private', 'Private, ACME'])
    expect(set[1]?.values).toEqual(['Mad Max'])
    expect(set[4]?.isElsewhere).toBe(true)
    expect(['SOPInstanceUID', 'RTPlanLabel', 'ReferencedROINumber', 'DVHSequence'].map(spelt)).toEqual(['SOP Instance UID', 'RT Plan Label', 'Referenced ROI Number', 'DVH Sequence'])
    expect(() => dataSetsOf('<NativeDicomModel>')).toThrow('cut off')
  })

  it('opens by sequence and item', () => {
    expect(lines([])).toHaveLength(5)
    expect(lines(['300A00B0']).slice(2, 5)).toEqual(['Beam Sequence', 'item 1 of 2', 'item 2 of 2'])
    // One item is open with its sequence.
    expect(lines(['300A00B0', '300A00B0/1', '300A00B0/1/300A0111']).slice(2, 9)).toEqual(['Beam Sequence', 'item 1 of 2', 'item 2 of 2', 'Beam Name', 'Control Point Sequence', 'item 1 of 1', 'Gantry Angle'])
    expect(rowsOf(set, new Set(['300A00B0']), '')[4]?.item?.called).toBe('Beam Name: PA')
    // Its own name before that of the place where it stands.
    const said = (name: string, value: string) => ({ tag: '', vr: 'LO', name, values: [value], items: [], isElsewhere: false })
    expect(calledOf([said('Institution Name', 'Here'), said('Beam Number', '3')], 'Beam Sequence')).toBe('Beam Number: 3')
  })

  it('shows what is looked for by name, tag or value, with what it lies in', () => {
    expect(lines([], '181.5')).toEqual(['Beam Sequence', 'item 2 of 2', 'Control Point Sequence', 'item 1 of 1', 'Gantry Angle'])
    expect(lines([], '(300A,011E)')).toEqual(lines([], 'gantry'))
    expect(lines([], 'nowhere')).toEqual([])
  })
})

const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })
const item = (of: object) => element('SQ', of)

describe('the main facts', () => {
  it('of a plan are what is prescribed and its beams', () => {
    const told = factsOf({
      '00080016': element('UI', '1.2.840.10008.5.1.4.1.1.481.5'),
      '300A0002': element('SH', 'Boost'),
      '300A0070': item({ '300A0078': element('IS', 5), '300C0004': item({ '300C0006': element('IS', 3), '300A0086': element('DS', 120.5), '300A0084': element('DS', 2) }) }),
      '300A0010': item({ '300A0016': element('LO', 'PTV'), '300A0020': element('CS', 'TARGET'), '300A0026': element('DS', 10) }),
      '300A00B0': item({
        '300A00C0': element('IS', 3),
        '300A00C2': element('LO', 'Arc'),
        '300A00C4': element('CS', 'DYNAMIC'),
        '300A00C6': element('CS', 'PHOTON'),
        '300A00B3': element('CS', 'MU'),
        '300A0111': element('SQ', { '300A0114': element('DS', 6), '300A011E': element('DS', 181) }, { '300A011E': element('DS', 179) }),
      }),
    })
    expect(told.facts.slice(0, 2)).toEqual([
      { name: 'Plan', value: 'Boost' },
      { name: 'Fractions', value: '5' },
    ])
    expect(told.tables.map((one) => [one.title, ...one.rows])).toEqual([
      ['Prescribed', ['PTV', 'Target', '10 Gy']],
      ['Beams', ['3', 'Arc', 'Photon, Dynamic', '6 MV', '181 → 179°', '', '', '120.5 MU', '2 Gy']],
    ])
  })

  it('of a registration are from where it moves, and how', () => {
    const [table] = factsOf({
      '00080016': element('UI', '1.2.840.10008.5.1.4.1.1.66.1'),
      '00200052': element('UI', '1.9'),
      '00700308': item({ '00200052': element('UI', '1.8'), '00700309': item({ '0070030A': item({ '0070030C': element('CS', 'RIGID'), '300600C6': element('DS', 1, 0, 0, 5, 0, 1, 0, -2.5, 0, 0, 1, 0, 0, 0, 0, 1) }) }) }),
    }).tables
    expect(table?.title).toBe('From 1.8')
    expect(table?.rows[0]).toEqual(['Rigid', '1   0   0   5\n0   1   0   -2.5\n0   0   1   0\n0   0   0   1'])
  })
})
