import { number, TAG, text, type DicomJson } from '../dicom'
import { isPicture, kindOfLayer } from '../overlays/kinds'

/** What opens in a pane though no picture of it is drawn on a canvas. */
export type PaperKind = 'pdf' | 'text' | 'report' | 'waveform' | 'video' | 'model' | 'object'

export const STORAGE = '1.2.840.10008.5.1.4.1.1.'
export const AVAILABLE_TRANSFER_SYNTAX = '00083002'
const ENCAPSULATED: Readonly<Record<string, PaperKind>> = { '104.1': 'pdf', '104.2': 'text', '104.3': 'model', '104.4': 'model', '104.5': 'model' }
/** MPEG2, MPEG-4 AVC/H.264 and HEVC/H.265, whole or in fragments (PS3.6 A). */
const VIDEO = /^1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?$/

/** Whether what an instance holds as pixel data is a film, and no frames. */
export function isVideo(instance: DicomJson): boolean {
  return VIDEO.test(text(instance, AVAILABLE_TRANSFER_SYNTAX) ?? '')
}

/** Voices and other sounds, among the waveforms. */
export function isSound(instance: DicomJson): boolean {
  return (text(instance, '00080016') ?? '').startsWith(`${STORAGE}9.4.`)
}

/** Whether a paper is played rather than read. */
export function isPlayed(paper: { kind: PaperKind; instance: DicomJson } | null): boolean {
  return paper !== null && (paper.kind === 'video' || isSound(paper.instance))
}

export function kindOfPaper(instance: DicomJson): PaperKind | null {
  if (isVideo(instance)) return 'video'
  const sopClass = text(instance, '00080016') ?? ''
  const rest = sopClass.startsWith(STORAGE) ? sopClass.slice(STORAGE.length) : ''
  if (/^88\.\d+$/.test(rest)) return 'report'
  // Presentation states of waveforms are kept below them: they hold no samples.
  if (/^9\.(?!100\.)\d+(\.\d+)*$/.test(rest)) return 'waveform'
  return ENCAPSULATED[rest] ?? (isShownElsewhere(instance, rest) ? null : 'object')
}

/** Whether it is a picture, lies over pictures, or stands in the list of what readers left: presentations, but those of waveforms. */
function isShownElsewhere(instance: DicomJson, kind: string): boolean {
  if (kindOfLayer(instance) || /^11\.\d+$/.test(kind)) return true
  return isPicture(instance) && (number(instance, TAG.Rows) ?? 0) > 0 && (number(instance, TAG.Columns) ?? 0) > 0
}
