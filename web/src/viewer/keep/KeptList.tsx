import { Button } from '@mantine/core'
import { useState } from 'react'
import { formatPersonName } from '@/lib/personname'
import { formatDicomDate } from '@/lib/time'
import { showKeys } from '@/lib/keys'
import { number, TAG } from '../dicom'
import type { Frame } from '../stacks'
import { selectionOf } from './keyObjects'
import { notShown } from './presentation'
import { linesOf, notDrawn } from './reports'
import { measured, standing, type KeptDocument } from './structured'
import classes from './keep.module.css'

export interface KeptListProps {
  documents: readonly KeptDocument[]
  /** The pictures of the study. */
  frames: readonly Frame[]
  /** The presentation state that is laid over the pictures now. */
  applied: string | null
  mayKeep: boolean
  unsaved: boolean
  busy: boolean
  onKeep: () => void
  onInsert: () => void
  onShow: (document: KeptDocument) => void
  onPicture: (imageId: string) => void
  /** Opens all that it says in a pane. */
  onRead: (document: KeptDocument) => void
}

const WORD: Record<KeptDocument['kind'], string> = { measurements: 'Measurements', presentation: 'Presentation', 'key-images': 'Key images', report: 'Report' }

function clock(time: string | null): string {
  return time && /^\d{4}/.test(time) ? `${time.slice(0, 2)}:${time.slice(2, 4)}` : ''
}

/** What stands on the study in the archive, and how what is drawn now gets there. */
export function KeptList({ documents, frames, applied, mayKeep, unsaved, busy, onKeep, onInsert, onShow, onPicture, onRead }: KeptListProps) {
  const [opened, setOpened] = useState<string | null>(null)
  // A report that says that none stand any more has nothing to show, and those before it have gone.
  const shown = standing(documents).filter((one) => one.kind !== 'measurements' || measured(one.instance).length > 0)
  return (
    <div className={classes['kept']}>
      {mayKeep ? (
        <>
          <p role="status" data-unsaved={unsaved || undefined}>
            {unsaved ? 'Not kept yet' : 'Nothing new to keep'}
          </p>
          <Button size="compact-sm" fullWidth onClick={onKeep} loading={busy} variant={unsaved ? 'filled' : 'default'} rightSection={<kbd>{showKeys('Shift+K')}</kbd>}>
            Keep in the archive
          </Button>
          <Button size="compact-sm" fullWidth variant="default" onClick={onInsert} rightSection={<kbd>{showKeys('Shift+I')}</kbd>}>
            Put into the report
          </Button>
        </>
      ) : (
        <p>Measurements made here are gone when the study is left: keeping them is for people who report.</p>
      )}
      {shown.length ? (
        <>
          <h4>On this study</h4>
          <ul>
            {shown.map((one) => (
              <li key={one.sopInstanceUid}>
                {one.kind === 'presentation' ? null : (
                  <button type="button" className={classes['read']} aria-label={`Read ${one.label ?? WORD[one.kind]}`} onClick={() => onRead(one)}>
                    Read
                  </button>
                )}
                {one.kind === 'key-images' ? (
                  <KeyImages
                    document={one}
                    frames={frames}
                    opened={one.sopInstanceUid === opened}
                    onOpen={() => setOpened(one.sopInstanceUid === opened ? null : one.sopInstanceUid)}
                    onPicture={onPicture}
                  />
                ) : (
                  <>
                    <button type="button" onClick={() => onShow(one)} aria-pressed={one.sopInstanceUid === applied}>
                      <strong dir="auto">{one.label ? `${WORD[one.kind]} ${one.label}` : WORD[one.kind]}</strong>
                      <span>{madeBy(one)}</span>
                    </button>
                    {one.sopInstanceUid === applied ? <Told document={one} frames={frames} /> : null}
                  </>
                )}
              </li>
            ))}
          </ul>
        </>
      ) : null}
    </div>
  )
}

const madeBy = (one: KeptDocument) => [one.author ? formatPersonName(one.author) : null, formatDicomDate(one.date), clock(one.time)].filter(Boolean).join(' · ')

/** The pictures that somebody selected, here or in another system: the first is shown at once, each by its own button. */
function KeyImages({ document, frames, opened, onOpen, onPicture }: { document: KeptDocument; frames: readonly Frame[]; opened: boolean; onOpen: () => void; onPicture: (imageId: string) => void }) {
  const selection = selectionOf(document.instance, frames)
  const [first] = selection.frames
  const word = selection.isKey ? WORD['key-images'] : 'Pictures'
  return (
    <>
      <button
        type="button"
        aria-expanded={opened}
        onClick={() => {
          if (!opened && first) onPicture(first.imageId)
          onOpen()
        }}
      >
        <strong dir="auto">{selection.title ? `${word} ${selection.title}` : word}</strong>
        <span>{madeBy(document)}</span>
      </button>
      {opened ? (
        <div className={classes['told']}>
          {selection.description ? <p dir="auto">{selection.description}</p> : null}
          {selection.missing ? (
            <p role="note">{selection.frames.length ? `${selection.missing} more of them ${selection.missing === 1 ? 'is' : 'are'} not on this study.` : 'Its pictures are not on this study.'}</p>
          ) : null}
          {selection.frames.map((frame, at) => (
            <button key={frame.imageId} type="button" onClick={() => onPicture(frame.imageId)}>
              {wordsOf(frame, at)}
            </button>
          ))}
        </div>
      ) : null}
    </>
  )
}

/** `Series 3 · image 12`, as the panes say it. */
function wordsOf(frame: Frame, at: number): string {
  const series = number(frame.metadata, TAG.SeriesNumber)
  const frames = number(frame.metadata, TAG.NumberOfFrames) ?? 1
  return [
    series === null ? null : `Series ${series}`,
    `image ${frame.instanceNumber ?? at + 1}`,
    frames > 1 ? `frame ${frame.frameNumber}` : null,
  ].filter(Boolean).join(' · ')
}

/** What an object of another program says, and what of it cannot be shown on the pictures. */
function Told({ document, frames }: { document: KeptDocument; frames: readonly Frame[] }) {
  if (document.ours) return null
  const missing = document.kind === 'report' ? notDrawn(document.instance, frames) : document.kind === 'presentation' ? notShown(document.instance) : []
  const lines = document.kind === 'report' ? linesOf(document.instance).filter((line) => line.value || line.isHead) : []
  return (
    <div className={classes['told']}>
      {missing.map((words) => (
        <p key={words} role="note">
          {words}
        </p>
      ))}
      {lines.map((line, at) => (
        <p key={at} dir="auto" style={{ paddingInlineStart: `${Math.min(line.depth, 5) * 8}px` }}>
          {line.name}
          {line.value ? <strong>{line.value}</strong> : null}
        </p>
      ))}
      {document.kind === 'report' && lines.length === 0 ? <p role="note">It says nothing in words.</p> : null}
    </div>
  )
}
