import { getDocument, PasswordResponses, PDFWorker, type PDFDocumentProxy } from 'pdfjs-dist/legacy/build/pdf.mjs'
import PdfWorker from 'pdfjs-dist/legacy/build/pdf.worker.min.mjs?worker'
import { bytesOf } from '../../bulk'
import { text } from '../../dicom'
import { ApiProblem } from '@/lib/problem'
import { whyNotFetched } from '../fetched'
import type { Paper } from '../paper'

/** Where the tables and fonts lie that documents may leave out; `vite.config.ts` puts them there. */
const TABLES = `/${__PDF_TABLES__}/`
/** Files up to twice this are fetched whole, larger ones by what is looked at. */
const CHUNK_BYTES = 2 * 1024 * 1024
/** An image within a page that is larger is left out: it would take the browser's memory. */
const IMAGE_PIXELS_MAX = 64 * 1024 * 1024

export interface OpenPdf {
  pages: Promise<PDFDocumentProxy>
  close: () => void
}

/** Opens a document in a worker of its own. `ask` is called for a password; again where it was a wrong one. */
export function openPdf(paper: Paper, ask: (answer: (password: string) => void, wasWrong: boolean) => void): OpenPdf {
  const thread = new PdfWorker()
  const worker = PDFWorker.create({ port: thread })
  let closed = false
  let close: (() => void) | null = null
  const begin = async (): Promise<PDFDocumentProxy> => {
    const element = paper.instance['00420011']
    // What says another type is sent as that, and what is empty not at all; the bytes are looked at all the same.
    const isSent = text(paper.instance, '00420012')?.toLowerCase() === 'application/pdf' && (element?.BulkDataURI ?? element?.InlineBinary)
    const source = isSent ? { url: new URL(`${paper.path}/rendered`, window.location.href).href } : { data: element ? await bytesOf(element) : new Uint8Array(0) }
    if (closed) throw new DOMException('Closed', 'AbortError')
    const task = getDocument({
      ...source,
      worker,
      httpHeaders: { Accept: 'application/pdf' },
      rangeChunkSize: CHUNK_BYTES,
      disableAutoFetch: true,
      disableStream: true,
      cMapUrl: `${TABLES}cmaps/`,
      cMapPacked: true,
      standardFontDataUrl: `${TABLES}standard_fonts/`,
      wasmUrl: `${TABLES}wasm/`,
      iccUrl: `${TABLES}iccs/`,
      maxImageSize: IMAGE_PIXELS_MAX,
      enableXfa: false,
      verbosity: 0,
    })
    task.onPassword = (answer: (password: string) => void, reason: number) => ask(answer, reason === PasswordResponses.INCORRECT_PASSWORD)
    close = () => void task.destroy().catch(() => undefined)
    return task.promise
  }
  return {
    pages: begin(),
    close: () => {
      closed = true
      close?.()
      worker.destroy()
      thread.terminate()
    },
  }
}

/** Why a document cannot be shown, in words. */
export function faultOf(error: unknown): string {
  const { name, status } = error instanceof Error ? (error as Error & { status?: number }) : { name: '', status: undefined }
  if (name === 'ResponseException' || error instanceof ApiProblem) return whyNotFetched(new ApiProblem(status ?? 0, {}), 'document')
  if (name === 'InvalidPDFException') return 'This is no PDF that can be read: it is damaged, or something else under that name.'
  return 'The document could not be opened. It is safe in the archive; it can be saved and opened elsewhere.'
}
