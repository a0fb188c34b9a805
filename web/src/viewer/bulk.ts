import { http } from '@/lib/api/http'
import type { DicomElement } from './dicom'

/** The bytes of a binary value, inline or by its BulkDataURI. */
export async function bytesOf(element: DicomElement): Promise<Uint8Array> {
  if (element.InlineBinary !== undefined) return Uint8Array.from(atob(element.InlineBinary), (letter) => letter.charCodeAt(0))
  if (element.BulkDataURI === undefined) return new Uint8Array(0)
  // A path of this server: an archive's own address would be another origin behind a proxy.
  const { pathname, search } = new URL(element.BulkDataURI, window.location.href)
  const blob = await http.blob(pathname + search, { headers: { Accept: 'application/octet-stream' } })
  return new Uint8Array(await blob.arrayBuffer())
}
