import { item, numbers, text, values, type DicomJson } from '../dicom'
import { along, cross, dot, subtract, vec3, type Vec3 } from '../geometry'
import { formatPersonName } from '@/lib/personname'
import { formatDicomDate } from '@/lib/time'
import type { Frame } from '../stacks'
import type { Drawing, Graphics } from './graphics'
import { onPicture } from './picture'
import { codeOf, content, itemsOf, kindOf, pairs, pictureOf, VIEW_PLANE } from './structured'
import { ringOf, type Point } from './shapes'

/** A place further from a picture than half of this, or of its slice, is on another. */
const THIN_MM = 1
const DEPTH_MAX = 32
const NAME = '0040A043'
const MEANING = '00080104'

/** An object that a report names. */
export interface Named {
  sopInstanceUid: string
  sopClassUid: string
  /** From 1; none: all of it. */
  frames: readonly number[]
}

export interface Line {
  depth: number
  name: string
  value: string
  /** What stands below it belongs to it. */
  isHead: boolean
  /** Pictures, waveforms and documents that it points to. */
  named: readonly Named[]
}

function meaning(code: DicomJson | undefined): string {
  return text(code, MEANING) ?? text(code, '00080100') ?? text(code, '00080119') ?? text(code, '00080120') ?? ''
}

function moment(value: string | null): string {
  if (!value) return ''
  const zone = /[+-]\d{4}$/.exec(value)?.[0]
  return [formatDicomDate(value), value.length > 8 ? clock(value.slice(8)) : '', zone ? `UTC${zone.slice(0, 3)}:${zone.slice(3)}` : ''].filter(Boolean).join(' ')
}

/** Hours and minutes, and seconds where they are said. */
function clock(value: string): string {
  const [, hours, minutes, seconds] = /^(\d{2}):?(\d{2})?:?(\d{2})?/.exec(value) ?? []
  return [hours, minutes ?? (hours && '00'), seconds].filter(Boolean).join(':')
}

/** Units as people write them, by their code (UCUM); of others the words of the report. */
const SIGNS: Readonly<Record<string, string>> = {
  '1': '',
  mm: 'mm', cm: 'cm', m: 'm', mm2: 'mm²', cm2: 'cm²', m2: 'm²', mm3: 'mm³', cm3: 'cm³', ml: 'ml', mL: 'ml', l: 'l', L: 'l',
  s: 's', ms: 'ms', min: 'min', h: 'h', d: 'd', wk: 'wk', a: 'y', '/min': '/min', '{H.B.}/min': '/min', Hz: 'Hz',
  mg: 'mg', g: 'g', kg: 'kg', 'mm[Hg]': 'mmHg', 'cm/s': 'cm/s', 'm/s': 'm/s', '%': '%', deg: '°', "[hnsf'U]": 'HU',
  'g/ml{SUVbw}': 'g/ml SUVbw', 'Bq/ml': 'Bq/ml', mGy: 'mGy', 'mGy.cm': 'mGy·cm', 'mGy.cm2': 'mGy·cm²', 'Gy.m2': 'Gy·m²', 'dGy.cm2': 'dGy·cm²', Gy: 'Gy', mSv: 'mSv',
  kV: 'kV', mA: 'mA', uA: 'µA', 'mA.s': 'mAs', mV: 'mV', uV: 'µV',
}

function unitOf(unit: DicomJson | undefined): string {
  const scheme = text(unit, '00080102')
  const sign = scheme === null || scheme === 'UCUM' ? SIGNS[text(unit, '00080100') ?? ''] : undefined
  return sign ?? meaning(unit)
}

/** What a number is beside its value: `>` and the like are said of it (PS3.16 CID 42 says why there is none). */
function measuredWords(node: DicomJson): string {
  const measured = item(node, '0040A300')
  const word = unitOf(item(measured, '004008EA'))
  const qualifier = meaning(item(node, '0040A301'))
  const value = text(measured, '0040A30A')
  if (value === null) return qualifier || 'not measured'
  return [value, word, qualifier ? `(${qualifier})` : ''].filter(Boolean).join(' ')
}

/** A part of a recording (PS3.3 C.18.7): moments, or from one to the next. */
function rangeWords(node: DicomJson): string {
  const offsets = numbers(node, '0040A138')
  const samples = numbers(node, '0040A132')
  const moments = values(node, '0040A13A').filter((one): one is string => typeof one === 'string')
  const [unit, said] = offsets.length ? [' s', offsets.map(String)] : samples.length ? [' (sample)', samples.map(String)] : ['', moments.map(moment)]
  const type = text(node, '0040A130') ?? ''
  const [first = '', second] = said
  if (!first) return ''
  if (type === 'SEGMENT' && second !== undefined) return `from ${first} to ${second}${unit}`
  if (type === 'MULTISEGMENT') return `${said.map((one, at) => (at % 2 ? `to ${one}` : `${at ? '; ' : ''}from ${one}`)).join(' ').replaceAll(' ;', ';')}${unit}`
  return `${{ BEGIN: 'from', END: 'until' }[type] ?? 'at'} ${said.join(', ')}${unit}`
}

function said(node: DicomJson): string {
  const kind = kindOf(node)
  if (kind === 'NUM') return measuredWords(node)
  if (kind === 'CODE') return meaning(item(node, '0040A168'))
  if (kind === 'TEXT') return text(node, '0040A160') ?? ''
  if (kind === 'PNAME') {
    const name = values(node, '0040A123')[0]
    const written = name !== null && typeof name === 'object' ? (name as Record<string, unknown>)['Alphabetic'] : name
    return typeof written === 'string' ? formatPersonName(written) : ''
  }
  if (kind === 'DATE') return formatDicomDate(text(node, '0040A121'))
  if (kind === 'TIME') return clock(text(node, '0040A122') ?? '')
  if (kind === 'DATETIME') return moment(text(node, '0040A120'))
  if (kind === 'TCOORD') return rangeWords(node)
  return ''
}

const POINTING = new Set(['IMAGE', 'COMPOSITE', 'WAVEFORM'])
/** What is read in words, what is for machines, and what is drawn. */
const KNOWN = new Set([...POINTING, 'CONTAINER', 'NUM', 'CODE', 'TEXT', 'PNAME', 'DATE', 'TIME', 'DATETIME', 'UIDREF', 'SCOORD', 'SCOORD3D', 'TCOORD'])

function namedBy(node: DicomJson): Named[] {
  if (!POINTING.has(kindOf(node) ?? '')) return []
  return itemsOf(node, '00081199').flatMap((reference) => {
    const sopInstanceUid = text(reference, '00081155')
    return sopInstanceUid ? [{ sopInstanceUid, sopClassUid: text(reference, '00081150') ?? '', frames: numbers(reference, '00081160') }] : []
  })
}

/** The item that another one stands for (by-reference relationship, PS3.3 C.17.3.2.5): its place among those of each level, from 1. */
function referred(report: DicomJson, node: DicomJson): DicomJson | null {
  const [root, ...path] = numbers(node, '0040DB73')
  let at: DicomJson | undefined = root === 1 ? report : undefined
  for (const place of path) at = at && content(at)[place - 1]
  return at ?? null
}

/**
 * A report in words, a line an item that says something, or points to something; UIDs and shapes are for machines. What
 * is of a kind that is not known is said to be there.
 */
export function linesOf(report: DicomJson): Line[] {
  const lines: Line[] = []
  const look = (node: DicomJson, depth: number): void => {
    if (depth > DEPTH_MAX) return
    if (codeOf(node) === VIEW_PLANE) {
      // Of the plane that was looked at only this matters to who reads.
      const [, mode, thickness] = /slab (mip|minip|average) ([\d.]+)/.exec(said(node)) ?? []
      if (mode) lines.push({ depth: Math.max(0, depth - 1), name: 'Slab', value: `${{ mip: 'MIP', minip: 'MinIP' }[mode] ?? mode} ${thickness} mm`, isHead: false, named: [] })
      return
    }
    const kind = kindOf(node)
    const name = meaning(item(node, NAME))
    const named = namedBy(node)
    const isHead = kind === 'CONTAINER' && depth > 0 && content(node).length > 0
    const at = { depth: Math.max(0, depth - 1), isHead: isHead && name !== '', named }
    const other = kind === null && depth > 0 ? referred(report, node) : null
    if (other) lines.push({ ...at, name: 'See', value: [meaning(item(other, NAME)), said(other)].filter(Boolean).join(': ') })
    else if (kind !== null && !KNOWN.has(kind)) lines.push({ ...at, name, value: `(${kind}: not shown here)` })
    else {
      const value = said(node)
      if (value || named.length || at.isHead) lines.push({ ...at, name, value })
    }
    for (const child of content(node)) look(child, depth + 1)
  }
  look(report, 0)
  return lines
}

/** Every place that a report names, with the words that belong to it. */
function places(report: DicomJson): { node: DicomJson; words: string }[] {
  const found: { node: DicomJson; words: string }[] = []
  const look = (node: DicomJson, words: string, depth: number): void => {
    if (depth > DEPTH_MAX) return
    const kind = kindOf(node)
    if (kind === 'SCOORD' || kind === 'SCOORD3D') found.push({ node, words })
    const own = kind === 'NUM' || kind === 'CODE' || kind === 'TEXT' ? `${meaning(item(node, NAME))} ${said(node)}`.trim() : ''
    // What is measured in a region stands beside it, not over it.
    const beside = kind === 'CONTAINER' && content(node).some((child) => /^SCOORD/.test(kindOf(child) ?? '')) ? numbersIn(node) : ''
    for (const child of content(node)) look(child, own || beside || words, depth + 1)
  }
  look(report, '', 0)
  return found
}

function numbersIn(node: DicomJson): string {
  return content(node)
    .filter((child) => kindOf(child) === 'NUM')
    .map((child) => `${meaning(item(child, NAME))} ${said(child)}`)
    .join('\n')
}

/** What a report of another program draws on a picture: its shapes and its own words for them. */
export function graphicsOfReport(report: DicomJson, frame: Frame): Graphics {
  const out: Graphics = { shapes: [], words: [], shutters: [], shutterGrey: null, area: null }
  const written = new Set<string>()
  for (const { node, words } of places(report)) {
    const drawing = kindOf(node) === 'SCOORD' ? flat(node, frame) : spatial(node, frame)
    const [first] = drawing?.points ?? []
    if (!drawing || !first) continue
    out.shapes.push(drawing)
    if (words && !written.has(words)) out.words.push({ text: words, units: 'PIXEL', box: null, anchor: first, anchorUnits: 'PIXEL', tied: false, align: 'left', colour: null })
    written.add(words)
  }
  return out
}

function formOf(type: string | null, points: Point[]): Drawing | null {
  const drawn = (form: Drawing['form'], of: Point[]): Drawing => ({ form, points: of, units: 'PIXEL', filled: false, colour: null })
  const [first, second] = points
  if (!first) return null
  if (type === 'POINT' || type === 'MULTIPOINT') return drawn('POINT', points)
  if (type === 'POLYLINE') return drawn('POLYLINE', points)
  if (type === 'POLYGON') return drawn('POLYLINE', [...points, first])
  if (type === 'CIRCLE' && second) return drawn('ELLIPSE', ringOf(first, second))
  return type === 'ELLIPSE' && points.length === 4 ? drawn('ELLIPSE', points) : null
}

function flat(node: DicomJson, frame: Frame): Drawing | null {
  const image = content(node).map(pictureOf).find((one) => one !== null)
  // Of a reference without frames all are meant (PS3.3 C.18.4.1).
  const named = numbers(item(content(node)[0], '00081199'), '00081160')
  if (image?.sopInstanceUid !== frame.sopInstanceUid || (named.length > 0 && !named.includes(frame.frameNumber))) return null
  return formOf(text(node, '00700023'), pairs(numbers(node, '00700022')))
}

/** Of a place in the patient (PS3.3 C.18.9), what lies on the picture. */
function spatial(node: DicomJson, frame: Frame): Drawing | null {
  const uid = text(node, '30060024')
  if (!frame.plane || !uid || uid !== text(frame.metadata, '00200052')) return null
  const given = numbers(node, '00700022')
  const points = Array.from({ length: Math.floor(given.length / 3) }, (_, at) => vec3(given.slice(3 * at, 3 * at + 3))).filter((point) => point !== null)
  const normal = cross(frame.plane.row, frame.plane.column)
  const { origin } = frame.plane
  const near = (point: Vec3) => Math.abs(dot(subtract(point, origin), normal)) <= Math.max(THIN_MM, frame.sliceThickness ?? 0) / 2
  const type = text(node, '00700023')
  const shown = type === 'POINT' || type === 'MULTIPOINT' ? points.filter(near) : points.every(near) ? points : []
  const onto = (point: Vec3) => onPicture(frame.metadata, along(point, normal, -dot(subtract(point, origin), normal)))
  return formOf(type, shown.map(onto))
}

const DRAWN_2D = new Set(['POINT', 'MULTIPOINT', 'POLYLINE', 'CIRCLE', 'ELLIPSE'])
const DRAWN_3D = new Set(['POINT', 'MULTIPOINT', 'POLYLINE', 'POLYGON', 'ELLIPSE'])

/** What of a report cannot be drawn on these pictures, in words; its lines are told all the same. */
export function notDrawn(report: DicomJson, frames: readonly Frame[]): string[] {
  const out: string[] = []
  const kinds = new Set<string>()
  let elsewhere = 0
  for (const { node } of places(report)) {
    const type = text(node, '00700023') ?? 'unknown'
    const can = kindOf(node) === 'SCOORD' ? DRAWN_2D.has(type) : DRAWN_3D.has(type)
    if (!can) kinds.add(type)
    else if (!frames.some((frame) => (kindOf(node) === 'SCOORD' ? flat(node, frame) : spatial(node, frame)))) elsewhere += 1
  }
  if (kinds.size) out.push(`Not drawn: places told as ${[...kinds].join(', ')}.`)
  if (elsewhere) out.push(`Not drawn: ${elsewhere} place${elsewhere === 1 ? '' : 's'} on none of the pictures here.`)
  return out
}
