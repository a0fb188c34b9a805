import { afterEach, expect, it, vi } from 'vitest'
import type { Stack } from '../stacks'
import { fetchBeginning, keepBeginning } from './beforehand'
import { fetching } from './fetching'

const us = (value: number | string) => ({ vr: 'US', Value: [value] })
const CT = { '00080060': us('CT'), '00280002': us(1), '00280004': us('MONOCHROME2'), '00280010': us(512), '00280011': us(512), '00280100': us(16), '00280101': us(16), '00280103': us(1), '00083002': us('1.2.840.10008.1.2.1'), '00281050': us(40), '00281051': us(400) }
const idOf = (at: number) => `wadors:http://a/dicom-web/studies/1/series/2/instances/1.${at}/frames/1`
const stack = { normal: [0, 0, 1], length: 101, frames: Array.from({ length: 101 }, (_, at) => ({ imageId: idOf(at), metadata: CT })) } as unknown as Stack

afterEach(() => vi.unstubAllGlobals())

it('asks on a slow way for the picture that a stack begins with, and once more when it was not made yet', async () => {
  const asked: string[] = []
  vi.stubGlobal('fetch', (url: string) => {
    asked.push(url)
    return Promise.resolve(new Response('', { status: 404 }))
  })
  await fetchBeginning(stack)
  expect(asked).toEqual([]) // nothing is known of the way
  fetching.note(0, 40, 140, 300_000)
  for (let time = 1; time <= 2; time++) {
    await expect(fetchBeginning(stack)).rejects.toThrow()
    expect(asked).toHaveLength(time)
    expect(asked.at(-1)).toContain('frame=1.50%2F1')
    expect(fetching.hasNoCoarse(idOf(50))).toBe(false)
  }
})

it('keeps a coarse picture that came unasked only where it is the one to begin with', () => {
  const sent = (at: number, halvings: number) => ({ location: `/dicom-web/studies/1/series/2/instances/1.${at}/frames/1`, content_type: 'image/jphc', etag: '"a"', total: 9, halvings, content: btoa('abc') })
  for (const [at, halvings] of [[51, 2], [50, 1]] as const) {
    keepBeginning(stack, sent(at, halvings))
    expect(fetching.hasCoarse(idOf(at))).toBe(false)
  }
  keepBeginning(stack, sent(50, 2))
  expect(fetching.coarseOf(idOf(50))).toMatchObject({ bytes: Uint8Array.of(97, 98, 99), total: 9, coarse: { bytes: 3, halvings: 2 } })
  fetching.forget(idOf(50))
})
