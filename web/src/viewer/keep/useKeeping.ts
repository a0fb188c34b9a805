import { useQueryClient } from '@tanstack/react-query'
import { useBlocker } from '@tanstack/react-router'
import { useEffect, useMemo, useRef, useState } from 'react'
import { http } from '@/lib/api'
import { insertText } from '@/lib/insertion'
import { toast, toastProblem } from '@/ui'
import type { Engine } from '../engine'
import type { Measurement } from '../measure/measurements'
import type { PaneId } from '../layout'
import { windowOf } from '../presets'
import { functionOf } from '../pixels/loader'
import type { Frame, Stack } from '../stacks'
import { TOOL_LABEL } from '../toolLabels'
import { viewOf } from '../view'
import { drawingOf, measurementsFor, signature, type Findings } from './findings'
import { lookFrom } from './presentation'
import { keyPictures, measured, type KeptDocument } from './structured'

const MOST_IMAGES = 2000

export interface KeepingProps {
  studyPk: number
  studyInstanceUid: string
  mayKeep: boolean
  engine: Engine | null
  drawn: { ready: boolean; list: readonly Measurement[]; restore: (all: never[]) => void }
  stacks: readonly Stack[]
  documents: readonly KeptDocument[]
  /** Whether all that the study holds has been looked through. */
  complete: boolean
  marked: readonly { sop_instance_uid: string; frame_number: number }[]
  /** Panes that show the study that is read. */
  panes: readonly { id: PaneId; stack: Stack }[]
}

/** Keeps what is drawn, set and marked in the archive, brings back what was kept, and lets no work go unasked. */
export function useKeeping({ studyPk, studyInstanceUid, mayKeep, engine, drawn, stacks, documents, complete, marked, panes }: KeepingProps) {
  const client = useQueryClient()
  const [kept, setKept] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const frames = useMemo(() => {
    const byImage = new Map<string, Frame>()
    const byUid = new Map<string, Frame>()
    for (const frame of stacks.flatMap((stack) => stack.frames)) {
      byImage.set(frame.imageId, frame)
      byUid.set(`${frame.sopInstanceUid}/${frame.frameNumber}`, frame)
    }
    return { byImage, byUid }
  }, [stacks])

  const restore = (from: readonly KeptDocument[]): number => {
    const seen = new Set<string>()
    const found = from
      .flatMap((one) => measured(one.instance))
      .filter((one) => !one.trackingUid || (!seen.has(one.trackingUid) && seen.add(one.trackingUid)))
      .map((one) => {
        const frame = frames.byUid.get(`${one.sopInstanceUid}/${one.frameNumber}`)
        return frame ? drawingOf(one, frame) : null
      })
      .filter((one) => one !== null)
    drawn.restore(found as never[])
    return found.length
  }

  // What was kept here comes back by itself: the newest of each reader, for it holds what stood in those before.
  const restored = useRef(false)
  useEffect(() => {
    if (restored.current || !complete || !drawn.ready) return
    restored.current = true
    const authors = new Set<string>()
    const newest = documents.filter((one) => {
      const name = one.author ?? ''
      if (one.kind !== 'measurements' || !isOurs(one) || authors.has(name)) return false
      authors.add(name)
      return true
    })
    restore(newest)
    setKept(signature())
    // Once, when everything is there.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [complete, drawn.ready, documents])

  // The list is a new one whenever something was drawn, moved or removed.
  const now = useMemo(() => (drawn.list.length >= 0 ? signature() : ''), [drawn.list])
  const unsaved = mayKeep && now !== (kept ?? '') && (drawn.list.length > 0 || (kept ?? '') !== '')

  const findings = (): Findings => ({
    measurements: measurementsFor((imageId) => frames.byImage.get(imageId) ?? null),
    presentations: engine ? panes.flatMap(({ id, stack }) => presentationOf(engine, id, stack) ?? []) : [],
    key_images: keyImages(marked, documents),
  })

  /** Whether it was kept; what went wrong is told. */
  const keep = async (leaving = false): Promise<boolean> => {
    const what = findings()
    const at = signature()
    if (!what.measurements?.length && !what.presentations?.length && !what.key_images?.length) return true
    setBusy(true)
    try {
      await http.post(`/api/archive/studies/${studyPk}/findings`, what)
      setKept(at)
      const series = ['dicomweb', studyInstanceUid, 'series']
      // Who comes back must not meet the study as it was before.
      if (leaving) client.removeQueries({ queryKey: series })
      else void client.invalidateQueries({ queryKey: series })
      const count = what.measurements?.length ?? 0
      toast(`Kept in the archive: ${[count ? `${count} measurement${count === 1 ? '' : 's'}` : null, what.presentations?.length ? 'the presentation' : null, what.key_images?.length ? 'the key images' : null].filter(Boolean).join(', ')}.`)
      return true
    } catch (error) {
      toastProblem(error, 'The measurements were not kept')
      return false
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
    const words = drawn.list.filter((one) => one.words.length).map((one) => sentence(one, stacks))
    if (!words.length) {
      toast('There are no measurements to put into the report.')
      return
    }
    const place = insertText(words.join('\n'), 'findings')
    toast(place ? `Put into the report: ${words.length} measurement${words.length === 1 ? '' : 's'}.` : 'No report is open to put the measurements into.')
  }

  return { unsaved, busy, keep, restore, insert, blocker, restoredOnce: kept !== null }
}

function isOurs(one: KeptDocument): boolean {
  return one.instance['00080070']?.Value?.[0] === 'Wetread'
}

/** What stands in a report of a measurement: `Length 12.3 mm (Axial, image 14)`. */
export function sentence(one: Measurement, stacks: readonly Stack[]): string {
  const stack = stacks.find((candidate) => candidate.frames.some((frame) => frame.imageId === one.imageId))
  const at = stack?.frames.findIndex((frame) => frame.imageId === one.imageId) ?? -1
  const series = stack ? (stack.seriesNumber === null ? stack.label : `series ${stack.seriesNumber}`) : null
  const where = stack ? ` (${[series, stack.length > 1 ? `image ${at + 1}` : null].filter(Boolean).join(', ')})` : ''
  return `${TOOL_LABEL[one.tool]}: ${one.words.join(', ')}${where}`
}

function keyImages(marked: KeepingProps['marked'], documents: readonly KeptDocument[]) {
  const newest = documents.find((one) => one.kind === 'key-images' && isOurs(one))
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
  const { voiRange, invert } = viewport.getProperties()
  const window = view.table || !voiRange ? null : windowOf(voiRange, functionOf(frame.metadata))
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
