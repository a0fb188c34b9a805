/** What is here of a picture's bytes, from the first on. */
export interface Beginning {
  bytes: Uint8Array
  /** How many there are in all. */
  total: number
  /** Which bytes they are (ETag): the rest must be of the same. */
  etag: string
  contentType: string
  /** How many of the first bytes are a coarse picture, and how often its sides are halved; null: that is not known. */
  coarse: { bytes: number; halvings: number } | null
}

/** Beyond this what was used least lately is dropped. */
const BYTES_MOST = 64 * 1024 * 1024

/** Beginnings of pictures by their image ids, as many as memory is given to. */
export class Beginnings {
  private readonly kept = new Map<string, Beginning>()
  private held = 0

  constructor(private most: number = BYTES_MOST) {}

  /** Keeps no more than this from now on. */
  limit(most: number): void {
    this.most = Math.min(BYTES_MOST, most)
  }

  get bytes(): number {
    return this.held
  }

  /** No more can be kept without that others are dropped. */
  get full(): boolean {
    return this.held > this.most * 0.9
  }

  get(imageId: string): Beginning | null {
    const one = this.kept.get(imageId)
    if (!one) return null
    this.kept.delete(imageId)
    this.kept.set(imageId, one)
    return one
  }

  /** What is kept of a picture, without that it counts as used. */
  peek(imageId: string): Beginning | null {
    return this.kept.get(imageId) ?? null
  }

  put(imageId: string, beginning: Beginning): void {
    this.drop(imageId)
    this.kept.set(imageId, beginning)
    this.held += beginning.bytes.byteLength
    for (const [oldest] of this.kept) {
      if (this.held <= this.most || oldest === imageId) break
      this.drop(oldest)
    }
  }

  drop(imageId: string): void {
    const one = this.kept.get(imageId)
    if (!one) return
    this.kept.delete(imageId)
    this.held -= one.bytes.byteLength
  }

  /** Of a picture that came whole no more is kept than shows it coarse, should it have to make room. */
  shorten(imageId: string): void {
    const one = this.kept.get(imageId)
    if (!one) return
    if (!one.coarse) this.drop(imageId)
    else if (one.bytes.byteLength > one.coarse.bytes) this.put(imageId, { ...one, bytes: one.bytes.slice(0, one.coarse.bytes) })
  }
}

/** First byte, last byte and length of all (RFC 9110 14.4); null: it says something else. */
export function contentRange(text: string | null | undefined): { from: number; to: number; total: number } | null {
  const found = /^bytes (\d+)-(\d+)\/(\d+)$/.exec((text ?? '').trim())
  if (!found) return null
  const [from, to, total] = [Number(found[1]), Number(found[2]), Number(found[3])]
  return from <= to && to < total ? { from, to, total } : null
}

/** Whether an answer goes on where a beginning ends, and is of the same bytes. */
export function goesOn(beginning: Beginning, range: string | null, etag: string | null): boolean {
  const found = contentRange(range)
  return found !== null && found.from === beginning.bytes.byteLength && found.to === beginning.total - 1 && found.total === beginning.total && etag === beginning.etag
}

const decoder = new TextDecoder('latin1')
const CRLF = [13, 10]

function find(bytes: Uint8Array, what: readonly number[], from: number): number {
  for (let at = bytes.indexOf(what[0] ?? 0, from); at >= 0; at = bytes.indexOf(what[0] ?? 0, at + 1)) if (what.every((byte, step) => bytes[at + step] === byte)) return at
  return -1
}

/** The beginnings in a multipart answer by where they are said to be of (Content-Location); what says nothing is left out. */
export function beginningsIn(body: Uint8Array, contentType: string, halvings: number): Map<string, Beginning> {
  const found = new Map<string, Beginning>()
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1]
  if (!boundary) return found
  const delimiter = Array.from(`--${boundary}`, (letter) => letter.charCodeAt(0))
  for (let at = find(body, delimiter, 0); at >= 0; ) {
    const head = at + delimiter.length + CRLF.length
    const end = find(body, [...CRLF, ...CRLF], head - CRLF.length)
    if (end < 0) break
    const headers = new Map(
      decoder
        .decode(body.subarray(head, end))
        .split('\r\n')
        .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const),
    )
    const start = end + 2 * CRLF.length
    const range = contentRange(headers.get('content-range'))
    const length = range ? range.to + 1 : 0
    const [location, etag, kind] = [headers.get('content-location'), headers.get('etag'), headers.get('content-type')]
    // What lies in a part may look like a delimiter: its length says where it ends.
    const bytes = body.slice(start, start + length)
    if (location && etag && kind && range?.from === 0 && bytes.byteLength === length)
      found.set(location, { bytes, total: range.total, etag, contentType: kind, coarse: { bytes: length, halvings } })
    at = find(body, delimiter, start + length)
  }
  return found
}
