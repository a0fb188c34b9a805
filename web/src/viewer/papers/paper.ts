import { item, number, TAG, text, type DicomJson } from '../dicom'
import type { SeriesHead } from '../stacks'
import type { Places } from './places'
import { nameOfObject } from './object/names'
import { AVAILABLE_TRANSFER_SYNTAX, kindOfPaper, STORAGE, type PaperKind } from './kinds'

/** An object that is read, played or kept rather than scrolled. */
export interface Paper {
  /** As a stack has one: what hangs in a pane is named by it. */
  key: string
  kind: PaperKind
  studyInstanceUid: string
  seriesInstanceUid: string
  sopInstanceUid: string
  seriesNumber: number | null
  title: string
  /** `20261125` and `101530`, as DICOM writes them. */
  date: string | null
  time: string | null
  instance: DicomJson
  /** Of its WADO-RS resource. */
  path: string
}

/** What the view of a paper does for the keys and buttons of the viewer, as a stack of pictures would. */
export interface PaperHands {
  /** A line, a picture of a video, a beat: the next by 1, five on by 5. */
  step?: (by: number) => void
  end?: (last: boolean) => void
  zoom?: (factor: number) => void
  fit?: () => void
  play?: () => void
  rate?: (by: number) => void
  /** Where it is, for those who look together. */
  places?: Places
}

/** What a paper points to, where it is in a study that is opened here. */
export interface PaperLinks {
  /** `frames`: from 1; none of them: the whole object. Null: it is nowhere here. */
  find: (sopInstanceUid: string, frames: readonly number[]) => { words: string; open: () => void } | null
}

export interface PaperViewProps {
  paper: Paper
  links: PaperLinks
  /** Given once, and null when it goes: what the keys do while this pane has them. */
  onHands: (hands: PaperHands | null) => void
}

const WAVEFORMS: Readonly<Record<string, string>> = {
  '9.1.1': '12-lead ECG',
  '9.1.2': 'ECG',
  '9.1.3': 'Ambulatory ECG',
  '9.1.4': 'ECG',
  '9.2.1': 'Haemodynamics',
  '9.3.1': 'Electrophysiology',
  '9.4.1': 'Voice',
  '9.4.2': 'Sound',
  '9.5.1': 'Arterial pulse',
  '9.6.1': 'Respiration',
  '9.6.2': 'Respiration',
  '9.7.1': 'EEG',
  '9.7.2': 'EMG',
  '9.7.3': 'EOG',
  '9.7.4': 'Sleep EEG',
  '9.8.1': 'Body position',
}
const MODELS: Readonly<Record<string, string>> = { '104.3': 'STL', '104.4': 'OBJ', '104.5': 'MTL' }

/** The format of a model, `STL`. */
export function formatOf(paper: Paper): string {
  return MODELS[(text(paper.instance, '00080016') ?? '').slice(STORAGE.length)] ?? ''
}

export const KIND_WORD: Readonly<Record<PaperKind, string>> = { pdf: 'PDF', text: 'Text', report: 'Report', waveform: 'Waveform', video: 'Video', model: 'Model', object: 'Object' }

/** What a paper is, in a word or two. */
export function kindWordOf({ kind, instance }: Pick<Paper, 'kind' | 'instance'>): string {
  return (kind === 'object' && nameOfObject(text(instance, TAG.SOPClassUID) ?? '')) || KIND_WORD[kind]
}

function titleOf(instance: DicomJson, kind: PaperKind, head: SeriesHead): string {
  const described = text(instance, '0008103E') ?? head.description
  const concept = text(item(instance, '0040A043'), '00080104')
  const written = text(instance, '00420010')
  const own = {
    pdf: written ?? concept ?? described,
    text: written ?? concept ?? described,
    model: written ?? described ?? concept,
    report: concept ?? described,
    waveform: described ?? WAVEFORMS[(text(instance, '00080016') ?? '').slice(STORAGE.length)],
    video: described,
    object: text(instance, '300A0002') ?? text(instance, '00700080') ?? described ?? nameOfObject(text(instance, TAG.SOPClassUID) ?? ''),
  }[kind]
  return own ?? KIND_WORD[kind]
}

/** When it was written or taken: the first of these that it says. */
const MOMENTS = [
  ['00080023', '00080033'],
  ['0008002A', null],
  ['00080022', '00080032'],
  ['300A0006', '300A0007'],
  ['30080250', '30080251'],
  ['00080021', '00080031'],
  ['00080012', '00080013'],
] as const

function momentOf(instance: DicomJson): { date: string | null; time: string | null } {
  for (const [date, time] of MOMENTS) {
    const said = text(instance, date)
    if (!said) continue
    if (time) return { date: said, time: text(instance, time) }
    return { date: said.slice(0, 8), time: /^\d{8}(\d{4,})/.exec(said)?.[1] ?? null }
  }
  return { date: null, time: null }
}

/** What of a series is no picture and can be opened all the same, in the order of its numbers. */
export function papersOfSeries(studyInstanceUid: string, head: SeriesHead, instances: readonly DicomJson[]): Paper[] {
  const numberOf = (paper: Paper) => number(paper.instance, TAG.InstanceNumber) ?? Infinity
  return instances
    .flatMap((instance): Paper[] => {
      const kind = kindOfPaper(instance)
      const sopInstanceUid = text(instance, TAG.SOPInstanceUID)
      if (!kind || !sopInstanceUid) return []
      return [
        {
          key: `${head.seriesInstanceUid}#paper/${sopInstanceUid}`,
          kind,
          studyInstanceUid,
          seriesInstanceUid: head.seriesInstanceUid,
          sopInstanceUid,
          seriesNumber: head.seriesNumber,
          title: titleOf(instance, kind, head),
          ...momentOf(instance),
          instance,
          path: `/dicom-web/studies/${studyInstanceUid}/series/${head.seriesInstanceUid}/instances/${sopInstanceUid}`,
        },
      ]
    })
    .sort((a, b) => (numberOf(a) === numberOf(b) ? 0 : numberOf(a) - numberOf(b)) || a.sopInstanceUid.localeCompare(b.sopInstanceUid))
}

/** How the whole of a paper is saved as a file: what it holds, else the DICOM object. No name of a patient is in that of the file. */
export function fileOf(paper: Paper): { href: string; name: string; words: string } {
  const media = (text(paper.instance, '00420012') ?? '').toLowerCase()
  const rendered = `${paper.path}/rendered`
  if (paper.kind === 'pdf' && media === 'application/pdf') return { href: rendered, name: 'document.pdf', words: 'Save the PDF' }
  if (paper.kind === 'text' && media) return { href: rendered, name: 'document.xml', words: 'Save the text' }
  if (paper.kind === 'model' && media) return { href: rendered, name: `model.${formatOf(paper).toLowerCase()}`, words: `Save the ${formatOf(paper)} file` }
  if (paper.kind === 'video') return { href: rendered, name: videoName(paper), words: 'Save the video' }
  const query = new URLSearchParams({
    requestType: 'WADO',
    studyUID: paper.studyInstanceUid,
    seriesUID: paper.seriesInstanceUid,
    objectUID: paper.sopInstanceUid,
    contentType: 'application/dicom',
  })
  return { href: `/dicom-web/wado?${query}`, name: `${paper.kind}.dcm`, words: 'Save the DICOM file' }
}

/** Which coding a film has, as people name it. */
export function codingOf(paper: Paper): 'MPEG-2' | 'H.264' | 'H.265' {
  const number = Number(/4\.(\d+)/.exec((text(paper.instance, AVAILABLE_TRANSFER_SYNTAX) ?? '').slice('1.2.840.10008.1.2.'.length))?.[1])
  return number < 102 ? 'MPEG-2' : number < 107 ? 'H.264' : 'H.265'
}

function videoName(paper: Paper): string {
  return codingOf(paper) === 'MPEG-2' ? 'video.mpg' : 'video.mp4'
}
