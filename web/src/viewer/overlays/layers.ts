import { item, text, values, type DicomJson } from '../dicom'
import type { Vec3 } from '../geometry'
import type { Stack } from '../stacks'
import { css, type Rgb } from './colours'
import type { LayerKind } from './kinds'
import type { Mask } from './masks'
import type { Cut, Section, Solid } from './solids'

/** A segment or a region of interest: one thing that is laid over pictures. */
export interface Part {
  number: number
  label: string
  colour: string
  /** What it is, by codes or by type: `Anatomical Structure · Liver`. */
  meaning: string | null
  /** Who or what drew it: `AUTOMATIC, TotalSegmentator`. */
  made: string | null
  /** Places of its own mean nothing in another. */
  frameOfReferenceUid: string | null
}

/** An object that is laid over the pictures of others. */
export interface Layer {
  /** The SOP Instance UID. */
  key: string
  kind: LayerKind
  studyInstanceUid: string
  seriesInstanceUid: string
  label: string
  /** Whose it is: Patient ID and issuer. */
  patient: string | null
  parts: readonly Part[]
  /** Series that it names as those that it was made on, and their instances. */
  series: ReadonlySet<string>
  instances: ReadonlySet<string>
  instance: DicomJson
  /** Why it cannot be shown; null: it can. */
  fault: string | null
}

/** A line or a place that was drawn and covers nothing. */
export interface Line {
  points: readonly Vec3[]
  normal: Vec3
  at: number
}

/** What a part is in space. */
export interface Form {
  solids: readonly Solid[]
  lines: readonly Line[]
  points: readonly Vec3[]
  /** Of what does not say where it lies: by the picture that each was made on, `sop/frame`. */
  onPictures: ReadonlyMap<string, Mask>
  /** The size of those pictures. */
  size: readonly [columns: number, rows: number]
  /** mm³; null: it cannot be told. */
  volume: number | null
  /** What of it is not drawn, in words. */
  missing: string | null
  /** Where it is to be looked at, if that is not where it covers most. */
  peak?: Vec3
  /** A line on a plane that encloses nothing: what is there is not filled. */
  line?: (cut: Cut) => Section | null
  /** Lines on pictures, `sop/frame`, in pixels whose first reaches from 0 to 1. */
  linesOn?: ReadonlyMap<string, string>
  /** What of a plane it encloses. */
  area?: (cut: Cut) => Section | null
  /** As it stands in the body. */
  meshes?: readonly Mesh[]
  /** Colours on a plane, one beside another. */
  colours?: (cut: Cut) => Wash | null
  /** What value it has at a place; null: none. */
  valueAt?: (point: Vec3) => number | null
}

/** A surface of triangles, three numbers of corners each; of a corner three coordinates, mm in the patient. */
export interface Mesh {
  positions: Float32Array<ArrayBuffer>
  triangles: Uint32Array<ArrayBuffer>
  /** How its maker would have it drawn. */
  look: 'SURFACE' | 'WIREFRAME' | 'POINTS'
  opacity: number
}

/** A picture in a plane of its own: where its corner lies, the steps from one pixel to the next, and four bytes of each. */
export interface Wash {
  origin: Vec3
  right: Vec3
  down: Vec3
  width: number
  height: number
  rgba: Uint8ClampedArray<ArrayBuffer>
}

export const EMPTY: Form = { solids: [], lines: [], points: [], onPictures: new Map(), size: [0, 0], volume: null, missing: null }

/** Whose an object is. */
export function patientOf(instance: DicomJson | undefined): string | null {
  const id = text(instance, '00100020')
  return id ? `${id}^${text(instance, '00100021') ?? ''}` : null
}

export function itemsIn(instance: DicomJson | undefined, tag: string): DicomJson[] {
  return values(instance, tag).filter((one): one is DicomJson => one !== null && typeof one === 'object')
}

/** The meaning of a code of a sequence. */
export function meaningOf(instance: DicomJson | undefined, tag: string): string | null {
  return text(item(instance, tag), '00080104')
}

/** What a person calls the object: its own label, else the series' description. */
export function labelOf(instance: DicomJson, own: readonly string[], otherwise: string): string {
  return [...own.map((tag) => text(instance, tag)), text(instance, '0008103E')].find((words) => words && !/^SEGMENTATION$/i.test(words)) ?? otherwise
}

/** `AUTOMATIC` as a word among words; what is short stands for several, as PTV does. */
export function worded(code: string | null): string | null {
  return code && (code.length > 3 ? code.charAt(0) + code.slice(1).toLowerCase() : code)
}

export function colourOf(rgb: Rgb): string {
  return css(rgb)
}

/**
 * Whether a part may be laid over a stack: of one patient, and of one Frame of Reference (PS3.3 C.7.4.1), for places in two
 * frames have nothing to do with each other. What says no place lies on the very pictures that it names.
 */
export function fits(layer: Layer, part: Part, stack: Stack): boolean {
  // A dose is a picture too: over that it says nothing that is not seen.
  if (!isOfPatient(layer, stack) || stack.frames[0]?.sopInstanceUid === layer.key) return false
  if (part.frameOfReferenceUid === null) return stack.frames.some((frame) => layer.instances.has(frame.sopInstanceUid))
  return part.frameOfReferenceUid === stack.frameOfReferenceUid && stack.normal !== null
}

function isOfPatient(layer: Layer, stack: Stack): boolean {
  const first = stack.frames[0]?.metadata
  const patient = patientOf(first)
  // One study is of one patient; without an identifier nothing else says so.
  return patient !== null && layer.patient !== null ? patient === layer.patient : text(first, '0020000D') === layer.studyInstanceUid
}

export function fitsAny(layer: Layer, stack: Stack): boolean {
  return layer.fault === null && layer.parts.some((part) => fits(layer, part, stack))
}
