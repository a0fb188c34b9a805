import { Button, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { http, useLive, type Answer } from '@/lib/api'
import { DateTime, Empty, Glyph, Outline, PersonName, Priority, ProblemNote, ProcedureName } from '@/ui'
import classes from './reconciliation.module.css'
import { fieldWord, identityDiffers, shown, speaking, split, tally, verdictOf } from './rules'
import type { Candidate, CandidatePage, Compared } from './types'

/** The orders that something may belong to, the likeliest first, and one of them held against what it says. */
export function Orders({
  of,
  says,
  children,
}: {
  /** Where its candidates are asked for. */
  of: string
  /** Who speaks, as a heading: `The images say`. */
  says: string
  /** What can be done with the chosen order; `found`: all that fit. */
  children: (chosen: Candidate, found: readonly Candidate[]) => ReactNode
}) {
  const [typed, setTyped] = useState('')
  const [q] = useDebouncedValue(typed.trim(), 250)
  const [chosenPk, setChosenPk] = useState<number>()
  useLive(['order.changed', 'step.changed', 'patient.changed', 'study.linked'], [['candidates', of]])
  const candidates = useQuery({
    queryKey: ['candidates', of, q],
    queryFn: ({ signal }) => http.post<CandidatePage>(`${of}/candidates`, { text: q }, { signal }),
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
          {chosen ? (
            <div className={classes['comparison']} key={chosen.requested_procedure_pk}>
              <Comparison candidate={chosen} says={says} />
              {children(chosen, found)}
            </div>
          ) : null}
        </div>
      )}
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

function Comparison({ candidate, says }: { candidate: Candidate; says: string }) {
  return (
    <table>
      <thead>
        <tr>
          <td />
          <th scope="col">{says}</th>
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
  )
}

function Row({ compared }: { compared: Compared }) {
  const look = verdictOf(compared)
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

/** Where name, identifier, birth date or sex differ: the wrong patient is near. */
export function PatientDiffers({ candidates, say }: { candidates: readonly Candidate[]; say: string }) {
  const wrong = new Map(candidates.flatMap(identityDiffers).map((one) => [one.field, one]))
  if (!wrong.size) return null
  return (
    <div className={classes['warning']} role="alert">
      <Glyph shape="alert" size={16} />
      <div>
        <strong>It may be another patient:</strong>
        <ul>
          {[...wrong.values()].map((one) => (
            <li key={one.field}>
              {fieldWord(one.field)}: {say} <strong>{shown(one.field, one.study)}</strong>, the order{' '}
              <strong>{shown(one.field, one.order)}</strong>
            </li>
          ))}
        </ul>
      </div>
    </div>
  )
}
