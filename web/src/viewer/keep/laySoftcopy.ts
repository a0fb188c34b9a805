import type { StackViewport } from '../engine'
import { functionOf } from '../pixels/plain'
import { frameOf, modalityTableOf } from '../pixels/remembered'
import { shownWindow } from '../pixels/storedWindow'
import { giveGreys } from '../pixels/voiTable'
import { rangeOf } from '../presets'
import type { DicomJson } from '../dicom'
import { lookOf, presented } from './presentation'
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
    if (found !== 'window') return found
    const frame = frameOf(id)
    const window = frame && presented(state).includes(frame.sopInstanceUid) ? lookOf(state, frame).window : null
    return window && frame && rangeOf(shownWindow(frame.metadata, window), functionOf(frame.metadata))
  })
  viewport.render()
  return true
}
