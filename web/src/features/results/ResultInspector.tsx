import { Button } from '@mantine/core'
import { IconCheck, IconFileTypePdf, IconPhoto } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useEffect } from 'react'
import { http } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { formatMoment } from '@/lib/time'
import {
  Age,
  DateTime,
  DicomDate,
  Facts,
  Glyph,
  Outline,
  Priority,
  ProblemNote,
  ProcedureName,
  Section,
  toast,
  toastProblem,
} from '@/ui'
import { ResultSign } from './ResultSign'
import classes from './results.module.css'
import { isReport, sectionsOf, waitingText, type ResultDetail, type SignedVersion } from './types'

/** So long a text must have been on the screen to count as looked at. */
const LOOKED_MS = 1500

/** The report as it stands, its key images, and where the order is when there is none yet. */
export function ResultInspector({
  detail,
  error,
  onRetry,
  onSeen,
}: {
  detail: ResultDetail | undefined
  error: unknown
  onRetry: () => void
  onSeen: (requestedProcedurePk: number) => void
}) {
  if (detail) return <Result detail={detail} onSeen={onSeen} />
  return error ? <ProblemNote error={error} title="The result could not be shown" onRetry={onRetry} /> : <Outline rows={12} />
}

function Result({ detail, onSeen }: { detail: ResultDetail; onSeen: (requestedProcedurePk: number) => void }) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const { result, versions, studies, key_images } = detail
  const pk = result.requested_procedure_pk
  const version = result.version_number
  const base = versions[0]
  const addenda = versions.filter((one) => one.kind === 'addendum').reverse()
  const preliminary = base?.kind === 'preliminary'
  const study = studies[0]
  const isStat = result.requested_procedure_priority === 'STAT'

  useEffect(() => {
    if (!result.unseen || version === null) return undefined
    const timer = setTimeout(() => {
      if (document.visibilityState !== 'visible') return
      http
        .put(`/api/results/${pk}/seen`, { version_number: version })
        .then(() => onSeen(pk))
        // Stays new, which is true: nobody can say that it was read.
        .catch(() => undefined)
    }, LOOKED_MS)
    return () => clearTimeout(timer)
  }, [result.unseen, version, pk, onSeen])

  const acknowledge = useMutation({
    mutationFn: () => http.put(`/api/results/${pk}/acknowledgment`, { version_number: version }),
    onSuccess: async () => {
      onSeen(pk)
      await client.invalidateQueries({ queryKey: ['results', 'one', pk] })
      toast('Acknowledged. It is on record that you took note of this report.')
    },
    onError: (refused) => {
      toastProblem(refused, 'This was not acknowledged')
      void client.invalidateQueries({ queryKey: ['results', 'one', pk] })
    },
  })
  const mayAcknowledge = version !== null && !result.acknowledged
  const open = (studyPk: number) => void navigate({ to: `/results/${studyPk}/images` })
  useKeys('Result', [
    { keys: 'v', label: 'Open the images', run: () => study && open(study.study_pk), disabled: !study },
    { keys: 'a', label: 'Acknowledge', run: () => acknowledge.mutate(), disabled: !mayAcknowledge || acknowledge.isPending },
  ])

  return (
    <article className={classes['result']} aria-label="Result">
      <div className={classes['reading']}>
        <header className={classes['head']}>
          <div className={classes['signs']}>
            <ResultSign state={result.state} />
            {isStat ? <Priority priority="STAT" since={isReport(result.state) ? undefined : result.ordered_at} /> : null}
          </div>
          <h2>
            {detail.procedures.map((description, index) => (
              <span key={index}>
                {index ? '; ' : ''}
                <ProcedureName
                  description={description}
                  laterality={description === result.requested_procedure_description ? result.laterality : null}
                />
              </span>
            ))}
          </h2>
          {base ? (
            <p className={classes['signed']}>
              {preliminary ? 'Read by' : 'Signed by'} {base.signed_by_name}, <DateTime value={base.signed_at} />
            </p>
          ) : null}
          <div className={classes['buttons']}>
            {study ? (
              <Button
                variant={isStat && mayAcknowledge ? 'default' : 'filled'}
                leftSection={<IconPhoto size={16} />}
                onClick={() => open(study.study_pk)}
              >
                Images
              </Button>
            ) : null}
            {versions.length ? (
              <Button
                variant="default"
                component="a"
                href={`/api/results/${pk}/pdf`}
                target="_blank"
                rel="noopener"
                leftSection={<IconFileTypePdf size={16} />}
              >
                PDF
              </Button>
            ) : null}
            {mayAcknowledge ? (
              <Button
                variant={isStat ? 'filled' : 'default'}
                leftSection={<IconCheck size={16} />}
                loading={acknowledge.isPending}
                onClick={() => acknowledge.mutate()}
              >
                Acknowledge
              </Button>
            ) : result.acknowledged && result.acknowledged_at ? (
              <span className={classes['acknowledged']}>
                <Glyph shape="check" size={13} />
                Acknowledged {formatMoment(result.acknowledged_at)}
              </span>
            ) : null}
          </div>
        </header>

        {preliminary ? (
          <p className={classes['preliminary']}>
            <Glyph shape="page" size={14} />
            <span>
              <strong>Preliminary report.</strong> Not final, may still change.
            </span>
          </p>
        ) : null}
        {detail.replaces ? (
          <p className={classes['replaced']}>
            This final report replaces the preliminary one of {formatMoment(detail.replaces)}
            {detail.seen_version_number !== null && detail.seen_version_number < (base?.version_number ?? 0) ? ', which you read.' : '.'}
          </p>
        ) : null}

        {addenda.map((one) => (
          <section key={one.version_number} className={classes['addendum']} aria-label="Addendum">
            <h3>
              <Glyph shape="plus" size={13} />
              Addendum
              <span>
                {one.signed_by_name}, {formatMoment(one.signed_at)}
              </span>
            </h3>
            <Paragraphs text={one.sections['addendum'] ?? ''} />
          </section>
        ))}
        {base ? (
          <Text version={base} />
        ) : (
          <p className={classes['waiting']}>
            {waitingText(result)}
            {result.state === 'acquired' && result.first_image_at ? (
              <>
                {' '}
                Waiting for <Age since={result.first_image_at} />.
              </>
            ) : null}
          </p>
        )}

      </div>
      <div className={classes['beside']}>
        {key_images.length ? (
          <Section title={key_images.length === 1 ? 'Key image' : `Key images (${key_images.length})`}>
            <ul className={classes['pictures']}>
              {key_images.map((image) => (
                <li key={image.key_image_pk}>
                  <button type="button" onClick={() => open(image.study_pk)} aria-label={`Open the images: ${image.note ?? 'key image'}`}>
                    <img src={image.rendered_url} alt={image.note ?? 'Key image'} loading="lazy" />
                    {image.note ? <span>{image.note}</span> : null}
                  </button>
                </li>
              ))}
            </ul>
          </Section>
        ) : study ? (
          <Section title={studies.length === 1 ? 'Images' : `Studies (${studies.length})`}>
            <ul className={classes['pictures']}>
              {studies.map((one) => (
                <li key={one.study_pk}>
                  <button type="button" onClick={() => open(one.study_pk)} aria-label={`Open ${one.study_description ?? 'the study'}`}>
                    <img src={`${one.thumbnail_url}?viewport=320,320`} alt="" loading="lazy" />
                    <span>
                      {one.modalities_in_study.join(' ')} <DicomDate value={one.study_date} /> · {one.number_of_study_related_instances} images
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          </Section>
        ) : null}

        <Section title="Order">
          <Facts
            facts={[
              ['Reason', result.reason_for_the_requested_procedure],
              ['Accession', result.accession_number],
              ['Ordered', <DateTime key="ordered" value={result.ordered_at} />],
              ['Appointment', result.starts_at ? <DateTime key="starts" value={result.starts_at} zone={result.time_zone} /> : null],
              ['Images', result.first_image_at ? <DateTime key="images" value={result.first_image_at} /> : null],
              ['Site', detail.institution_name || result.site_code],
            ]}
          />
        </Section>
      </div>
    </article>
  )
}

function Text({ version }: { version: SignedVersion }) {
  return (
    <div className={classes['text']}>
      {sectionsOf(version).map((section) => (
        <section key={section.key} className={section.key === 'impression' ? classes['impression'] : undefined}>
          <h3>{section.title}</h3>
          {section.lines.map((line, index) => (
            <p key={index}>{line}</p>
          ))}
        </section>
      ))}
    </div>
  )
}

function Paragraphs({ text }: { text: string }) {
  return text
    .split('\n')
    .filter((line) => line.trim())
    .map((line, index) => <p key={index}>{line}</p>)
}
