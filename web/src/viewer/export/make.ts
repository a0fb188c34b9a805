import { http, request, type Answer, type Sent } from '@/lib/api'
import type { DicomJson } from '../dicom'
import type { Engine, StackViewport } from '../engine'
import type { Shown as Laid } from '../overlays/useOverlays'
import type { Stack } from '../stacks'
import type { ViewerStudy } from '../study'
import { framed } from './framed'
import { fileName, identityOf, namesNobody, type Identity } from './identity'
import { Offstage, type Size, type Taken } from './offstage'
import { Video } from './video'
import { Zip } from './zip'

export type Form = Sent<'/api/exports/pictures', 'post'>['form']
export type Scope = Sent<'/api/exports/pictures', 'post'>['scopes'][number]
export type Estimate = Answer<'/api/exports/dicom/estimate', 'post'>

/** A picture that was asked for. */
export interface Pick {
  study: ViewerStudy
  stack: Stack
  index: number
  /** The pane whose look it takes; `shows`: whether that pane shows this stack. */
  like: { viewport: StackViewport; shows: boolean }
}

export interface Wanted {
  identified: boolean
  size: Size
  measurements: boolean
  overlays: boolean
  /** Segmentations and structures that are shown over the pictures. */
  laid: readonly Laid[]
  graphics: DicomJson | null
}

export interface Progress {
  done: number
  of: number
}

type Told = (progress: Progress) => void

export function scopesOf(picks: readonly Pick[]): Scope[] {
  const scopes = new Map<string, Scope & { sop_instance_uids: string[] }>()
  for (const { study, stack, index } of picks) {
    const frame = stack.frames[index]
    if (!frame) continue
    const scope = scopes.get(frame.seriesInstanceUid) ?? {
      study_instance_uid: study.study_instance_uid,
      series_instance_uid: frame.seriesInstanceUid,
      sop_instance_uids: [],
    }
    if (!scope.sop_instance_uids.includes(frame.sopInstanceUid)) scope.sop_instance_uids.push(frame.sopInstanceUid)
    scopes.set(frame.seriesInstanceUid, scope)
  }
  return [...scopes.values()]
}

/** The server's record, without which nothing is made: it says no to who may not, and to pictures that may name the patient. */
export async function recordPictures(picks: readonly Pick[], form: Form, identified: boolean, burnedInAccepted: boolean, signal: AbortSignal): Promise<void> {
  const body: Sent<'/api/exports/pictures', 'post'> = {
    form,
    identified,
    scopes: scopesOf(picks),
    number_of_pictures: picks.length,
    burned_in_accepted: burnedInAccepted,
  }
  await http.post('/api/exports/pictures', body, { signal })
}

/** Draws one picture after the other, at full quality, in their order. */
export async function* taken(engine: Engine, picks: readonly Pick[], wanted: Wanted, signal: AbortSignal): AsyncGenerator<{ pick: Pick; taken: Taken; identity: Identity }> {
  let stage: { pick: Pick; offstage: Offstage } | null = null
  try {
    for (const pick of picks) {
      signal.throwIfAborted()
      const metadata = pick.stack.frames[pick.index]?.metadata ?? {}
      const identity = identityOf(metadata)
      if (!stage || stage.pick.stack !== pick.stack || stage.pick.like.viewport !== pick.like.viewport) {
        stage?.offstage.end()
        stage = {
          pick,
          offstage: new Offstage(engine, pick.stack, pick.like, {
            size: wanted.size,
            measurements: wanted.measurements,
            overlays: wanted.overlays && wanted.identified,
            laid: wanted.laid,
            graphics: wanted.graphics,
            mayShow: (words) => wanted.identified || namesNobody(words, identity),
          }),
        }
      }
      yield { pick, taken: await stage.offstage.take(pick.index), identity }
    }
  } finally {
    stage?.offstage.end()
  }
}

function notesOf(one: Taken, wanted: Wanted, lossy: boolean): string[] {
  return [
    lossy ? 'Lossy picture: not for diagnosis' : null,
    one.reduced < 1 ? `Reduced to ${Math.round(one.reduced * 100)} %: the image is larger than can be drawn` : null,
    one.leftOut ? 'Text that named the patient was left out' : null,
    wanted.measurements ? null : 'Measurements not shown',
    wanted.laid.length ? 'Segmentations or structures laid over the image' : null,
  ].filter((note): note is string => note !== null)
}

export function withMargins(pick: Pick, one: Taken, identity: Identity, wanted: Wanted, lossy: boolean): HTMLCanvasElement {
  return framed(one, { identity: wanted.identified ? identity : null, stack: pick.stack, notes: notesOf(one, wanted, lossy) })
}

export interface File {
  name: string
  content: Blob
}

const ENDING = { png: 'png', jpeg: 'jpg' } as const

function blobOf(canvas: HTMLCanvasElement, form: 'png' | 'jpeg'): Promise<Blob> {
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('The picture could not be packed: it may be too large for this device.'))), `image/${form}`, form === 'jpeg' ? 0.95 : undefined),
  )
}

function whatOf({ stack, index }: Pick, alone: boolean): (string | number | null)[] {
  const series = stack.seriesNumber === null ? null : `series-${stack.seriesNumber}`
  return [stack.modality, series, ...(alone ? [`image-${String(index + 1).padStart(4, '0')}`] : [])]
}

/** One picture as a file of its own, several as a ZIP. */
export async function makePictures(engine: Engine, picks: readonly Pick[], form: 'png' | 'jpeg', wanted: Wanted, signal: AbortSignal, told: Told): Promise<File> {
  const zip = new Zip()
  let last: File | null = null
  let done = 0
  for await (const { pick, taken: one, identity } of taken(engine, picks, wanted, signal)) {
    const content = await blobOf(withMargins(pick, one, identity, wanted, form === 'jpeg'), form)
    const who = wanted.identified ? identity : null
    last = { name: `${fileName(who, whatOf(pick, true))}.${ENDING[form]}`, content }
    if (picks.length > 1) {
      await zip.add(`${String(done + 1).padStart(4, '0')}_${last.name}`, content)
      last = { name: `${fileName(who, [...whatOf(pick, false), 'pictures'])}.zip`, content: new Blob() }
    }
    told({ done: ++done, of: picks.length })
  }
  if (!last) throw new Error('There is nothing to export.')
  return picks.length > 1 ? { ...last, content: zip.end() } : last
}

/** The pictures as a video (MP4, H.264), `rate` a second. */
export async function makeVideo(engine: Engine, picks: readonly Pick[], rate: number, wanted: Wanted, signal: AbortSignal, told: Told): Promise<File> {
  const video = new Video(rate)
  let name = 'video.mp4'
  let done = 0
  try {
    for await (const { pick, taken: one, identity } of taken(engine, picks, wanted, signal)) {
      await video.add(withMargins(pick, one, identity, wanted, true))
      name = `${fileName(wanted.identified ? identity : null, whatOf(pick, false))}.mp4`
      told({ done: ++done, of: picks.length })
    }
    return { name, content: await video.end() }
  } finally {
    video.stop()
  }
}

export interface FileSetWanted {
  scopes: Scope[]
  identified: boolean
  uncompressed: boolean
  burnedInAccepted: boolean
}

function bodyOf(wanted: FileSetWanted): Sent<'/api/exports/dicom', 'post'> {
  return { scopes: wanted.scopes, identified: wanted.identified, uncompressed: wanted.uncompressed, burned_in_accepted: wanted.burnedInAccepted }
}

export function estimateOf(wanted: FileSetWanted, signal?: AbortSignal): Promise<Estimate> {
  return http.post<Estimate>('/api/exports/dicom/estimate', bodyOf(wanted), { signal })
}

const PACKED_BYTES = 16 << 20

/** The file-set as the server makes it; `told` in bytes, which the browser lays on its disk and not in the page's memory. */
export async function fetchFileSet(wanted: FileSetWanted, identity: Identity, expected: number, signal: AbortSignal, told: Told): Promise<File> {
  const response = await request('POST', '/api/exports/dicom', { body: bodyOf(wanted), signal, headers: { Accept: 'application/zip' } })
  const reader = response.body?.getReader()
  const packed: Blob[] = []
  let [waiting, size, done]: [BlobPart[], number, number] = [[], 0, 0]
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    waiting.push(next.value)
    size += next.value.length
    done += next.value.length
    told({ done, of: Math.max(expected, done) })
    if (size < PACKED_BYTES) continue
    packed.push(new Blob(waiting))
    ;[waiting, size] = [[], 0]
  }
  const content = new Blob([...packed, ...waiting], { type: 'application/zip' })
  return { name: `${fileName(wanted.identified ? identity : null, ['DICOM'])}.zip`, content }
}
