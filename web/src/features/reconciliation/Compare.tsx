import { Button, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useLive, type Answer } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { Age, DateTime, Empty, Glyph, Outline, PersonName, Priority, ProblemNote, ProcedureName, ReasonDialog, StateSign, toast } from '@/ui'
import classes from './reconciliation.module.css'
import { fieldWord, identityDiffers, reasonText, shown, speaking, split, studyWords, tally, VERDICT } from './rules'
import type { Candidate, CandidatePage, Compared, StudyDetail, Waiting } from './types'

const WHY = [
  'Wrong worklist entry chosen at the scanner',
  'Patient ID mistyped at the scanner',
  'Scanned before the order was placed',
  'Brought from elsewhere',
  'Name changed or spelt otherwise',
]

/** One waiting study beside the orders it may belong to. */
export function Compare({ study }: { study: Waiting }) {
  const [typed, setTyped] = useState('')
  const [q] = useDebouncedValue(typed.trim(), 250)
  const [chosenPk, setChosenPk] = useState<number>()
  useLive(['order.changed', 'step.changed', 'patient.changed', 'study.linked'], [['candidates', study.study_pk]])
  const candidates = useQuery({
    queryKey: ['candidates', study.study_pk, q],
    queryFn: ({ signal }) =>
      http.post<CandidatePage>(`/api/reconciliation/${study.study_pk}/candidates`, { text: q }, { signal }),
    placeholderData: keepPreviousData,
    retry: false,
  })
  // What is booked is told by the clock of its site, as at the desk.
  const sites = useQuery({ queryKey: ['all-sites'], queryFn: () => http.get<Answer<'/api/sites', 'get'>>('/api/sites'), staleTime: 300_000 })
  const zoneOf = (code: string) => sites.data?.find((site) => site.code === code)?.time_zone
  const found = candidates.data?.items
  const [all, setAll] = useState(false)
  const { likely, others } = split(found ?? [])
  const listed = q || all ? (found ?? []) : likely
  const chosen = listed.find((one) => one.requested_procedure_pk === chosenPk) ?? listed[0]
  return (
    <>
      <StudyHead study={study} />
      <section className={classes['candidates']} aria-labelledby="candidates-title">
        <header>
          <h3 id="candidates-title">Orders it may belong to</h3>
          <TextInput
            aria-label="Find another order"
            placeholder="Accession, name or patient ID"
            leftSection={<IconSearch size={16} aria-hidden />}
            value={typed}
            maxLength={100}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
        </header>
        {candidates.error && !found ? (
          <ProblemNote error={candidates.error} title="The orders could not be fetched" onRetry={() => void candidates.refetch()} />
        ) : found === undefined ? (
          <Outline rows={5} />
        ) : found.length === 0 ? (
          <Empty
            title="No order fits"
            hint={
              q
                ? 'Nothing begins with what was typed. Accession numbers, names and whole patient IDs are looked for.'
                : 'Look for one by accession number, name or patient ID; or have the front desk place the order first.'
            }
          />
        ) : (
          <div className={classes['choice']}>
            <ul className={classes['orders']}>
              {listed.map((one) => (
                <li key={one.requested_procedure_pk}>
                  <OrderCard candidate={one} zone={zoneOf(one.site_code)} chosen={one === chosen} onChoose={() => setChosenPk(one.requested_procedure_pk)} />
                </li>
              ))}
              {others.length && !q ? (
                <li>
                  <Button variant="subtle" fullWidth onClick={() => setAll(!all)}>
                    {all ? 'Only the likely ones' : `${others.length} less likely`}
                  </Button>
                </li>
              ) : null}
            </ul>
            {chosen ? <Comparison key={chosen.requested_procedure_pk} study={study} candidate={chosen} /> : null}
          </div>
        )}
      </section>
    </>
  )
}

function StudyHead({ study }: { study: Waiting }) {
  useLive(['study.updated'], [['study', study.study_pk]])
  const detail = useQuery({
    queryKey: ['study', study.study_pk],
    queryFn: ({ signal }) => http.get<StudyDetail>(`/api/archive/studies/${study.study_pk}`, { signal }),
  })
  const pictures = detail.data?.series.filter((series) => series.thumbnail_url).slice(0, 4) ?? []
  return (
    <section className={classes['study']}>
      <div>
        <h2>
          {studyWords(study)}
        </h2>
        <p className={classes['sub']}>
          {study.number_of_study_related_instances} {study.number_of_study_related_instances === 1 ? 'image' : 'images'}, came{' '}
          <Age since={study.arrived_at} /> ago (<DateTime value={study.arrived_at} />)
        </p>
        <ul className={classes['reasons']}>
          {study.reasons.map((reason, index) => (
            <li key={`${reason['field']} ${index}`}>
              <Glyph shape="alert" size={13} /> {reasonText(reason)}
            </li>
          ))}
        </ul>
      </div>
      <div className={classes['pictures']}>
        {pictures.map((series) => (
          <img key={series.series_pk} src={`${series.thumbnail_url}?viewport=128,128`} alt={series.series_description ?? 'A series'} />
        ))}
      </div>
    </section>
  )
}

function OrderCard({ candidate, zone, chosen, onChoose }: { candidate: Candidate; zone: string | undefined; chosen: boolean; onChoose: () => void }) {
  const { agrees, similar, differs } = tally(candidate)
  return (
    <button type="button" className={classes['order']} aria-pressed={chosen} onClick={onChoose}>
      <span className={classes['orderTop']}>
        <PersonName value={candidate.patient.patient_name} first="alphabetic" />
        <span>{candidate.accession_number}</span>
      </span>
      <span className={classes['orderWhat']}>
        <ProcedureName description={candidate.requested_procedure_description} laterality={candidate.laterality} />
      </span>
      <span className={classes['orderWhat']}>
        {candidate.starts_at ? <DateTime value={candidate.starts_at} zone={zone} /> : 'not scheduled'} · {candidate.site_code}
        {candidate.requested_procedure_priority === 'ROUTINE' ? null : <Priority priority={candidate.requested_procedure_priority} />}
      </span>
      <span className={classes['tally']}>
        <b data-tint="safe">
          <Glyph shape="check" size={12} /> {agrees} agree
        </b>
        {similar ? (
          <b data-tint="urgent">
            <Glyph shape="half" size={12} /> {similar} similar
          </b>
        ) : null}
        {differs.length ? (
          <b data-tint="danger">
            <Glyph shape="alert" size={12} /> {differs.length} differ
          </b>
        ) : null}
      </span>
    </button>
  )
}

function Comparison({ study, candidate }: { study: Waiting; candidate: Candidate }) {
  const client = useQueryClient()
  const [asking, setAsking] = useState(false)
  const wrong = identityDiffers(candidate)
  const images = study.number_of_study_related_instances
  return (
    <div className={classes['comparison']}>
      <table>
        <thead>
          <tr>
            <td />
            <th scope="col">The images say</th>
            <th scope="col">The order says</th>
            <th scope="col">
              <span className="sr-only">Verdict</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {speaking(candidate).map((one) => (
            <Row key={one.field} compared={one} />
          ))}
        </tbody>
      </table>
      <div className={classes['act']}>
        <StateSign state={candidate.state} of="procedure" />
        <span>
          {candidate.studies
            ? `${candidate.studies === 1 ? 'A study hangs' : `${candidate.studies} studies hang`} on this order already.`
            : 'No images hang on this order yet.'}
        </span>
        <Button size="md" onClick={() => setAsking(true)}>
          Hang the images on this order
        </Button>
      </div>
      <ReasonDialog
        opened={asking}
        title="Hang the images on this order?"
        reasons={WHY}
        confirm={`Hang ${images} ${images === 1 ? 'image' : 'images'} on ${candidate.accession_number}`}
        danger={wrong.length > 0}
        onConfirm={async (reason) => {
          await http.post(`/api/reconciliation/${study.study_pk}`, {
            requested_procedure_pk: candidate.requested_procedure_pk,
            reason,
          })
          await Promise.all([
            client.invalidateQueries({ queryKey: ['reconciliation'] }),
            client.invalidateQueries({ queryKey: ['reconciled'] }),
          ])
          toast('The images hang on their order.')
        }}
        onClose={() => setAsking(false)}
      >
        <p>
          The images will show <strong>{formatPersonName(candidate.patient.patient_name)}</strong>, {candidate.patient.patient_id}, and go to
          reading. What they brought stays kept, and this can be taken back under Decided.
        </p>
        {wrong.length ? (
          <div className={classes['warning']} role="alert">
            <Glyph shape="alert" size={16} />
            <div>
              <strong>It may be another patient:</strong>
              <ul>
                {wrong.map((one) => (
                  <li key={one.field}>
                    {fieldWord(one.field)}: the images say <strong>{shown(one.field, one.study)}</strong>, the order{' '}
                    <strong>{shown(one.field, one.order)}</strong>
                  </li>
                ))}
              </ul>
            </div>
          </div>
        ) : null}
      </ReasonDialog>
    </div>
  )
}

function Row({ compared }: { compared: Compared }) {
  const look = VERDICT[compared.verdict]
  return (
    <tr data-verdict={compared.verdict}>
      <th scope="row">{fieldWord(compared.field)}</th>
      <td>
        <bdi>{shown(compared.field, compared.study) || <span className={classes['nothing']}>nothing</span>}</bdi>
      </td>
      <td>
        <bdi>{shown(compared.field, compared.order) || <span className={classes['nothing']}>nothing</span>}</bdi>
      </td>
      <td>
        <b data-tint={look.tint}>
          <Glyph shape={look.shape} size={13} /> {look.word}
        </b>
      </td>
    </tr>
  )
}
