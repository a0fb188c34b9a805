import { Button } from '@mantine/core'
import { formatPersonName } from '@/lib/personname'
import { formatDicomDate } from '@/lib/time'
import { showKeys } from '@/lib/keys'
import type { Frame } from '../stacks'
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
}

const WORD: Record<KeptDocument['kind'], string> = { measurements: 'Measurements', presentation: 'Presentation', 'key-images': 'Key images', report: 'Report' }

function clock(time: string | null): string {
  return time && /^\d{4}/.test(time) ? `${time.slice(0, 2)}:${time.slice(2, 4)}` : ''
}

/** What stands on the study in the archive, and how what is drawn now gets there. */
export function KeptList({ documents, frames, applied, mayKeep, unsaved, busy, onKeep, onInsert, onShow }: KeptListProps) {
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
                <button type="button" onClick={() => onShow(one)} aria-pressed={one.sopInstanceUid === applied}>
                  <strong dir="auto">{one.label ? `${WORD[one.kind]} ${one.label}` : WORD[one.kind]}</strong>
                  <span>{[one.author ? formatPersonName(one.author) : null, formatDicomDate(one.date), clock(one.time)].filter(Boolean).join(' · ')}</span>
                </button>
                {one.sopInstanceUid === applied ? <Told document={one} frames={frames} /> : null}
              </li>
            ))}
          </ul>
        </>
      ) : null}
    </div>
  )
}

/** What an object of another program says, and what of it cannot be shown on the pictures. */
function Told({ document, frames }: { document: KeptDocument; frames: readonly Frame[] }) {
  if (document.ours) return null
  const missing = document.kind === 'report' ? notDrawn(document.instance, frames) : document.kind === 'presentation' ? notShown(document.instance) : []
  const lines = document.kind === 'report' ? linesOf(document.instance) : []
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
