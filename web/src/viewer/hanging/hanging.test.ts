// @vitest-environment jsdom
import { describe, expect, it } from 'vitest'
import type { DicomJson } from '../dicom'
import { inReadingOrder, stacksOfSeries, type SeriesHead, type Stack } from '../stacks'
import type { ViewerStudy } from '../study'
import { arrange, find, finds, type Opened } from './arrange'
import { fits, owner, ranked, specificity } from './choose'
import { factsOf, isComparable, planeName, studyFacts } from './facts'
import { boxFor, definitionFor, selectorFor } from './make'
import type { Box, Definition, Protocol, Selector, Stage } from './types'
import { boxWords, definitionWords, selectorWords } from './words'

const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })

const PLANES = { TRANSVERSE: [1, 0, 0, 0, 1, 0], SAGITTAL: [0, 1, 0, 0, 0, -1], CORONAL: [1, 0, 0, 0, 0, -1], OBLIQUE: [1, 0, 0, 0, 0.7071068, -0.7071068] } as const
type PlaneSaid = keyof typeof PLANES

interface Made {
  number: number
  label: string
  modality?: string
  plane?: PlaneSaid
  side?: string
  view?: string
  thickness?: number
  contrast?: string
  kernel?: string
  sequence?: string[]
  localizer?: boolean
  patient?: string
  code?: string
}

/** A series of three slices, or of one projection. */
function series(made: Made): Stack {
  const uid = `1.2.${made.number}`
  const head: SeriesHead = { seriesInstanceUid: uid, seriesNumber: made.number, description: made.label, modality: made.modality ?? 'CT', bodyPart: 'HEAD', instances: 3 }
  const instances = (made.plane ? [0, 5, 10] : [0]).map((at): DicomJson => ({
    '00080008': element('CS', 'ORIGINAL', 'PRIMARY', made.localizer ? 'LOCALIZER' : 'AXIAL'),
    '00080018': element('UI', `${uid}.${at}`),
    '00080060': element('CS', made.modality ?? 'CT'),
    '00100020': element('LO', made.patient ?? 'P1'),
    '00200013': element('IS', at),
    '00280010': element('US', 512),
    '00280011': element('US', 512),
    ...(made.plane
      ? { '00200032': element('DS', ...(made.plane === 'SAGITTAL' ? [at, 0, 0] : made.plane === 'CORONAL' ? [0, at, 0] : [0, made.plane === 'OBLIQUE' ? at : 0, at])), '00200037': element('DS', ...PLANES[made.plane]) }
      : { '00200020': element('CS', 'A', 'R') }),
    ...(made.side ? { '00200062': element('CS', made.side) } : {}),
    ...(made.view ? { '00185101': element('CS', made.view) } : {}),
    ...(made.thickness ? { '00180050': element('DS', made.thickness) } : {}),
    ...(made.contrast ? { '00180010': element('LO', made.contrast) } : {}),
    ...(made.kernel ? { '00181210': element('SH', made.kernel) } : {}),
    ...(made.sequence ? { '00180020': element('CS', ...made.sequence) } : {}),
    ...(made.code ? { '00081032': { vr: 'SQ', Value: [{ '00080100': element('SH', made.code) }] } } : {}),
  }))
  const [stack] = stacksOfSeries('1', head, instances)
  if (!stack) throw new Error('no stack')
  return stack
}

const STUDY: ViewerStudy = { study_pk: 1, study_instance_uid: '1', study_date: '2026-11-25', study_description: 'CT head without contrast', modalities_in_study: ['CT'], body_part_examined: 'HEAD' }
const prior = (study_pk: number, over: Partial<ViewerStudy> = {}): ViewerStudy => ({ ...STUDY, study_pk, study_instance_uid: String(study_pk), study_date: `2025-0${study_pk}-10`, ...over })

const selector = (over: Partial<Selector> = {}): Selector => ({ is_localizer: false, occurrence: 1, ...over })
const box = (over: Partial<Box> = {}): Box => ({ selector: selector(), show_grayscale_inverted: false, image_rotation: 0, image_horizontal_flip: false, ...over })
const stage = (...boxes: (Box | null)[]): Stage => ({ rows: 1, columns: boxes.length, image_boxes: boxes, together: { scroll: true, view: false, window: true, lines: true } })
const definition = (over: Partial<Definition> = {}): Definition => ({ number_of_priors_referenced: 0, ...over })

let made = 0
const protocol = (over: Partial<Protocol>): Protocol => ({
  hanging_protocol_pk: ++made,
  name: `protocol ${made}`,
  hanging_protocol_level: 'SINGLE_USER',
  site_pk: null,
  site_code: null,
  hanging_protocol_definition: definition({ modality: 'CT' }),
  display_sets: [stage(box())],
  position: 0,
  is_enabled: true,
  version: 1,
  made_by: 'Ines Moreau',
  may_change: true,
  updated_at: '2026-11-25T03:00:00Z',
  ...over,
})

/** The same numbers each time (Park and Miller's), so that what fails can be looked at. */
function chances(seed: number) {
  let state = seed
  const next = () => (state = (state * 48271) % 2147483647) / 2147483647
  return { next, one: <T,>(of: readonly T[]): T => of[Math.floor(next() * of.length)] as T, maybe: <T,>(value: T) => (next() < 0.5 ? value : undefined) }
}

describe('what a rule finds', () => {
  const thin = series({ number: 2, label: 'Head 1.0 thin', plane: 'TRANSVERSE', thickness: 1, kernel: 'H60s' })
  const thick = series({ number: 3, label: 'Head 5.0', plane: 'TRANSVERSE', thickness: 5, kernel: 'H30s' })
  const sagittal = series({ number: 4, label: 'Head sag', plane: 'SAGITTAL', contrast: 'Iohexol' })
  const scout = series({ number: 1, label: 'Topogram', plane: 'CORONAL', localizer: true })
  const all = [scout, thin, thick, sagittal]

  it.each<[string, Partial<Selector>, Stack | null]>([
    ['a plane', { plane: 'SAGITTAL' }, sagittal],
    ['the first of several', { plane: 'TRANSVERSE' }, thin],
    ['the second of several', { plane: 'TRANSVERSE', occurrence: 2 }, thick],
    ['no third where there are two', { plane: 'TRANSVERSE', occurrence: 3 }, null],
    ['words in any order, without capitals', { series_description: 'THIN head' }, thin],
    ['no part of a word', { series_description: 'hea' }, null],
    ['thick slices', { slice_thickness_min: 3 }, thick],
    ['a kernel', { convolution_kernel: 'h30S' }, thick],
    ['what was given contrast', { contrast_bolus: true }, sagittal],
    ['no localiser unasked', { plane: 'CORONAL' }, null],
    ['a localiser that is asked for', { is_localizer: true }, scout],
    ['no other modality', { modality: 'MR' }, null],
    ['no side where none is said', { image_laterality: 'L' }, null],
  ])('is %s', (_, asked, wanted) => {
    expect(find(selector(asked), all)?.label ?? null).toBe(wanted?.label ?? null)
  })

  it('names planes by the axis within 30°', () => {
    expect(planeName([0, 0.49, 0.87])).toBe('TRANSVERSE')
    expect(planeName([0, 0.6, 0.8])).toBe('OBLIQUE')
    expect(planeName([-0.95, 0.3, 0])).toBe('SAGITTAL')
    expect(planeName(null)).toBeNull()
  })

  it('hears scanners that write there was no contrast', () => {
    expect(factsOf(series({ number: 1, label: 'a', plane: 'CORONAL', contrast: 'NONE' })).contrast).toBe(false)
    expect(factsOf(series({ number: 1, label: 'a', plane: 'CORONAL', contrast: 'Norm 300' })).contrast).toBe(true)
  })
})

describe('what a box shows', () => {
  const here = series({ number: 1, label: 'Axial', plane: 'TRANSVERSE' })
  const current: Opened = { study: STUDY, stacks: [here], loading: false }
  const then = series({ number: 7, label: 'Axial', plane: 'TRANSVERSE' })
  const opened = (stacks: readonly Stack[], loading = false) => (study: ViewerStudy): Opened => ({ study, stacks, loading })
  const first = (placed: ReturnType<typeof arrange>) => placed[0]

  it('is the comparable prior that is asked for', () => {
    const priors = [prior(2, { modalities_in_study: ['MR'] }), prior(3, { body_part_examined: 'CHEST' }), prior(4, { body_part_examined: 'BRAIN' }), prior(5)]
    const placed = arrange(stage(box({ abstract_prior_value: 1 }), box({ abstract_prior_value: 2 })), current, priors, opened([then]))
    expect(placed.map((one) => (one && 'stack' in one ? one.study.study_pk : null))).toEqual([4, 5])
  })

  it('says for what it waits, and never takes another series', () => {
    const asked = selector({ modality: 'CT', plane: 'SAGITTAL' })
    expect(first(arrange(stage(box({ selector: asked })), current, [], opened([])))).toEqual({ missing: 'No series here is CT · sagittal', waits: false })
    expect(first(arrange(stage(box({ selector: asked })), { ...current, loading: true }, [], opened([])))).toEqual({ missing: 'Opening the study', waits: true })
    expect(first(arrange(stage(box({ abstract_prior_value: 1 })), current, [], opened([])))).toEqual({ missing: 'No comparable prior', waits: false })
    expect(first(arrange(stage(box({ abstract_prior_value: 2 })), current, [prior(4)], opened([])))).toEqual({ missing: 'Only 1 comparable prior, and this is for prior 2', waits: false })
    const gone = first(arrange(stage(box({ abstract_prior_value: 1, selector: asked })), current, [prior(4)], opened([then])))
    expect(gone).toMatchObject({ waits: false, missing: expect.stringMatching(/^PRIOR · 19 months · .*: no series is CT · sagittal$/) as unknown })
  })

  it('lets images of another patient ID not hang by themselves', () => {
    const other = series({ number: 7, label: 'Axial', plane: 'TRANSVERSE', patient: 'P2' })
    expect(first(arrange(stage(box({ abstract_prior_value: 1 })), current, [prior(4)], opened([other])))).toMatchObject({ missing: expect.stringContaining('another patient ID') as unknown })
  })

  it('stays empty where the stage leaves it so', () => {
    expect(arrange(stage(box(), null), current, [], opened([]))[1]).toBeNull()
  })

  it('compares radiographs whatever took them, and no other part of the body', () => {
    const chest = { ...STUDY, modalities_in_study: ['DX'], body_part_examined: 'CHEST' }
    expect(isComparable(chest, prior(2, { modalities_in_study: ['CR'], body_part_examined: null }))).toBe(true)
    expect(isComparable(chest, prior(2, { modalities_in_study: ['CR'], body_part_examined: 'HAND' }))).toBe(false)
  })
})

describe('which protocol wins', () => {
  const facts = studyFacts(STUDY, [series({ number: 1, label: 'Axial', plane: 'TRANSVERSE', code: 'CTHEAD' })], [prior(2)])

  it('is for a study of which all that it asks is so', () => {
    const asks: [Partial<Definition>, boolean][] = [
      [{ modality: 'CT' }, true],
      [{ modality: 'MR' }, false],
      [{ body_part_examined: 'BRAIN' }, true],
      [{ body_part_examined: 'CHEST' }, false],
      [{ procedure: 'without HEAD' }, true],
      [{ procedure: 'with contrast' }, false],
      [{ procedure_code: 'cthead' }, true],
      [{ procedure_code: 'CTCHEST' }, false],
      [{ number_of_priors_referenced: 1 }, true],
      [{ number_of_priors_referenced: 2 }, false],
      [{ modality: 'CT', view_position: 'CC' }, false],
      [{ laterality: 'L' }, false],
    ]
    for (const [asked, wanted] of asks) expect(fits(definition(asked), facts), JSON.stringify(asked)).toBe(wanted)
  })

  it("is one's own before the site's before everybody's, and then the one that asks most", () => {
    const everybodys = protocol({ hanging_protocol_level: 'SITE', hanging_protocol_definition: definition({ modality: 'CT', procedure_code: 'CTHEAD' }) })
    const sites = protocol({ hanging_protocol_level: 'SITE', site_pk: 1, site_code: 'EAST' })
    const own = protocol({})
    const closer = protocol({ hanging_protocol_definition: definition({ modality: 'CT', body_part_examined: 'HEAD' }) })
    const chest = protocol({ hanging_protocol_definition: definition({ body_part_examined: 'CHEST' }) })
    expect(ranked([everybodys, sites, own, chest, closer], facts)).toEqual([closer, own, sites, everybodys])
    expect(ranked([sites, everybodys], { ...facts, siteCode: 'WEST' })).toEqual([everybodys])
  })

  it('never depends on the order in which the server lists them, and always keeps its promises', () => {
    for (let seed = 1; seed <= 150; seed++) {
      const { next, one, maybe } = chances(seed)
      const all = Array.from({ length: 1 + Math.floor(next() * 8) }, () => {
        const level = one(['SINGLE_USER', 'SITE'] as const)
        const site_pk = level === 'SITE' ? one([null, 1, 2]) : null
        return protocol({
          hanging_protocol_level: level,
          site_pk,
          site_code: site_pk === null ? null : `S${site_pk}`,
          updated_at: `2026-11-2${one([1, 2, 3])}T03:00:00Z`,
          hanging_protocol_definition: definition({
            modality: maybe(one(['CT', 'MR'])),
            body_part_examined: maybe(one(['HEAD', 'CHEST'])),
            procedure: maybe(one(['head', 'contrast head', 'spine'])),
            procedure_code: maybe(one(['CTHEAD', 'X'])),
            number_of_priors_referenced: one([0, 1, 2]),
          }),
        })
      })
      const order = ranked(all, facts)
      const shuffled = [...all].map((each) => ({ each, at: next() })).sort((a, b) => a.at - b.at).map(({ each }) => each)
      expect(ranked(shuffled, facts)).toEqual(order)
      expect(new Set(order)).toEqual(new Set(all.filter((each) => fits(each.hanging_protocol_definition, facts))))
      order.slice(1).forEach((later, at) => {
        const sooner = order[at] as Protocol
        expect(owner(sooner)).toBeLessThanOrEqual(owner(later))
        if (owner(sooner) === owner(later)) expect(specificity(sooner.hanging_protocol_definition)).toBeGreaterThanOrEqual(specificity(later.hanging_protocol_definition))
      })
    }
  })

  it('counts each kind of condition above all that come after it', () => {
    const kinds: Partial<Definition>[] = [{ procedure_code: 'A' }, { procedure: 'b' }, { body_part_examined: 'HEAD' }, { laterality: 'L' }, { view_position: 'CC' }, { modality: 'CT' }, { number_of_priors_referenced: 4 }]
    kinds.forEach((kind, at) => {
      const rest = definition(Object.assign({}, ...kinds.slice(at + 1)) as Partial<Definition>)
      expect(specificity(definition(kind))).toBeGreaterThan(specificity(rest))
    })
  })
})

describe('rules made of a layout', () => {
  it('are short: words only where geometry tells nothing apart', () => {
    const t1 = series({ number: 1, label: 'AX T1', modality: 'MR', plane: 'TRANSVERSE' })
    const t2 = series({ number: 2, label: 'AX T2 FS', modality: 'MR', plane: 'TRANSVERSE' })
    const sag = series({ number: 3, label: 'SAG T2', modality: 'MR', plane: 'SAGITTAL' })
    const all = [t1, t2, sag]
    expect(selectorFor(sag, all)).toEqual(selector({ modality: 'MR', plane: 'SAGITTAL' }))
    expect(selectorFor(t2, all)).toEqual(selector({ modality: 'MR', plane: 'TRANSVERSE', series_description: 't2' }))
    const left = series({ number: 4, label: 'L CC', modality: 'MG', side: 'L', view: 'CC' })
    expect(selectorFor(left, [left])).toEqual(selector({ modality: 'MG', image_laterality: 'L', view_position: 'CC' }))
  })

  it('find each series of any study again, and find none but it', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const { next, one, maybe } = chances(seed * 7)
      const study = inReadingOrder(
        Array.from({ length: 1 + Math.floor(next() * 9) }, (_, at) =>
          series({
            number: at + 1,
            label: [one(['AX', 'SAG', 'Head']), maybe('T1'), maybe('T2'), maybe('FS'), maybe('post')].filter(Boolean).join(' '),
            modality: one(['CT', 'MR']),
            plane: maybe(one(['TRANSVERSE', 'SAGITTAL', 'CORONAL', 'OBLIQUE'] as const)),
            side: maybe(one(['L', 'R'])),
            view: maybe(one(['CC', 'MLO'])),
            thickness: maybe(one([1, 3, 5])),
            contrast: maybe('Iohexol'),
            kernel: maybe(one(['H30s', 'H60s'])),
            sequence: maybe(one([['SE'], ['SE', 'IR'], ['GR']])),
            localizer: next() < 0.15,
          }),
        ),
      )
      for (const stack of study) {
        const rule = selectorFor(stack, study)
        expect(finds(rule, factsOf(stack)), `${seed} ${selectorWords(rule)}`).toBe(true)
        expect(find(rule, study)?.key, `${seed} ${selectorWords(rule)}`).toBe(stack.key)
      }
      const kept = stage(...study.slice(0, 3).map((stack) => boxFor({ study: STUDY, stack, among: study, seen: box() }, STUDY, [])))
      const again = arrange(kept, { study: STUDY, stacks: study, loading: false }, [], () => null)
      expect(again.map((placed) => (placed && 'stack' in placed ? placed.stack.key : null))).toEqual(study.slice(0, 3).map((stack) => stack.key))
    }
  })

  it('name a prior by its place among the comparable ones, and ask for as many', () => {
    const stack = series({ number: 1, label: 'Axial', plane: 'TRANSVERSE' })
    const priors = [prior(2, { modalities_in_study: ['US'] }), prior(3), prior(4)]
    const second = boxFor({ study: prior(4), stack, among: [stack], seen: box() }, STUDY, priors)
    expect(second?.abstract_prior_value).toBe(2)
    expect(boxFor({ study: prior(2), stack, among: [stack], seen: box() }, STUDY, priors)).toBeNull()
    const facts = studyFacts(STUDY, [stack], priors)
    expect(definitionFor(STUDY, facts, [stage(box({ selector: selectorFor(stack, [stack]) }), second)])).toEqual({ modality: 'CT', body_part_examined: 'HEAD', number_of_priors_referenced: 2 })
  })

  it('can be read', () => {
    expect(boxWords(box({ abstract_prior_value: 2, selector: selector({ modality: 'MG', image_laterality: 'L', view_position: 'CC' }) }))).toBe('Prior 2: MG · LEFT · CC')
    expect(selectorWords(selector())).toBe('any series')
    expect(selectorWords(selector({ slice_thickness_min: 2, slice_thickness_max: 4, occurrence: 2 }))).toBe('slices from 2 to 4 mm · number 2 of these')
    expect(definitionWords(definition({ modality: 'CT', body_part_examined: 'HEAD', number_of_priors_referenced: 1 }))).toBe('CT · HEAD · 1 prior or more')
  })
})
