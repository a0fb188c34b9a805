import { formatPersonName } from '@/lib/personname'
import { formatDicomDate } from '@/lib/time'
import { item, number, numbers, text, values, type DicomJson } from '../../dicom'
import { STORAGE } from '../kinds'

export interface Fact {
  name: string
  value: string
}

export interface Table {
  title: string
  heads: readonly string[]
  rows: readonly (readonly string[])[]
}

export interface Facts {
  facts: readonly Fact[]
  tables: readonly Table[]
}

function itemsIn(instance: DicomJson | undefined, tag: string): DicomJson[] {
  return values(instance, tag).filter((one): one is DicomJson => one !== null && typeof one === 'object')
}

function worded(code: string | null): string | null {
  return code && code.charAt(0) + code.slice(1).toLowerCase().replaceAll('_', ' ')
}

function rounded(value: number | null, unit = ''): string {
  return value === null ? '' : `${Number(value.toFixed(3))}${unit}`
}

function nameIn(instance: DicomJson | undefined, tag: string): string | null {
  const value = values(instance, tag)[0]
  const written = typeof value === 'string' ? value : value !== null && typeof value === 'object' ? (value as Record<string, unknown>)['Alphabetic'] : null
  return typeof written === 'string' ? formatPersonName(written) : null
}

type Told = readonly (readonly [string, string | null | undefined])[]

function facts(told: Told): Fact[] {
  return told.flatMap(([name, value]) => (value ? [{ name, value }] : []))
}

/** What every object may say of itself. */
function common(instance: DicomJson): Told {
  return [
    ['Label', text(instance, '00700080')],
    ['Description', text(instance, '00700081')],
    ['Made by', [text(instance, '00080070'), text(instance, '00081090'), text(instance, '00081010')].filter(Boolean).join(' · ')],
    ['Comment', text(instance, '00204000')],
    ['Images', text(instance, '00280008')],
  ]
}

function approval(instance: DicomJson): string | null {
  return [worded(text(instance, '300E0002')), nameIn(instance, '300E0008'), formatDicomDate(text(instance, '300E0004'))].filter(Boolean).join(' · ') || null
}

function gantry(points: readonly DicomJson[], tag: string): string {
  const all = points.flatMap((one) => number(one, tag) ?? [])
  const [first, last] = [all[0], all[all.length - 1]]
  return first === undefined ? '' : last === undefined || last === first ? rounded(first, '°') : `${rounded(first)} → ${rounded(last, '°')}`
}

/** RT Plan and RT Ion Plan (PS3.3 C.8.8.9 and on). */
function plan(instance: DicomJson): Facts {
  const groups = itemsIn(instance, '300A0070')
  const metersets = new Map(groups.flatMap((group) => itemsIn(group, '300C0004').map((one) => [number(one, '300C0006'), one] as const)))
  const beams = [...itemsIn(instance, '300A00B0'), ...itemsIn(instance, '300A03A2')]
  const setups = itemsIn(instance, '300A0230')
  return {
    facts: facts([
      ['Plan', [text(instance, '300A0002'), text(instance, '300A0003')].filter((one, at, all) => one && all.indexOf(one) === at).join(' · ')],
      ['Intent', worded(text(instance, '300A000A'))],
      ['Approval', approval(instance)],
      ['About', text(instance, '300A0004')],
      ['Fractions', groups.map((group) => text(group, '300A0078')).filter(Boolean).join(', ')],
      ['Brachytherapy', worded(text(instance, '300A0202'))],
    ]),
    tables: [
      {
        title: 'Prescribed',
        heads: ['To', 'What', 'Dose'],
        rows: itemsIn(instance, '300A0010').map((one) => [
          text(one, '300A0016') ?? worded(text(one, '300A0014')) ?? '',
          worded(text(one, '300A0020')) ?? '',
          [number(one, '300A0026'), number(one, '300A0023'), number(one, '300A002C')].filter((dose) => dose !== null).map((dose) => rounded(dose, ' Gy'))[0] ?? '',
        ]),
      },
      {
        title: 'Beams',
        heads: ['No.', 'Name', 'Radiation', 'Energy', 'Gantry', 'Collimator', 'Couch', 'Meterset', 'Dose'],
        rows: beams.map((beam) => {
          const points = [...itemsIn(beam, '300A0111'), ...itemsIn(beam, '300A03A8')]
          const [first] = points
          const given = metersets.get(number(beam, '300A00C0'))
          return [
            text(beam, '300A00C0') ?? '',
            text(beam, '300A00C2') ?? text(beam, '300A00C3') ?? '',
            [worded(text(beam, '300A00C6')), worded(text(beam, '300A00C4'))].filter(Boolean).join(', '),
            rounded(number(first, '300A0114'), text(beam, '300A00C6') === 'PHOTON' ? ' MV' : ' MeV'),
            gantry(points, '300A011E'),
            gantry(points, '300A0120'),
            gantry(points, '300A0122'),
            rounded(number(given, '300A0086'), text(beam, '300A00B3') ? ` ${text(beam, '300A00B3')}` : ''),
            rounded(number(given, '300A0084'), ' Gy'),
          ]
        }),
      },
      {
        title: 'Applicators and sources',
        heads: ['No.', 'Application', 'Reference air kerma'],
        rows: setups.map((one) => [text(one, '300A0234') ?? '', worded(text(one, '300A0232')) ?? '', rounded(number(one, '300A0250'), ' μGy')]),
      },
    ],
  }
}

/** RT Treatment Records (PS3.3 C.8.8.21 and on). */
function record(instance: DicomJson): Facts {
  const beams = [...itemsIn(instance, '30080020'), ...itemsIn(instance, '30080021')]
  return {
    facts: facts([
      ['Treated', [formatDicomDate(text(instance, '30080250')), text(instance, '30080251')?.replace(/^(\d\d)(\d\d).*/, '$1:$2')].filter(Boolean).join(' ')],
      ['Machine', [text(item(instance, '300A0206'), '300A00B2'), text(instance, '300A00B2')].find(Boolean)],
      ['Treatment', worded(text(instance, '30080200'))],
      ['Fractions delivered', text(instance, '3008005A')],
    ]),
    tables: [
      {
        title: 'Beams delivered',
        heads: ['No.', 'Name', 'Fraction', 'Ended', 'Meterset set', 'Delivered'],
        rows: beams.map((beam) => {
          const unit = text(beam, '300A00B3') ? ` ${text(beam, '300A00B3')}` : ''
          return [
            text(beam, '300C0006') ?? text(beam, '300A00C0') ?? '',
            text(beam, '300A00C2') ?? '',
            text(beam, '30080022') ?? '',
            worded(text(beam, '3008002A')) ?? '',
            rounded(number(beam, '30080032'), unit),
            rounded(number(beam, '30080036'), unit),
          ]
        }),
      },
    ],
  }
}

function matrixRows(matrix: readonly number[]): string[] {
  return matrix.length === 16 ? [0, 4, 8, 12].map((at) => matrix.slice(at, at + 4).map((one) => String(Number(one.toFixed(4)))).join('   ')) : []
}

/** Spatial and Deformable Spatial Registration (PS3.3 C.20.2, C.20.3): from which frame of reference to this object's own. */
function registration(instance: DicomJson): Facts {
  const own = text(instance, '00200052')
  const all = [...itemsIn(instance, '00700308'), ...itemsIn(instance, '00640002')]
  return {
    facts: facts([['Frame of reference', own]]),
    tables: all.map((one, at): Table => {
      const from = text(one, '00200052') ?? text(one, '00640003')
      const matrices = [...itemsIn(one, '00700309'), ...itemsIn(one, '0064000F'), ...itemsIn(one, '00640010')].flatMap((step) => [...itemsIn(step, '0070030A'), ...(step['300600C6'] ? [step] : [])])
      const grid = item(one, '00640005')
      const images = itemsIn(one, '00081140').length
      return {
        title: `${from === own ? 'The frame of reference itself' : `From ${from ?? 'images that it names'}`}${images ? ` · ${images} image${images === 1 ? '' : 's'}` : ''}`,
        heads: [`Step${all.length > 1 ? ` (${at + 1})` : ''}`, 'Matrix, mm'],
        rows: [
          ...matrices.map((step) => [worded(text(step, '0070030C')) ?? '', matrixRows(numbers(step, '300600C6')).join('\n')]),
          ...(grid ? [['Deformed by a grid', `${numbers(grid, '00640007').join(' × ')} vectors, ${numbers(grid, '00640008').map((size) => rounded(size)).join(' × ')} mm apart`]] : []),
        ],
      }
    }),
  }
}

const NOTHING: Facts = { facts: [], tables: [] }

/** The main facts of an object that has no view of its own. */
export function factsOf(instance: DicomJson): Facts {
  const kind = (text(instance, '00080016') ?? '').slice(STORAGE.length)
  const own = kind === '481.5' || kind === '481.8' ? plan(instance) : ['481.4', '481.6', '481.7', '481.9'].includes(kind) ? record(instance) : kind === '66.1' || kind === '66.3' ? registration(instance) : NOTHING
  return { facts: [...own.facts, ...facts(common(instance))], tables: own.tables.filter((one) => one.rows.length > 0) }
}
