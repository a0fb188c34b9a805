import { useQueryClient } from '@tanstack/react-query'
import { useBlocker } from '@tanstack/react-router'
import { useEffect, useMemo, useState } from 'react'
import { http, type Answer } from '@/lib/api'
import { insertText } from '@/lib/insertion'
import { toast, toastProblem } from '@/ui'
import type { Engine } from '../engine'
import type { Measurement } from '../measure/measurements'
import { shapeOf } from '../measure/measurements'
import type { PaneId } from '../layout'
import { forgetOpening } from '../openings'
import { storedWindow } from '../pixels/storedWindow'
import type { Frame, Stack } from '../stacks'
import { isDifference, sourceOf } from '../subtract/pictures'
import { TOOL_LABEL } from '../toolLabels'
import { viewOf } from '../view'
import { drawingOf, measurementsFor, signatureOf, type Findings } from './findings'
import { lookFrom } from './presentation'
import { keyPictures, measured, standing, type KeptDocument } from './structured'

const MOST_IMAGES = 2000
/** Comprehensive SR, and Comprehensive 3D SR, which has places in the patient. */
const REPORTS = new Set(['1.2.840.10008.5.1.4.1.1.88.33', '1.2.840.10008.5.1.4.1.1.88.34'])
type KeptNow = Answer<'/api/archive/studies/{study_pk}/findings', 'post'>

/** A study of which pictures can be drawn on. */
export interface OnScreen {
  studyPk: number
  studyInstanceUid: string
  /** `PRIOR · 14 months`; null for the study that is read. */
  prior: string | null
  stacks: readonly Stack[]
  documents: readonly KeptDocument[]
  /** Whether all that the study holds has been looked through. */
  complete: boolean
  /** Its key images; null: they are not this viewer's to mark. */
  marked: readonly { sop_instance_uid: string; frame_number: number }[] | null
  /** Panes that show it. */
  panes: readonly { id: PaneId; stack: Stack }[]
}

export interface KeepingProps {
  mayKeep: boolean
  engine: Engine | null
  drawn: { ready: boolean; list: readonly Measurement[]; restore: (all: never[]) => void; settled: () => Promise<boolean> }
  /** The study that is read first. */
  studies: readonly OnScreen[]
}

/** What the archive holds of a study's measurements, as far as this viewer knows. */
interface Base {
  /** See `signatureOf`. */
  signature: string
  /** The reports that say so. */
  documents: readonly string[]
}
const NOTHING: Base = { signature: '', documents: [] }

interface Known {
  study: OnScreen
  byImage: ReadonlyMap<string, Frame>
  byUid: ReadonlyMap<string, Frame>
}

/** The studies that were on the screen: what was drawn on a prior stays drawn when another one takes its place. */
class Seen {
  private readonly all = new Map<number, Known>()

  see(studies: readonly OnScreen[]): readonly Known[] {
    for (const study of studies) {
      const before = this.all.get(study.studyPk)
      const frames = before?.study.stacks === study.stacks ? null : study.stacks.flatMap((stack) => stack.frames)
      const byImage = frames ? new Map(frames.map((frame) => [frame.imageId, frame])) : before?.byImage
      const byUid = frames ? new Map(frames.map((frame) => [`${frame.sopInstanceUid}/${frame.frameNumber}`, frame])) : before?.byUid
      this.all.set(study.studyPk, { study, byImage: byImage ?? new Map(), byUid: byUid ?? new Map() })
    }
    return [...this.all.values()]
  }
}

/** Keeps what is drawn, set and marked in the archive, brings back what was kept, and lets no work go unasked. */
export function useKeeping({ mayKeep, engine, drawn, studies }: KeepingProps) {
  const client = useQueryClient()
  const [bases, setBases] = useState<ReadonlyMap<number, Base>>(new Map())
  const [busy, setBusy] = useState(false)
  const [seen] = useState(() => new Seen())
  const known = seen.see(studies)
  const main = studies[0]

  const drawAgain = (of: Known, from: readonly KeptDocument[]) => {
    const found = new Map<string, NonNullable<ReturnType<typeof drawingOf>>>()
    for (const kept of from.flatMap((one) => measured(one.instance))) {
      const frame = of.byUid.get(`${kept.sopInstanceUid}/${kept.frameNumber}`)
      const drawing = frame ? drawingOf(kept, frame) : null
      // The newest report comes first.
      if (drawing?.annotationUID && !found.has(drawing.annotationUID)) found.set(drawing.annotationUID, drawing)
    }
    drawn.restore([...found.values()] as never[])
    return [...found.values()]
  }

  const restore = (from: readonly KeptDocument[]): number => {
    const of = known.find((one) => one.study.studyPk === main?.studyPk)
    return of ? drawAgain(of, from).length : 0
  }

  // What was kept here comes back by itself, once a study, when everything of it is there.
  const ready = studies.filter((study) => study.complete && drawn.ready && !bases.has(study.studyPk))
  const readyKey = ready.map((study) => study.studyPk).join()
  useEffect(() => {
    for (const study of ready) {
      const of = known.find((one) => one.study.studyPk === study.studyPk)
      const reports = standing(study.documents).filter((one) => one.kind === 'measurements')
      const drawings = of ? drawAgain(of, reports) : []
      // What was drawn before it came is not kept yet.
      const signature = drawings.map(shapeOf).sort().join('\n')
      setBases((before) => new Map(before).set(study.studyPk, { signature, documents: reports.map((one) => one.sopInstanceUid) }))
    }
    // Once a study.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [readyKey])

  // The list is a new one whenever something was drawn, moved or removed.
  const changed = useMemo(
    () => (drawn.list.length >= 0 ? known.filter((one) => signatureOf((imageId) => one.byImage.has(imageId)) !== (bases.get(one.study.studyPk) ?? NOTHING).signature) : []),
    // `known` holds the same studies for as long as `studies` does.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [drawn.list, bases, studies.map((one) => `${one.studyPk}:${one.stacks.length}`).join()],
  )
  const unsaved = mayKeep && changed.length > 0

  /** Posts what is of one study; whether it was kept, or there was nothing to keep. */
  const post = async (of: Known, leaving: boolean): Promise<{ kept: boolean; said: string[] }> => {
    const { studyPk, studyInstanceUid, prior, marked, documents, panes } = of.study
    const base = bases.get(studyPk) ?? NOTHING
    const { found, shapes, left } = measurementsFor((imageId) => of.byImage.get(imageId) ?? null)
    // Reports that were read but are of nothing that is drawn any more are said to hold no longer.
    const supersedes = found.length || base.signature ? base.documents : []
    const what: Findings = {
      measurements: found,
      presentations: engine ? panes.flatMap(({ id, stack }) => presentationOf(engine, id, stack) ?? []) : [],
      key_images: marked ? keyImages(marked, documents) : [],
      supersedes: [...supersedes],
    }
    if (left) toast(`Not kept yet: ${count(left, 'measurement')} whose picture has to be shown first, in full quality.`)
    if (!found.length && !supersedes.length && !what.presentations?.length && !what.key_images?.length) return { kept: left === 0, said: [] }
    try {
      const answer = await http.post<KeptNow>(`/api/archive/studies/${studyPk}/findings`, what)
      const reports = answer.documents.filter((one) => REPORTS.has(one.sop_class_uid)).map((one) => one.sop_instance_uid)
      setBases((before) => new Map(before).set(studyPk, { signature: shapes.sort().join('\n'), documents: reports.length ? reports : base.documents }))
      const series = ['dicomweb', studyInstanceUid, 'series']
      // Who comes back must not meet the study as it was before.
      forgetOpening(studyInstanceUid)
      if (leaving) client.removeQueries({ queryKey: series })
      else void client.invalidateQueries({ queryKey: series })
      const on = prior ? ` on ${nameOf(prior)}` : ''
      const measurements = found.length ? count(found.length, 'measurement') + on : supersedes.length ? `that no measurements stand${on}` : null
      return { kept: left === 0, said: [measurements, what.presentations?.length && !prior ? 'the presentation' : null, what.key_images?.length ? 'the key images' : null].filter((one) => one !== null) }
    } catch (error) {
      toastProblem(error, prior ? `The measurements on ${nameOf(prior)} were not kept` : 'The measurements were not kept')
      return { kept: false, said: [] }
    }
  }

  /** Whether all of it was kept; what went wrong is told. */
  const keep = async (leaving = false): Promise<boolean> => {
    setBusy(true)
    try {
      // The last moves of the hand may not be drawn yet.
      await drawn.settled()
      const now = known.filter((one) => (!leaving && one.study.studyPk === main?.studyPk) || signatureOf((imageId) => one.byImage.has(imageId)) !== (bases.get(one.study.studyPk) ?? NOTHING).signature)
      const done = []
      for (const one of now) done.push(await post(one, leaving))
      const said = done.flatMap((one) => one.said)
      if (said.length) toast(`Kept in the archive: ${said.join(', ')}.`)
      const differences = drawn.list.filter((one) => isDifference(one.imageId)).length
      if (differences && !leaving) toast(`Not kept: ${count(differences, 'measurement')} on subtracted images, which are not stored. They can go into the report.`)
      return done.every((one) => one.kept)
    } finally {
      setBusy(false)
    }
  }

  const blocker = useBlocker({
    // Leaving keeps the work; only where that fails a person is asked.
    shouldBlockFn: async () => unsaved && !(await keep(true)),
    enableBeforeUnload: () => unsaved,
    withResolver: true,
  })

  const insert = () => {
    const told = drawn.list.filter((one) => one.words.length)
    // What a hand still moves, or what waits for all of its picture, is no finding yet.
    const words = told.filter((one) => !one.drawing).map((one) => sentence(one, studies))
    const left = told.length - words.length
    if (left) toast(`Left out: ${count(left, 'measurement')} whose numbers are not worked out yet.`)
    if (!words.length) {
      if (!left) toast('There are no measurements to put into the report.')
      return
    }
    const place = insertText(words.join('\n'), 'findings')
    toast(place ? `Put into the report: ${words.length} measurement${words.length === 1 ? '' : 's'}.` : 'No report is open to put the measurements into.')
  }

  return { unsaved, busy, keep, restore, insert, blocker, unkept: changed.map((one) => one.study.prior) }
}

/** `PRIOR · 14 months` in a sentence. */
function nameOf(prior: string): string {
  return prior.replace(/^PRIOR(?: · (.*))?$/, (_, age?: string) => (age ? `the prior (${age})` : 'the prior')).replace(/^LATER(?: · (.*))?$/, (_, age?: string) => (age ? `the later study (${age})` : 'the later study'))
}

function count(how: number, of: string): string {
  return `${how} ${of}${how === 1 ? '' : 's'}`
}

/** What stands in a report of a measurement: `Length 12.3 mm (Axial, image 14)`. */
export function sentence(one: Measurement, studies: readonly Pick<OnScreen, 'prior' | 'stacks'>[]): string {
  const study = studies.find((candidate) => candidate.stacks.some((stack) => holds(stack, one)))
  const stack = study?.stacks.find((candidate) => holds(candidate, one))
  const at = stack?.frames.findIndex((frame) => frame.imageId === sourceOf(one.imageId ?? '')) ?? -1
  const series = stack ? (stack.seriesNumber === null ? stack.label : `series ${stack.seriesNumber}`) : null
  const prior = study?.prior ? nameOf(study.prior) : null
  const where = stack ? ` (${[prior, series, isDifference(one.imageId) ? 'subtracted' : null, one.plane ? `on a plane near image ${at + 1}` : stack.length > 1 ? `image ${at + 1}` : null].filter(Boolean).join(', ')})` : ''
  return `${TOOL_LABEL[one.tool]}: ${one.words.join(', ')}${where}`
}

function holds(stack: Stack, one: Measurement): boolean {
  return stack.frames.some((frame) => frame.imageId === sourceOf(one.imageId ?? ''))
}

function keyImages(marked: NonNullable<OnScreen['marked']>, documents: readonly KeptDocument[]) {
  const newest = documents.find((one) => one.kind === 'key-images' && one.ours)
  const key = (uid: string, frame: number) => `${uid}/${frame}`
  const before = new Set((newest ? keyPictures(newest.instance) : []).map((one) => key(one.sopInstanceUid, one.frameNumber)))
  const same = marked.length === before.size && marked.every((one) => before.has(key(one.sop_instance_uid, one.frame_number)))
  return same ? [] : marked.map((one) => ({ sop_instance_uid: one.sop_instance_uid, frame_number: one.frame_number }))
}

function presentationOf(engine: Engine, id: PaneId, stack: Stack): NonNullable<Findings['presentations']> | null {
  const viewport = engine.viewport(id)
  const imageId = engine.imageOn(id)
  const view = viewport && imageId ? viewOf(viewport, stack, imageId, viewport.element) : null
  const frame = view ? stack.frames[view.index] : undefined
  if (!viewport || !view?.toPane || !frame?.grey) return null
  // What a state says of values is said of those that were stored.
  if (frame.subtracted) return null
  const { voiRange, invert } = viewport.getProperties()
  const window = view.table || !voiRange ? null : storedWindow(frame.metadata, voiRange)
  const { area, rotation, flipped } = lookFrom(view.toPane, viewport.element.clientWidth, viewport.element.clientHeight)
  if (!area) return null
  const [vertical, horizontal] = [frame.plane?.betweenRows, frame.plane?.betweenColumns]
  return [
    {
      images: stack.frames.slice(0, MOST_IMAGES).map((one) => ({ sop_instance_uid: one.sopInstanceUid, frame_number: one.frameNumber })),
      area,
      window: window ? [window.center, Math.max(1, window.width)] : null,
      rotation,
      flipped,
      inverted: invert === true,
      spacing: vertical && horizontal ? [vertical, horizontal] : null,
    },
  ]
}
