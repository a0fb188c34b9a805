import { http } from '@/lib/api/http'
import { text, values, type DicomJson } from '../../dicom'
import { JSON_TYPE } from '../../listing'
import type { Paper } from '../paper'
import type { Material, Model } from './read'

/** A side of a picture on a surface is no longer, and no more of them are fetched. */
const SIDE = 2_048
const PICTURES_MOST = 16

interface Named {
  /** As what lies in the file calls it. */
  file: string
  sopInstanceUid: string
  study: string | null
  series: string | null
}

/** The last part of a path, as files are compared. */
function fileOf(path: string): string {
  const last = path.split(/[\\/]/).at(-1) ?? ''
  try {
    return decodeURIComponent(last).trim().toLowerCase()
  } catch {
    return last.trim().toLowerCase()
  }
}

/** The objects that an encapsulated file names, by the relative URI that it has for each (PS3.3 C.24.2). */
export function namedIn(instance: DicomJson | undefined): Named[] {
  return values(instance, '0008114A').flatMap((each) => {
    const one = (each ?? undefined) as DicomJson | undefined
    const [file, sopInstanceUid] = [text(one, '00687005'), text(one, '00081155')]
    return file && sopInstanceUid ? [{ file: fileOf(file), sopInstanceUid, study: text(one, '0020000D'), series: text(one, '0020000E') }] : []
  })
}

/** Which of them is a material's picture. */
export function pictureOf(material: Material, named: readonly Named[]): Named | null {
  const file = material.picture === null ? null : fileOf(material.picture)
  return named.find((one) => one.file === file) ?? null
}

/** The pictures that lie on a model's surface, by the names of their materials: those that are objects of its study. */
export async function picturesOf(paper: Paper, materialPaths: readonly string[], materials: readonly Material[], model: Model, signal: AbortSignal): Promise<Map<string, ImageData>> {
  const found = new Map<string, ImageData>()
  const used = new Set(model.solids.flatMap(({ material, places }) => (material !== null && places ? [material] : [])))
  const wanted = materials.filter((one) => one.picture !== null && used.has(one.name)).slice(0, PICTURES_MOST)
  if (!wanted.length) return found
  // What cannot be had is said of the model: it has the same shape without.
  const told = await Promise.all(materialPaths.map((path) => http.get<DicomJson[]>(`${path}/metadata`, { headers: JSON_TYPE, signal }).catch(() => [])))
  const named = [...told.flat(), paper.instance].flatMap(namedIn)
  for (const material of wanted) {
    const one = pictureOf(material, named)
    const picture = one && (await fetched(one, paper.studyInstanceUid, signal).catch(() => null))
    signal.throwIfAborted()
    if (picture) found.set(material.name, picture)
  }
  return found
}

async function fetched({ sopInstanceUid, study, series }: Named, ownStudy: string, signal: AbortSignal): Promise<ImageData | null> {
  const of = study ?? ownStudy
  // Of another patient's, or another day's, study it is asked for nothing.
  if (of !== ownStudy) return null
  const listed = series === null ? await http.get<DicomJson[] | undefined>(`/dicom-web/studies/${of}/instances?SOPInstanceUID=${sopInstanceUid}`, { headers: JSON_TYPE, signal }) : undefined
  const within = series ?? text(listed?.[0], '0020000E')
  if (!within) return null
  const blob = await http.blob(`/dicom-web/studies/${of}/series/${within}/instances/${sopInstanceUid}/frames/1/rendered?viewport=${SIDE},${SIDE}`, { signal })
  const bitmap = await createImageBitmap(blob)
  const canvas = document.createElement('canvas')
  Object.assign(canvas, { width: bitmap.width, height: bitmap.height })
  const context = canvas.getContext('2d', { willReadFrequently: true })
  context?.drawImage(bitmap, 0, 0)
  bitmap.close()
  return context?.getImageData(0, 0, canvas.width, canvas.height) ?? null
}
