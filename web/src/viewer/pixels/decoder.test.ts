import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import decode, { initialize } from '../../../node_modules/@cornerstonejs/dicom-image-loader/dist/esm/shared/decoders/decodeHTJ2K.js'
import { LEAST } from './warmUp'

const WASM = fileURLToPath(new URL('../../../node_modules/@cornerstonejs/codec-openjph/dist', import.meta.url))
const MB = 1024 * 1024
const PAGE = 65_536

afterEach(() => vi.restoreAllMocks())

describe('the decoder of HTJ2K', () => {
  it('gives back what a picture took before it takes the next', async () => {
    const grow = vi.spyOn(WebAssembly.Memory.prototype, 'grow')
    await initialize({ wasmBasePath: WASM } as never)
    const picture = new Uint8Array(4 * MB)
    picture.set(Uint8Array.from(atob(LEAST), (letter) => letter.charCodeAt(0)))
    for (let time = 0; time < 60; time++) {
      const { pixelData, columns } = (await decode(picture, { decodeLevel: 0 } as never)) as unknown as { pixelData: ArrayLike<number>; columns: number }
      expect([columns, ...Array.from(pixelData)]).toEqual([4, ...Array<number>(16).fill(0)])
    }
    // A decoder kept for each would have taken 240 MB.
    expect(grow.mock.calls.reduce((sum, [pages]) => sum + pages * PAGE, 0)).toBeLessThan(40 * MB)
  })
})
