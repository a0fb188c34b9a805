import { Button, Checkbox, Menu } from '@mantine/core'
import { IconArrowLeft, IconChevronDown, IconLock, IconTrash } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { asProblem, http, useLive, useSession } from '@/lib/api'
import { formatDicomDate } from '@/lib/time'
import { DateTime, DicomDate, Empty, Glyph, Laterality, Outline, PatientBar, PersonName, ProblemNote, ReasonDialog, Screen, Section, toast } from '@/ui'
import { CorrectionsOf, RemovalsOf } from './Acts'
import { CorrectDialog, type Kind } from './CorrectDialog'
import { HoldDialog } from './HoldDialog'
import { ImagesDialog } from './ImagesDialog'
import type { SeriesImage } from './images'
import classes from './lifecycle.module.css'
import { RejectDialog } from './RejectDialog'
import type { Hold, Series, StudyDetail } from './types'
import { WHY_TRASH } from './words'

/** One study: its series, and what can be done to them; what was corrected and removed of it, each with its way back. */
export default function StudyScreen() {
  const { studyPk } = useParams({ strict: false }) as { studyPk: string }
  const known = /^\d{1,15}$/.test(studyPk)
  useLive(['study.updated', 'study.removed', 'study.restored'], [['study', Number(studyPk)]])
  const found = useQuery({
    queryKey: ['study', Number(studyPk)],
    queryFn: ({ signal }) => http.get<StudyDetail>(`/api/archive/studies/${studyPk}`, { signal }),
    enabled: known,
    retry: false,
  })
  const gone = !known || (found.error && asProblem(found.error).status === 404)
  const study = found.data
  return (
    <Screen
      title="Study"
      body="page"
      patient={study && !gone ? <Whose study={study} /> : null}
      actions={
        <Button component={Link} to="/studies" variant="default" leftSection={<IconArrowLeft size={16} />}>
          Studies
        </Button>
      }
    >
      {gone ? (
        <Empty title="There is no such study" hint="It may have been removed, merged into another, or hang on an order of another site.">
          <Button component={Link} to="/trash" variant="default">
            Look in the trash
          </Button>
        </Empty>
      ) : found.error ? (
        <ProblemNote error={found.error} onRetry={() => void found.refetch()} />
      ) : study ? (
        <Study key={study.study_pk} study={study} />
      ) : (
        <Outline rows={8} />
      )}
    </Screen>
  )
}

function Whose({ study }: { study: StudyDetail }) {
  if (study.patient_pk === null) {
    return (
      <p className={classes['notice']} role="status" style={{ margin: 0, borderRadius: 0 }}>
        <Glyph shape="question" size={14} />
        <span>
          <PersonName value={study.patient_name} /> {study.patient_id} {study.patient_birth_date ? `born ${formatDicomDate(study.patient_birth_date)}` : ''}: as the images say. Not of the register yet.
        </span>
      </p>
    )
  }
  return (
    <PatientBar
      patient={{
        patient_pk: study.patient_pk,
        patient_name: study.patient_name ?? '',
        patient_id: study.patient_id ?? '',
        issuer_of_patient_id: study.issuer_of_patient_id,
        patient_sex: study.patient_sex,
        patient_birth_date: study.patient_birth_date,
      }}
    />
  )
}

type Act = { kind: Kind; images?: readonly SeriesImage[] } | { kind: 'images' } | { kind: 'reject' } | { kind: 'trash' } | { kind: 'hold' }

function Study({ study }: { study: StudyDetail }) {
  const { may } = useSession()
  const client = useQueryClient()
  const navigate = useNavigate()
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set())
  const [act, setAct] = useState<Act>()
  const mayHolds = may('study.hold') || may('study.remove')
  const holds = useQuery({
    queryKey: ['holds', study.study_pk],
    queryFn: ({ signal }) => http.get<Hold[]>('/api/archive/holds', { query: { study_pk: study.study_pk }, signal }),
    enabled: mayHolds,
  })
  const held = holds.data?.[0]
  const series = study.series.filter((one) => chosen.has(one.series_pk))
  const all = series.length === study.series.length
  const some = series.length > 0
  const close = () => setAct(undefined)
  const done = (words: string, leaves: boolean) => async () => {
    await Promise.all(['corrections', 'removals', 'studies', 'holds'].map((key) => client.invalidateQueries({ queryKey: [key] })))
    toast(words)
    close()
    setChosen(new Set())
    if (leaves) await navigate({ to: '/studies' })
    else await client.invalidateQueries({ queryKey: ['study', study.study_pk] })
  }
  const toggle = (pk: number) => {
    const next = new Set(chosen)
    if (!next.delete(pk)) next.add(pk)
    setChosen(next)
  }
  const mayCorrect = may('study.reconcile')
  const mayRemove = may('study.remove')
  const what = some && !all ? `${series.length} series` : 'the study'
  return (
    <>
      <div className={classes['head']}>
        <div>
          <h2>{study.study_description ?? 'No description'}</h2>
          <p className={classes['quiet']}>
            <DicomDate value={study.study_date} /> · {study.modalities_in_study.join(', ')} · {study.accession_number ?? 'no accession number'} ·{' '}
            {study.number_of_study_related_instances.toLocaleString()} images in {study.number_of_study_related_series} series
          </p>
        </div>
        <div className={classes['buttons']}>
          {mayCorrect ? (
            <Menu position="bottom-end">
              <Menu.Target>
                <Button variant="default" rightSection={<IconChevronDown size={16} />}>
                  Correct the study
                </Button>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Item onClick={() => { setChosen(new Set()); setAct({ kind: 'edit' }) }}>Edit what it says</Menu.Item>
                <Menu.Item onClick={() => setAct({ kind: 'patient' })}>Hang it on another person</Menu.Item>
                <Menu.Item onClick={() => setAct({ kind: 'merge' })}>Merge it into another study</Menu.Item>
              </Menu.Dropdown>
            </Menu>
          ) : null}
          {may('study.hold') && !held ? (
            <Button variant="default" leftSection={<IconLock size={16} />} onClick={() => setAct({ kind: 'hold' })}>
              Hold
            </Button>
          ) : null}
          {mayRemove ? (
            <Button variant="default" leftSection={<IconTrash size={16} />} disabled={held !== undefined} onClick={() => { setChosen(new Set()); setAct({ kind: 'trash' }) }}>
              Trash
            </Button>
          ) : null}
        </div>
      </div>
      {held ? (
        <p className={classes['notice']} role="status">
          <Glyph shape="lock" size={14} />
          <span>
            <strong>Under legal hold</strong>
            {held.patient_pk !== null ? ', with all studies of this patient' : ''}: {held.reason}. By {held.placed_by}, <DateTime value={held.placed_at} />
            {held.until ? `, until ${held.until}` : ', until it is lifted'}. Nothing of it can be removed.
          </span>
        </p>
      ) : null}
      <Section title="Series">
        <div className={classes['selection']} role="toolbar" aria-label="The chosen series">
          <span>{some ? `${series.length} of ${study.series.length} chosen` : 'Choose series to correct or remove them alone'}</span>
          {mayCorrect ? (
            <>
              <Button size="compact-sm" variant="default" disabled={!some} onClick={() => setAct({ kind: 'edit' })}>
                Edit
              </Button>
              <Button size="compact-sm" variant="default" disabled={!some} onClick={() => setAct({ kind: 'move' })}>
                Move
              </Button>
              <Button size="compact-sm" variant="default" disabled={!some || all} onClick={() => setAct({ kind: 'split' })}>
                Split off
              </Button>
              <Button size="compact-sm" variant="default" disabled={series.length !== 1} onClick={() => setAct({ kind: 'images' })}>
                Choose images
              </Button>
            </>
          ) : null}
          {mayRemove ? (
            <>
              <Button size="compact-sm" variant="default" disabled={!some || held !== undefined} onClick={() => setAct({ kind: 'reject' })}>
                Reject
              </Button>
              <Button size="compact-sm" variant="default" disabled={!some || held !== undefined} onClick={() => setAct({ kind: 'trash' })}>
                Trash
              </Button>
            </>
          ) : null}
        </div>
        <table className={classes['series']}>
          <thead>
            <tr>
              <th scope="col">
                <Checkbox
                  aria-label="All series"
                  checked={all && some}
                  indeterminate={some && !all}
                  onChange={() => setChosen(all ? new Set() : new Set(study.series.map((one) => one.series_pk)))}
                />
              </th>
              <th scope="col">Series</th>
              <th scope="col">Modality</th>
              <th scope="col">Body part</th>
              <th scope="col">Images</th>
            </tr>
          </thead>
          <tbody>
            {study.series.map((one) => (
              <SeriesRow key={one.series_pk} series={one} chosen={chosen.has(one.series_pk)} onToggle={() => toggle(one.series_pk)} />
            ))}
          </tbody>
        </table>
      </Section>
      {mayCorrect ? (
        <Section title="Corrections">
          <CorrectionsOf studyPk={study.study_pk} />
        </Section>
      ) : null}
      {mayRemove ? (
        <Section title="Removed of this study">
          <RemovalsOf studyPk={study.study_pk} />
        </Section>
      ) : null}
      {act?.kind === 'images' && series[0] ? (
        <ImagesDialog study={study} series={series[0]} onClose={close} onChosen={(kind, images) => setAct({ kind, images })} />
      ) : null}
      {act && act.kind !== 'images' && act.kind !== 'reject' && act.kind !== 'trash' && act.kind !== 'hold' ? (
        <CorrectDialog
          kind={act.kind}
          study={study}
          series={act.kind === 'patient' || act.kind === 'merge' ? [] : series}
          images={act.images}
          onClose={close}
          onDone={done('It is corrected. You can take it back below.', act.kind === 'merge' || (act.kind === 'move' && all && !act.images))}
        />
      ) : null}
      {act?.kind === 'hold' ? <HoldDialog study={study} onClose={close} onDone={done('It is under legal hold.', false)} /> : null}
      {act?.kind === 'reject' ? (
        <RejectDialog study={study} series={series} onClose={close} onDone={done('It is rejected, and a note says so to other archives.', false)} />
      ) : null}
      <ReasonDialog
        opened={act?.kind === 'trash'}
        title={`Put ${what} in the trash?`}
        reasons={WHY_TRASH}
        confirm={`Put ${what} in the trash`}
        danger
        onConfirm={async (reason) => {
          const parts = some && !all ? series.map((one) => one.series_instance_uid) : [null]
          for (const uid of parts) {
            await http.post('/api/archive/removals', { study_instance_uid: study.study_instance_uid, series_instance_uid: uid, reason })
          }
          await done('It is in the trash.', !some || all)()
        }}
        onClose={close}
      >
        <p>
          It vanishes at once from lists, the viewer and for other systems. Until its days in the trash are over it can be restored as it was; then it is destroyed for good.
        </p>
      </ReasonDialog>
    </>
  )
}

function SeriesRow({ series, chosen, onToggle }: { series: Series; chosen: boolean; onToggle: () => void }) {
  const name = series.series_description ?? series.protocol_name ?? 'No description'
  return (
    <tr data-chosen={chosen || undefined}>
      <td>
        <Checkbox id={`series-${series.series_pk}`} checked={chosen} onChange={onToggle} />
      </td>
      <td>
        {/* The row is the label of its box: a finger needs no aim. */}
        <label htmlFor={`series-${series.series_pk}`}>
          {series.thumbnail_url ? <img src={`${series.thumbnail_url}?viewport=96,96`} alt="" loading="lazy" /> : <span className={classes['blank']} />}
          <span>
            {series.series_number === null ? '' : `${series.series_number}  `}
            <strong>{name}</strong>
          </span>
        </label>
      </td>
      <td>{series.modality}</td>
      <td>
        {series.body_part_examined} <Laterality value={series.laterality} />
      </td>
      <td>{series.number_of_series_related_instances.toLocaleString()}</td>
    </tr>
  )
}
