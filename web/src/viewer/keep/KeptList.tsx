import { Button } from '@mantine/core'
import { formatPersonName } from '@/lib/personname'
import { formatDicomDate } from '@/lib/time'
import { showKeys } from '@/lib/keys'
import type { KeptDocument } from './structured'
import classes from './keep.module.css'

export interface KeptListProps {
  documents: readonly KeptDocument[]
  /** The presentation state that is laid over the pictures now. */
  applied: string | null
  mayKeep: boolean
  unsaved: boolean
  busy: boolean
  onKeep: () => void
  onInsert: () => void
  onShow: (document: KeptDocument) => void
}

const WORD: Record<KeptDocument['kind'], string> = { measurements: 'Measurements', presentation: 'Presentation', 'key-images': 'Key images' }

function clock(time: string | null): string {
  return time && /^\d{4}/.test(time) ? `${time.slice(0, 2)}:${time.slice(2, 4)}` : ''
}

/** What stands on the study in the archive, and how what is drawn now gets there. */
export function KeptList({ documents, applied, mayKeep, unsaved, busy, onKeep, onInsert, onShow }: KeptListProps) {
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
        <p>Kept while this study is open.</p>
      )}
      {documents.length ? (
        <>
          <h4>On this study</h4>
          <ul>
            {documents.map((one) => (
              <li key={one.sopInstanceUid}>
                <button type="button" onClick={() => onShow(one)} aria-pressed={one.sopInstanceUid === applied}>
                  <strong>{one.label ? `${WORD[one.kind]} ${one.label}` : WORD[one.kind]}</strong>
                  <span>{[one.author ? formatPersonName(one.author) : null, formatDicomDate(one.date), clock(one.time)].filter(Boolean).join(' · ')}</span>
                </button>
              </li>
            ))}
          </ul>
        </>
      ) : null}
    </div>
  )
}
