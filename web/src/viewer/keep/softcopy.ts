import { bytesOf } from '../bulk'
import { number, numbers, text, type DicomElement, type DicomJson } from '../dicom'
import { greysOf, rescaleIn, type Greys, type RawTable, type Steps } from '../pixels/greys'
import { rescaleOf } from '../pixels/values'
import type { Table } from '../pixels/tables'
import type { Frame } from '../stacks'
import { COLOUR_STATE, isFor, presented } from './presentation'
import { itemsOf } from './structured'

const MODALITY_TABLES = '00283000'
const VOI_TABLES = '00283010'
const PRESENTATION_TABLES = '20500010'
const DESCRIPTOR = '00283002'
const DATA = '00283006'

/** The tables of a presentation state, by the items that hold them. */
export type Loaded = ReadonlyMap<DicomJson, RawTable>

/** Fetches the tables of a presentation state; `bytes` gives the value of an element. */
export async function tablesOf(state: DicomJson, bytes: (element: DicomElement) => Promise<Uint8Array> = bytesOf): Promise<Loaded> {
  const voi = itemsOf(state, '00283110').flatMap((one) => itemsOf(one, VOI_TABLES).slice(0, 1))
  const holders = [...itemsOf(state, MODALITY_TABLES).slice(0, 1), ...itemsOf(state, PRESENTATION_TABLES).slice(0, 1), ...voi]
  const found = await Promise.all(
    holders.map(async (holder): Promise<[DicomJson, RawTable][]> => {
      const data = holder[DATA]
      if (!data) return []
      const words = numbers(holder, DATA)
      const raw = words.length ? new Uint8Array(Uint16Array.from(words).buffer) : await bytes(data)
      return raw.length ? [[holder, { descriptor: numbers(holder, DESCRIPTOR), bytes: raw, explanation: text(holder, '00283003') }]] : []
    }),
  )
  return new Map(found.flat())
}

/**
 * The greys that a presentation state gives a picture. `window`: a window in the units of the picture says all of it, or
 * nothing is said of it. Null: they cannot be shown.
 */
export function softcopyOf(state: DicomJson, tables: Loaded, frame: Pick<Frame, 'sopInstanceUid' | 'frameNumber' | 'metadata'>, own: Table | null): Greys | 'window' | null {
  if (text(state, '00080016') === COLOUR_STATE || !presented(state).includes(frame.sopInstanceUid)) return 'window'
  const tableIn = (of: DicomJson | undefined, tag: string) => itemsOf(of, tag).map((one) => tables.get(one))[0] ?? null
  const voiItem = itemsOf(state, '00283110').find((one) => isFor(one, frame))
  const [center, width] = [number(voiItem, '00281050'), number(voiItem, '00281051')]
  const by = text(voiItem, '00281056') ?? 'LINEAR'
  const steps: Steps = {
    // States that were kept here have windows of the picture's own units.
    modality: tableIn(state, MODALITY_TABLES) ?? rescaleIn(state) ?? (text(state, '00080070') === 'Wetread' ? 'as the image' : null),
    voi: tableIn(voiItem, VOI_TABLES) ?? (center !== null && width !== null ? { center, width, function: by } : null),
    presentation: tableIn(state, PRESENTATION_TABLES),
  }
  return sameUnits(steps.modality, frame.metadata, own) && steps.presentation === null && (steps.voi === null || (!('bytes' in steps.voi) && by === 'LINEAR'))
    ? 'window'
    : greysOf(frame.metadata, own, steps)
}

function sameUnits(step: Steps['modality'], metadata: DicomJson, own: Table | null): boolean {
  if (step === 'as the image') return true
  if (own || (step !== null && 'bytes' in step)) return false
  const [image, state] = [rescaleOf(metadata), step].map((one) => one ?? { slope: 1, intercept: 0 })
  return image?.slope === state?.slope && image?.intercept === state?.intercept
}
