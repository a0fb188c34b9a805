import type { StackViewport } from '../engine'
import { frameOf, modalityTableOf } from '../pixels/loader'
import { giveGreys } from '../pixels/voiTable'
import type { DicomJson } from '../dicom'
import { softcopyOf, tablesOf } from './softcopy'

/**
 * Draws the picture `imageId`, and others that a presentation state is about, by its tables, once they have come and if
 * it is `still` wanted then. False where they cannot be shown; where a window says all, that stays. Rejects where a table
 * cannot be fetched.
 */
export async function laySoftcopy(viewport: StackViewport, state: DicomJson, imageId: string, still: () => boolean): Promise<boolean> {
  const tables = await tablesOf(state)
  const of = (id: string) => {
    const frame = frameOf(id)
    return frame ? softcopyOf(state, tables, frame, modalityTableOf(id)) : 'window'
  }
  const greys = of(imageId)
  if (greys === null) return false
  if (greys === 'window' || !still()) return true
  giveGreys(viewport, (id) => {
    const found = of(id)
    return found === 'window' ? null : found
  })
  viewport.render()
  return true
}
