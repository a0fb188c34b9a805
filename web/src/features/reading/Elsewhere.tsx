import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useLive } from '@/lib/api'
import { DicomDate, ProblemNote, StateSign, toastProblem } from '@/ui'
import classes from './reading.module.css'
import { askedWords, fetchedWords, priorAge, type ElsewhereStudy, type Picture } from './types'

export function useElsewhere(studyPk: number | undefined) {
  // A prior that arrived stands among the others here; until it is linked it is nowhere.
  useLive(['priors.changed', 'study.linked'], [['priors-elsewhere'], ['reading-priors']])
  return useQuery({
    queryKey: ['priors-elsewhere', studyPk],
    queryFn: ({ signal }) => http.get<Picture>(`/api/priors/studies/${studyPk}/elsewhere`, { signal }),
    enabled: studyPk !== undefined,
    staleTime: 30_000,
  })
}

const SHOWN = 4

/** What other archives have of the patient: fetched on asking, with how far it is. */
export function Elsewhere({ studyPk, studyDate }: { studyPk: number; studyDate: string | null }) {
  const client = useQueryClient()
  const found = useElsewhere(studyPk)
  const [all, setAll] = useState(false)
  if (found.error) {
    return (
      <ProblemNote
        error={found.error}
        title="What other archives have could not be fetched"
        safe="What is here is complete."
        onRetry={() => void found.refetch()}
      />
    )
  }
  const picture = found.data
  if (!picture?.archives) return null
  const refresh = () => client.invalidateQueries({ queryKey: ['priors-elsewhere', studyPk] })
  const ask = () =>
    http
      .post(`/api/priors/studies/${studyPk}/ask`)
      .then(refresh)
      .catch((error: unknown) => toastProblem(error, 'The other archives could not be asked'))
  const shown = all ? picture.studies : picture.studies.slice(0, SHOWN)
  const more = picture.studies.length - shown.length
  return (
    <section className={classes['elsewhere']} aria-label="At other archives">
      <h4>At other archives</h4>
      {shown.length ? (
        <ul className={classes['priors']}>
          {shown.map((study) => (
            <li key={study.remote_study_pk}>
              <Line study={study} studyPk={studyPk} studyDate={studyDate} onChange={refresh} />
            </li>
          ))}
        </ul>
      ) : null}
      {more > 0 ? (
        <button type="button" className={classes['link']} onClick={() => setAll(true)}>
          {more} more
        </button>
      ) : null}
      <p className={classes['quiet']} role="status">
        {picture.asked.length ? picture.asked.map(askedWords).join(' ') : 'Nobody was asked yet.'}
        {picture.differing
          ? ` ${picture.differing} ${picture.differing === 1 ? 'study contradicts' : 'studies contradict'} this patient and ${picture.differing === 1 ? 'waits' : 'wait'} in the reconciliation list.`
          : null}
      </p>
      <button type="button" className={classes['link']} onClick={() => void ask()}>
        {picture.asked.length ? 'Ask again' : 'Ask now'}
      </button>
    </section>
  )
}

function Line({
  study,
  studyPk,
  studyDate,
  onChange,
}: {
  study: ElsewhereStudy
  studyPk: number
  studyDate: string | null
  onChange: () => Promise<unknown>
}) {
  const [busy, setBusy] = useState(false)
  const act = (what: 'fetch' | 'cancel') => {
    setBusy(true)
    void http
      .post(`/api/priors/studies/${studyPk}/elsewhere/${study.remote_study_pk}/${what}`)
      .then(onChange)
      .catch((error: unknown) => toastProblem(error))
      .finally(() => setBusy(false))
  }
  const onItsWay = study.fetch_state === 'waiting' || study.fetch_state === 'fetching'
  const expected = study.number_of_study_related_instances
  return (
    <>
      <div className={classes['priorHead']}>
        <strong className={classes['priorAge']}>{priorAge(study.study_date, studyDate)}</strong>
        <span>{study.study_description || 'Study without description'}</span>
      </div>
      <div className={classes['priorNote']}>
        <span>
          {[study.modalities_in_study.join('/'), study.body_parts_examined.join(', ')].filter(Boolean).join(' · ')} ·{' '}
          <DicomDate value={study.study_date} />
          {expected ? ` · ${expected} ${expected === 1 ? 'image' : 'images'}` : null}
        </span>
        <span>at {study.archive_name}</span>
      </div>
      {study.fetch_state !== 'absent' ? (
        <div className={classes['fetching']}>
          <StateSign state={study.fetch_state === 'waiting' && study.attempts ? 'retrying' : study.fetch_state} of="queue" bare />
          <span>{fetchedWords(study)}</span>
          {study.fetch_state === 'fetching' && expected ? (
            <progress value={study.received} max={expected} aria-label="Fetched" />
          ) : null}
        </div>
      ) : null}
      {onItsWay ? (
        <button type="button" className={classes['link']} disabled={busy} onClick={() => act('cancel')}>
          Stop
        </button>
      ) : (
        <button type="button" className={classes['link']} disabled={busy} onClick={() => act('fetch')}>
          {study.fetch_state === 'failed' ? 'Try again' : study.study_pk === null ? 'Fetch' : 'Fetch the rest'}
        </button>
      )}
    </>
  )
}
