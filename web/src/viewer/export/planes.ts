import { http, request, type Sent } from '@/lib/api'
import type { EdgeLetters, Vec3 } from '../geometry'
import type { Stack } from '../stacks'
import type { ViewerStudy } from '../study'
import { scaleBar } from '../view'
import { slabWords, type Slab } from '../volume/slab'
import { barWords, laidOut, seriesWords, whoWords } from './framed'
import { fileName, identityOf, namesNobody, type Identity } from './identity'
import type { File, Scope } from './make'
import type { PrintPicture } from './Sheets'

/** A plane, or the body, as it is drawn now. */
export interface Shot {
  canvas: HTMLCanvasElement
  /** Pixels of it a pixel of the page. */
  ratio: number
  edges: EdgeLetters | null
  /** Of its own; null: nothing is to be measured on it. */
  pixelsPerMillimetre: number | null
  /** Where it lies: the middle of its first pixel, the directions of rows and columns, and between pixels mm. */
  place: { position: Vec3; row: Vec3; column: Vec3; spacing: number } | null
  /** Texts that may not be shown. */
  leftOut: number
  /** Segmentations or structures lie over it. */
  laid?: boolean
}

export interface PlaneChoice {
  id: string
  title: string
  /** Null: the body, which is no plane. */
  slab: Slab | null
  shoot: (marks: boolean, mayShow: (words: string) => boolean) => Shot | null
}

/** What can leave planes as they are now. */
export interface PlanesSource {
  study: ViewerStudy
  /** Through which the planes are laid, and what is laid over it. */
  stacks: readonly Stack[]
  window: string
  /** The one with the keys first. */
  choices: readonly PlaneChoice[]
}

export interface PlaneWanted {
  identified: boolean
  marks: boolean
}

export function scopesOfPlanes({ study, stacks }: PlanesSource): Scope[] {
  return [...new Set(stacks.map((stack) => stack.seriesInstanceUid))].map((uid) => ({ study_instance_uid: study.study_instance_uid, series_instance_uid: uid, sop_instance_uids: [] }))
}

export function identityOfPlanes({ stacks }: PlanesSource): Identity {
  return identityOf(stacks[0]?.frames[0]?.metadata ?? {})
}

function wordsOf({ title, slab }: PlaneChoice): string {
  return slab ? `${title}, ${slabWords(slab) ?? 'thin plane'}` : title
}

function shot(source: PlanesSource, choice: PlaneChoice, { identified, marks }: PlaneWanted): Shot {
  const who = identityOfPlanes(source)
  const made = choice.shoot(marks, (words) => identified || namesNobody(words, who))
  if (!made) throw new Error('The plane is not drawn yet.')
  return made
}

/** The picture with its margins, as it will leave. */
export function planePage(source: PlanesSource, choice: PlaneChoice, wanted: PlaneWanted, lossy: boolean): HTMLCanvasElement {
  const one = shot(source, choice, wanted)
  const [stack] = source.stacks
  const bar = one.pixelsPerMillimetre === null ? null : scaleBar(one.pixelsPerMillimetre, one.canvas.width * 0.3)
  return laidOut({
    picture: one.canvas,
    who: whoWords(wanted.identified ? identityOfPlanes(source) : null),
    what: [stack ? seriesWords(stack, wanted.identified) : '', wordsOf(choice)].filter(Boolean),
    large: null,
    edges: one.edges,
    below: choice.slab ? source.window : 'Not for measuring',
    bar,
    scale: bar ? barWords(bar.units) : '',
    notes: ['Reformatted: no image of the scanner', ...losses(choice, one, wanted), ...(lossy ? ['Lossy picture: not for diagnosis'] : [])],
  })
}

function nameOf(source: PlanesSource, choice: PlaneChoice, identified: boolean): string {
  const [stack] = source.stacks
  return fileName(identified ? identityOfPlanes(source) : null, [stack?.modality ?? null, stack?.seriesNumber == null ? null : `series-${stack.seriesNumber}`, wordsOf(choice)])
}

/** The planes on paper; that they are printed is recorded first. */
export async function makePlanePrints(source: PlanesSource, choices: readonly PlaneChoice[], wanted: PlaneWanted, burnedInAccepted: boolean): Promise<PrintPicture[]> {
  const shots = choices.map((choice) => ({ choice, one: shot(source, choice, wanted) }))
  await recordPlanes(source, 'print', wanted.identified, shots.length, burnedInAccepted)
  const [stack] = source.stacks
  const { studyDate } = identityOfPlanes(source)
  return Promise.all(
    shots.map(async ({ choice, one }) => ({
      key: choice.id,
      url: URL.createObjectURL(await packed(one.canvas, 'png')),
      pixels: { width: one.canvas.width, height: one.canvas.height },
      pixel_mm: one.pixelsPerMillimetre === null ? null : 1 / one.pixelsPerMillimetre,
      calibration: '',
      edges: one.edges,
      laterality: null,
      studyDate: wanted.identified ? studyDate : null,
      // A narrow cell cuts the line: what must not be missed stands first.
      words: [wordsOf(choice), ...(choice.slab ? ['Reformatted', source.window] : ['Not for measuring']), ...losses(choice, one, wanted), stack ? seriesWords(stack, wanted.identified) : ''].filter(Boolean).join(' · '),
    })),
  )
}

function losses(choice: PlaneChoice, { leftOut, laid }: Shot, { marks }: PlaneWanted): string[] {
  return [...(leftOut ? ['Text that named the patient was left out'] : []), ...(marks || !choice.slab ? [] : ['Measurements not shown']), ...(laid ? ['Segmentations or structures laid over the image'] : [])]
}

async function recordPlanes(source: PlanesSource, form: 'png' | 'jpeg' | 'print', identified: boolean, pictures: number, burnedInAccepted: boolean): Promise<void> {
  const body: Sent<'/api/exports/pictures', 'post'> = { form, identified, scopes: scopesOfPlanes(source), number_of_pictures: pictures, burned_in_accepted: burnedInAccepted }
  await http.post('/api/exports/pictures', body)
}

async function packed(canvas: HTMLCanvasElement, form: 'png' | 'jpeg'): Promise<Blob> {
  const content = await new Promise<Blob | null>((done) => canvas.toBlob(done, `image/${form}`, form === 'jpeg' ? 0.95 : undefined))
  if (!content) throw new Error('The picture could not be packed: it may be too large for this device.')
  return content
}

/** The plane as a picture; its leaving is recorded first. */
export async function makePlanePicture(source: PlanesSource, choice: PlaneChoice, form: 'png' | 'jpeg', wanted: PlaneWanted, burnedInAccepted: boolean): Promise<File> {
  const page = planePage(source, choice, wanted, form === 'jpeg')
  await recordPlanes(source, form, wanted.identified, 1, burnedInAccepted)
  return { name: `${nameOf(source, choice, wanted.identified)}.${form === 'jpeg' ? 'jpg' : 'png'}`, content: await packed(page, form) }
}

/** The plane, which says where it lies, or the body as a Secondary Capture object. Nothing is written on it. */
export async function makePlaneObject(source: PlanesSource, choice: PlaneChoice, identified: boolean, burnedInAccepted: boolean): Promise<File> {
  const one = shot(source, choice, { identified, marks: false })
  const [scope] = scopesOfPlanes(source)
  if (!scope || (choice.slab && !one.place)) throw new Error('The plane is not drawn yet.')
  const { width, height } = one.canvas
  const seen = one.canvas.getContext('2d')?.getImageData(0, 0, width, height).data
  if (!seen) throw new Error('This browser has no memory for the picture.')
  const grey = seen.every((value, at) => at % 4 === 3 || value === seen[at - (at % 4)])
  const samples = grey ? 1 : 3
  const pixels = new Uint8Array(width * height * samples)
  for (let at = 0; at < width * height; at++) for (let part = 0; part < samples; part++) pixels[at * samples + part] = seen[at * 4 + part] ?? 0
  const { slab } = choice
  const place = slab && one.place
  const body: Sent<'/api/exports/capture', 'post'> = {
    scope,
    identified,
    rows: height,
    columns: width,
    samples,
    pixels: await deflated(pixels),
    place: place && { position: [...place.position], orientation: [[...place.row], [...place.column]], spacing: [place.spacing, place.spacing] },
    drawn: slab?.mode ?? 'volume',
    ...(slab && slab.mode !== 'thin' ? { thickness: slab.thickness } : {}),
    description: wordsOf(choice),
    burned_in_accepted: burnedInAccepted,
  }
  const response = await request('POST', '/api/exports/capture', { body, headers: { Accept: 'application/dicom' } })
  return { name: `${nameOf(source, choice, identified)}.dcm`, content: await response.blob() }
}

/** Deflated (zlib), in Base64. */
async function deflated(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const packed = new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate'))).arrayBuffer())
  let text = ''
  for (let at = 0; at < packed.length; at += 8192) text += String.fromCharCode(...packed.subarray(at, at + 8192))
  return btoa(text)
}
