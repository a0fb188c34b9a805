import { getWebWorkerManager } from '@cornerstonejs/core'

/** A picture of 4 by 4 zeros (HTJ2K). */
export const LEAST =
  '/0//UQApQAAAAAAEAAAABAAAAAAAAAAAAAAABAAAAAQAAAAAAAAAAAABjwEB/1AACAACAAAACf9SAAwAAgABAAEEBEAB/1wAByCIiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAABAAAf+TAAD/2Q=='

let warm = false

/** Fetches the decoder's program before the first picture: on a slow way it would come after it, and be waited for. */
export function warmUp(): void {
  if (warm) return
  warm = true
  const imageFrame = { rows: 4, columns: 4, bitsAllocated: 16, bitsStored: 16, pixelRepresentation: 1, samplesPerPixel: 1, photometricInterpretation: 'MONOCHROME2' }
  const pixelData = Uint8Array.from(atob(LEAST), (letter) => letter.charCodeAt(0))
  // What is wrong with it is told of the first picture.
  getWebWorkerManager()
    .executeTask('dicomImageLoader', 'decodeTask', { imageFrame, transferSyntax: '1.2.840.10008.1.2.4.202', pixelData, options: { preScale: { enabled: false } }, decodeConfig: {} })
    .catch(() => undefined)
}
