import { useEffect, useState } from 'react'
import { http } from '@/lib/api/http'
import { bytesOf } from '../../bulk'
import { text } from '../../dicom'
import { whyNotFetched } from '../fetched'
import type { Paper } from '../paper'
import type { ModelFacts } from './facts'
import { BYTES_MAX, readMtl, type Material, type Model } from './read'
import { picturesOf } from './pictures'
import type { Answer, Asked } from './read.worker'
import Reader from './read.worker?worker'

/** Who waits longer is told so: a file can be made to take for ever. */
const READ_MS_MAX = 60_000
const MATERIALS_BYTES_MAX = 4 * 1024 * 1024

type Opened = { state: 'loading' } | { state: 'here'; model: Model | null; materials: readonly Material[]; lacking: boolean; pictures: ReadonlyMap<string, ImageData> } | { state: 'failed'; words: string }

async function bytesOfPaper(paper: Paper, signal: AbortSignal): Promise<ArrayBuffer> {
  const element = paper.instance['00420011']
  if (!text(paper.instance, '00420012')) return (element ? await bytesOf(element) : new Uint8Array(0)).slice().buffer
  const blob = await http.blob(`${paper.path}/rendered`, { signal })
  if (blob.size > BYTES_MAX) throw new RangeError('too large')
  return blob.arrayBuffer()
}

function read(asked: Asked, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve) => {
    const worker = new Reader()
    const done = (answer: Answer) => {
      clearTimeout(timer)
      worker.terminate()
      resolve(answer)
    }
    const timer = setTimeout(() => done({ fault: 'This model takes too long to be read: it is made in a way that cannot be drawn here.' }), READ_MS_MAX)
    signal.addEventListener('abort', () => done({ fault: '' }))
    worker.onmessage = (event: MessageEvent<Answer>) => done(event.data)
    worker.onerror = () => done({ fault: 'This model could not be read: it is damaged, or takes more memory than there is.' })
    worker.postMessage(asked, [asked.bytes])
  })
}

async function materialsAt(path: string, signal: AbortSignal): Promise<Material[]> {
  const blob = await http.blob(`${path}/rendered`, { signal })
  if (blob.size > MATERIALS_BYTES_MAX) throw new RangeError('too large')
  return readMtl(await blob.text())
}

/** What a model holds, read where it keeps nobody waiting; of MTL its materials alone. */
export function useModel(paper: Paper, format: string, facts: ModelFacts, attempt: number): Opened {
  const [opened, setOpened] = useState<Opened>({ state: 'loading' })
  useEffect(() => {
    const stop = new AbortController()
    setOpened({ state: 'loading' })
    const load = async (): Promise<Opened> => {
      const bytes = await bytesOfPaper(paper, stop.signal)
      if (format === 'MTL') {
        const materials = bytes.byteLength > MATERIALS_BYTES_MAX ? [] : readMtl(new TextDecoder().decode(bytes))
        return materials.length ? { state: 'here', model: null, materials, lacking: false, pictures: new Map() } : { state: 'failed', words: 'This MTL file names no materials.' }
      }
      const answer = await read({ format: format === 'OBJ' ? 'OBJ' : 'STL', bytes }, stop.signal)
      if ('fault' in answer) return { state: 'failed', words: `${answer.fault} It is safe in the archive.` }
      let lacking = false
      const materials: Material[] = []
      for (const { path } of facts.materials.slice(0, 8)) {
        // Without its colours it has the same shape.
        const found = await materialsAt(path, stop.signal).catch(() => null)
        if (found) materials.push(...found)
        else lacking = true
      }
      const pictures = await picturesOf(paper, facts.materials.map(({ path }) => path), materials, answer.model, stop.signal)
      return { state: 'here', model: answer.model, materials, lacking, pictures }
    }
    load().then(
      (next) => (stop.signal.aborted ? undefined : setOpened(next)),
      (error: unknown) => {
        if (!stop.signal.aborted) setOpened({ state: 'failed', words: error instanceof RangeError ? 'This model is too large to be drawn here. It is safe in the archive.' : whyNotFetched(error, 'model') })
      },
    )
    return () => stop.abort()
    // Its path names it: what is told of it anew is no other model.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [paper.path, attempt])
  return opened
}
