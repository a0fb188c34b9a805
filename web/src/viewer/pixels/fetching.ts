import { request, withQuery } from '@/lib/api/http'
import { ApiProblem } from '@/lib/problem'
import { Beginnings, beginningsIn, goesOn, type Beginning } from './beginnings'
import { Link, type Pace } from './link'

/** HTJ2K where the archive has made it, else the pixels as they are stored. */
const ACCEPT = 'image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202, application/octet-stream; transfer-syntax=*'
const JPHC = 'image/jphc'
/** A picture whose rest takes longer makes way for the one that is looked at. */
const IN_THE_WAY_SECONDS = 0.3
/** Of what compression makes of pixels, until something has come. */
const PART_AT_FIRST = 0.4
const COARSE_PART_AT_FIRST = 0.08

/** The bytes of a picture, and in which form they are. */
export interface Bytes {
  bytes: Uint8Array
  contentType: string
  /** They came in two parts. */
  joined: boolean
}

interface Running {
  controller: AbortController
  /** How many bytes are still to come. */
  left: number
}

/** A place on this server, of an image id. */
function pathOf(imageId: string): string {
  return new URL(imageId.slice('wadors:'.length)).pathname
}

export function isAborted(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

/** Why a picture did not come, in words. */
function inWords(error: unknown): unknown {
  if (!(error instanceof ApiProblem)) return error
  return new Error(error.status ? `The server answered ${error.status}, not the picture.` : 'The server could not be reached for the picture.')
}

/** Fetches the bytes of pictures: the beginnings of many at once, the rest of each, or all of it; nothing twice. */
export class Fetching {
  private readonly link = new Link()
  private readonly beginnings: Beginnings
  /** Of these the archive has no beginning that is a picture. */
  private readonly without = new Set<string>()
  private readonly running = new Map<string, Running>()
  private readonly waiting = new Set<(imageIds: ReadonlySet<string>) => void>()
  private part = PART_AT_FIRST
  private coarsePart = COARSE_PART_AT_FIRST

  constructor(
    private readonly now: () => number = () => performance.now(),
    most?: number,
  ) {
    this.beginnings = new Beginnings(most)
  }

  get pace(): Pace | null {
    return this.link.pace()
  }

  /** Other answers of the archive tell of the way too. */
  note(asked: number, begun: number, ended: number, bytes: number): void {
    this.link.note({ asked, begun, ended, bytes })
  }

  /** Keeps no more bytes of beginnings than this. */
  limit(bytes: number): void {
    this.beginnings.limit(bytes)
  }

  /** No more beginnings can be kept. */
  get full(): boolean {
    return this.beginnings.full
  }

  /** How many bytes a picture of so many bytes of pixels is, as others were. */
  bytesOf(pixels: number): number {
    return pixels * this.part
  }

  coarseBytesOf(pixels: number): number {
    return pixels * this.coarsePart
  }

  /** The beginning of a picture that can be shown; null: there is none here. */
  coarseOf(imageId: string): Beginning | null {
    const found = this.beginnings.get(imageId)
    return found?.coarse ? found : null
  }

  hasCoarse(imageId: string): boolean {
    return this.beginnings.peek(imageId)?.coarse != null
  }

  /** Whether it was asked for in vain. */
  hasNoCoarse(imageId: string): boolean {
    return this.without.has(imageId)
  }

  /** It was asked for in vain, and may be there the next time: the archive makes them a little after a picture came. */
  askAgain(imageId: string): void {
    this.without.delete(imageId)
  }

  /** Fetches the beginnings of pictures of one series; `pixels`: how many bytes of pixels each has. */
  async coarse(imageIds: readonly string[], halvings: number, pixels: number, signal?: AbortSignal): Promise<void> {
    const [first] = imageIds
    if (!first) return
    const parts = imageIds.map((imageId) => /^(.*)\/instances\/([\d.]+)\/frames\/(\d+)$/.exec(pathOf(imageId)))
    const series = parts[0]?.[1] ?? ''
    const asked = this.now()
    let found: Map<string, Beginning>
    try {
      const query = { halvings, frame: parts.map((part) => `${part?.[2]}/${part?.[3]}`) }
      const response = await request('GET', withQuery(`${series}/coarse`, query), { headers: { Accept: `multipart/related; type="${JPHC}"` }, signal })
      const begun = this.now()
      const body = new Uint8Array(await response.arrayBuffer())
      this.link.note({ asked, begun, ended: this.now(), bytes: body.byteLength })
      found = beginningsIn(body, response.headers.get('Content-Type') ?? '', halvings)
    } catch (error) {
      // They come whole, with what is wrong said, when a person comes to them.
      if (!isAborted(error)) for (const imageId of imageIds) this.without.add(imageId)
      throw error
    }
    for (const imageId of imageIds) {
      const one = found.get(pathOf(imageId))
      if (!one) this.without.add(imageId)
      else {
        this.coarsePart += (one.bytes.byteLength / pixels - this.coarsePart) / 8
        this.part += (one.total / pixels - this.part) / 8
        this.keep(imageId, one)
      }
    }
    for (const call of this.waiting) call(new Set(imageIds))
  }

  /** Keeps the beginning of a picture. More of it may be here, of a fetch that was stopped. */
  keep(imageId: string, one: Beginning): void {
    const before = this.beginnings.get(imageId)
    const longer = before?.etag === one.etag && before.bytes.byteLength > one.bytes.byteLength
    this.beginnings.put(imageId, longer ? { ...before, coarse: one.coarse } : one)
  }

  /** Calls with pictures whose beginnings have come; answers how to stop. */
  whenCoarse(call: (imageIds: ReadonlySet<string>) => void): () => void {
    this.waiting.add(call)
    return () => this.waiting.delete(call)
  }

  /** All bytes of a picture; only those that are not here are asked for. Rejects as aborted by `abort`. */
  async whole(imageId: string): Promise<Bytes> {
    const running: Running = { controller: new AbortController(), left: Infinity }
    this.running.set(imageId, running)
    try {
      return await this.fetched(imageId, running, this.beginnings.get(imageId))
    } catch (error) {
      throw inWords(error)
    } finally {
      if (this.running.get(imageId) === running) this.running.delete(imageId)
    }
  }

  private async fetched(imageId: string, running: Running, before: Beginning | null): Promise<Bytes> {
    const headers: Record<string, string> = { Accept: ACCEPT }
    if (before) {
      headers['Range'] = `bytes=${before.bytes.byteLength}-`
      headers['If-Range'] = before.etag
    }
    const asked = this.now()
    let response: Response
    try {
      response = await request('GET', pathOf(imageId), { headers, signal: running.controller.signal })
    } catch (error) {
      if (!before || isAborted(error) || !(error instanceof ApiProblem) || error.status !== 416) throw error
      return this.anew(imageId, running)
    }
    const begun = this.now()
    const [contentType, etag, told] = ['Content-Type', 'ETag', 'Content-Length'].map((name) => response.headers.get(name))
    const goes = before !== null && response.status === 206
    if (goes && !goesOn(before, response.headers.get('Content-Range'), etag ?? null)) {
      await response.body?.cancel()
      return this.anew(imageId, running)
    }
    const start = goes ? before.bytes.byteLength : 0
    // What was packed on its way has another length than it tells.
    const length = response.headers.get('Content-Encoding') || told === null || told === undefined ? null : Number(told)
    if (!response.body || length === null) return { bytes: new Uint8Array(await response.arrayBuffer()), contentType: contentType ?? '', joined: false }
    const bytes = new Uint8Array(start + length)
    if (goes) bytes.set(before.bytes)
    let at = start
    const keep = () => {
      if (contentType?.startsWith(JPHC) && etag && at > start) this.beginnings.put(imageId, { bytes: bytes.slice(0, at), total: bytes.byteLength, etag, contentType, coarse: goes ? before.coarse : null })
    }
    const reader = response.body.getReader()
    try {
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        bytes.set(piece.value, at)
        at += piece.value.byteLength
        running.left = bytes.byteLength - at
      }
    } catch (error) {
      keep()
      throw isAborted(error) ? error : new ApiProblem(0, { title: 'No connection' })
    }
    if (at < bytes.byteLength) {
      keep()
      throw new Error('The picture came cut off.')
    }
    this.link.note({ asked, begun, ended: this.now(), bytes: length })
    this.beginnings.shorten(imageId)
    return { bytes, contentType: contentType ?? '', joined: goes }
  }

  private anew(imageId: string, running: Running): Promise<Bytes> {
    this.beginnings.drop(imageId)
    return this.fetched(imageId, running, null)
  }

  /** What is here of a picture is of no use. */
  distrust(imageId: string): void {
    this.beginnings.drop(imageId)
  }

  /** Stops fetching the rest of a picture; what has come of it stays. */
  abort(imageId: string): void {
    this.running.get(imageId)?.controller.abort()
  }

  /** Stops what would take long and is not this picture, which is looked at, nor others that are. */
  makeWay(seen: ReadonlySet<string>): void {
    const pace = this.pace
    if (!pace) return
    for (const [imageId, { left }] of this.running) if (!seen.has(imageId) && left < Infinity && left / pace.bytesPerSecond > IN_THE_WAY_SECONDS) this.abort(imageId)
  }

  /** Nobody needs this picture any more. */
  forget(imageId: string): void {
    this.abort(imageId)
    this.beginnings.drop(imageId)
    this.without.delete(imageId)
  }
}

/** The fetching of all viewers of this page. */
export const fetching = new Fetching()
