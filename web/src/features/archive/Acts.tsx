import { Button } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useLive } from '@/lib/api'
import { DateTime, Outline, ProblemNote, ReasonDialog, StateSign, toast } from '@/ui'
import { Changes } from './Changes'
import classes from './lifecycle.module.css'
import type { Correction, CorrectionPage, Removal, RemovalPage } from './types'
import { REJECTION, stateOfRemoval, tookWord } from './words'

export const KIND_WORD: Record<Correction['kind'], string> = {
  edit: 'Edited',
  patient: 'Hung on another person',
  move: 'Series moved',
  split: 'Series split off',
  merge: 'Merged',
}
/** What was done; of images it says so, as they got a series of their own. */
export function kindWord({ kind, changes }: Pick<Correction, 'kind' | 'changes'>): string {
  const ofImages = (kind === 'move' || kind === 'split') && changes.some((change) => change.field === 'SeriesInstanceUID')
  return ofImages ? (kind === 'move' ? 'Images moved' : 'Images split off') : KIND_WORD[kind]
}

const UNDO = ['It was right before', 'Wrong study chosen', 'Corrected by mistake']
const RESTORE = ['Removed by mistake', 'It was right', 'Still needed']

/** What was corrected of a study, newest first, each with its way back. */
export function CorrectionsOf({ studyPk }: { studyPk: number }) {
  useLive(['study.updated'], [['corrections']])
  const found = useQuery({
    queryKey: ['corrections', studyPk],
    queryFn: ({ signal }) => http.get<CorrectionPage>('/api/archive/corrections', { query: { study_pk: studyPk }, signal }),
  })
  if (found.error) return <ProblemNote error={found.error} onRetry={() => void found.refetch()} />
  if (!found.data) return <Outline rows={2} />
  if (!found.data.items.length) return <p className={classes['quiet']}>Nobody corrected anything here.</p>
  return (
    <ul className={classes['acts']}>
      {found.data.items.map((correction) => (
        <li key={correction.correction_pk}>
          <header>
            <StateSign state={correction.undone_at ? 'taken_back' : 'corrected'} of="object" />
            <strong>{kindWord(correction)}</strong>
            <span>{correction.reason}</span>
            <span className={classes['quiet']}>
              {correction.corrected_by}, <DateTime value={correction.corrected_at} />
            </span>
          </header>
          <CorrectionAct correction={correction} />
        </li>
      ))}
    </ul>
  )
}

/** What one correction changed, and the button that takes it back. */
export function CorrectionAct({ correction }: { correction: Correction }) {
  const client = useQueryClient()
  const [asking, setAsking] = useState(false)
  return (
    <>
      <Changes changes={correction.changes} label="What was changed" />
      {correction.undone_at ? (
        <p className={classes['quiet']}>
          Taken back by {correction.undone_by}, <DateTime value={correction.undone_at} />: {correction.undone_reason}
        </p>
      ) : (
        <Button variant="default" size="compact-sm" mt={8} onClick={() => setAsking(true)}>
          Take it back
        </Button>
      )}
      <ReasonDialog
        opened={asking}
        title="Take this correction back?"
        reasons={UNDO}
        confirm="Take it back"
        onConfirm={async (reason) => {
          await http.post(`/api/archive/corrections/${correction.correction_pk}/undo`, { reason })
          await Promise.all(['corrections', 'study', 'studies'].map((key) => client.invalidateQueries({ queryKey: [key] })))
          toast('The correction is taken back.')
        }}
        onClose={() => setAsking(false)}
      >
        <p>What leaves is then again what left before it.</p>
      </ReasonDialog>
    </>
  )
}

/** What was removed of a study. */
export function RemovalsOf({ studyPk }: { studyPk: number }) {
  useLive(['study.removed', 'study.restored'], [['removals']])
  const trash = useQuery({
    queryKey: ['removals', 'trash', studyPk],
    queryFn: ({ signal }) => http.get<RemovalPage>('/api/archive/removals', { query: { state: 'trash', study_pk: studyPk }, signal }),
  })
  const hidden = useQuery({
    queryKey: ['removals', 'hidden', studyPk],
    queryFn: ({ signal }) => http.get<RemovalPage>('/api/archive/removals', { query: { state: 'hidden', study_pk: studyPk }, signal }),
  })
  const items = [...(hidden.data?.items ?? []), ...(trash.data?.items ?? [])]
  if (trash.error) return <ProblemNote error={trash.error} onRetry={() => void trash.refetch()} />
  if (!trash.data || !hidden.data) return <Outline rows={1} />
  if (!items.length) return <p className={classes['quiet']}>Nothing of this study is hidden.</p>
  return (
    <ul className={classes['acts']}>
      {items.map((removal) => (
        <li key={removal.removal_pk}>
          <header>
            <StateSign state={stateOfRemoval(removal)} of="object" />
            <strong>{tookWord(removal)}</strong>
            <span>{reasonOf(removal)}</span>
            <span className={classes['quiet']}>
              {removal.removed_by}, <DateTime value={removal.removed_at} />
            </span>
          </header>
          <RestoreButton removal={removal} compact />
        </li>
      ))}
    </ul>
  )
}

/** Why it was removed: of a rejection the title of its note as well. */
export function reasonOf(removal: Pick<Removal, 'cause' | 'code_value' | 'reason'>): string {
  const code = removal.code_value as keyof typeof REJECTION | null
  return removal.cause === 'rejection' && code && code in REJECTION ? `Rejected: ${REJECTION[code].label.toLowerCase()}` : removal.reason
}

export function RestoreButton({ removal, compact = false }: { removal: Removal; compact?: boolean }) {
  const client = useQueryClient()
  const [asking, setAsking] = useState(false)
  const rejected = removal.cause === 'rejection'
  const act = rejected ? 'Lift the rejection' : 'Restore it'
  return (
    <>
      <Button variant="default" size={compact ? 'compact-sm' : undefined} mt={8} onClick={() => setAsking(true)}>
        {act}
      </Button>
      <ReasonDialog
        opened={asking}
        title={`${act}?`}
        reasons={RESTORE}
        confirm={act}
        onConfirm={async (reason) => {
          await http.post(`/api/archive/removals/${removal.removal_pk}/restore`, { reason })
          await Promise.all(['removals', 'study', 'studies'].map((key) => client.invalidateQueries({ queryKey: [key] })))
          toast('It is to be seen again.')
        }}
        onClose={() => setAsking(false)}
      >
        <p>
          {tookWord(removal)}: to be seen again everywhere, exactly as it was.
          {rejected ? ' The note that rejects it stays in the study, and hides it no more.' : ''}
        </p>
      </ReasonDialog>
    </>
  )
}
