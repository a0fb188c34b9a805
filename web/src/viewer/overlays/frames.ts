import { request } from '@/lib/api/http'

/** Decoded, of whatever transfer syntax the archive keeps them in; a frame of a bit a pixel begins at a byte of its own. */
const ACCEPT = 'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1'
/** So much is asked for at once, and so many frames at most: what has come is drawn, and memory stays bounded. */
const BYTES_AT_ONCE = 4 * 1024 * 1024
const FRAMES_AT_ONCE = 200

/** Frames in such groups as are asked for at once. */
export function groupsOf<T>(frames: readonly T[], bytes: number): T[][] {
  const size = Math.max(1, Math.min(FRAMES_AT_ONCE, Math.floor(BYTES_AT_ONCE / Math.max(1, bytes))))
  return Array.from({ length: Math.ceil(frames.length / size) }, (_, at) => frames.slice(at * size, (at + 1) * size))
}

function find(bytes: Uint8Array, what: readonly number[], from: number): number {
  for (let at = bytes.indexOf(what[0] ?? 0, from); at >= 0; at = bytes.indexOf(what[0] ?? 0, at + 1)) if (what.every((byte, step) => bytes[at + step] === byte)) return at
  return -1
}

const HEAD_END = [13, 10, 13, 10]

/** The parts of a multipart answer, of which each has so many bytes: what lies in one may look like a delimiter. */
export function partsOf(body: Uint8Array, contentType: string, bytes: number): Uint8Array[] {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1]
  if (!boundary) throw new Error('The frames came in no parts.')
  const delimiter = Array.from(`--${boundary}`, (letter) => letter.charCodeAt(0))
  const parts: Uint8Array[] = []
  for (let at = find(body, delimiter, 0); at >= 0; ) {
    const end = find(body, HEAD_END, at)
    // The closing delimiter has no head.
    if (end < 0) break
    const start = end + HEAD_END.length
    if (start + bytes > body.byteLength) throw new Error('The frames came cut off.')
    parts.push(body.subarray(start, start + bytes))
    at = find(body, delimiter, start + bytes)
  }
  return parts
}

/** The frames with these numbers, each of so many bytes, in their order. */
export async function fetchFrames(path: string, numbers: readonly number[], bytes: number, signal: AbortSignal): Promise<Uint8Array[]> {
  const response = await request('GET', `${path}/${numbers.join(',')}`, { headers: { Accept: ACCEPT }, signal })
  const parts = partsOf(new Uint8Array(await response.arrayBuffer()), response.headers.get('Content-Type') ?? '', bytes)
  if (parts.length !== numbers.length) throw new Error('The frames came cut off.')
  return parts
}
