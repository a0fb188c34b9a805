import { Button, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconArrowsExchange } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { ApiProblem, http, type Page } from '@/lib/api'
import { formatDicomDate, formatMoment, formatPersonAge } from '@/lib/time'
import { ConfirmIrreversible, PersonName, ProblemNote, Section, toast } from '@/ui'
import classes from './patients.module.css'
import { SEX, type Bar, type Candidate, type FoundPatient, type Merged, type PatientRecord } from './types'

const LIKELY = 80

function Line({ bar, city }: { bar: Bar; city?: string | null }) {
  return (
    <div className={classes['person']}>
      <strong>
        <PersonName value={bar.patient_name} />
      </strong>
      <span>
        {[
          SEX[bar.patient_sex ?? ''] ?? 'Sex unknown',
          bar.patient_birth_date ? `${formatPersonAge(bar.patient_birth_date)}, born ${formatDicomDate(bar.patient_birth_date)}` : 'birth date unknown',
          [bar.patient_id, bar.issuer_of_patient_id].filter(Boolean).join(' '),
          city,
        ]
          .filter(Boolean)
          .join(' · ')}
      </span>
    </div>
  )
}

/** Other records that may be this person, records that were merged into this one, and the way together and apart. */
export function Duplicates({ record, mayWrite }: { record: PatientRecord; mayWrite: boolean }) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const pk = record.patient.patient_pk
  const [other, setOther] = useState<Bar>()
  const [keepsOther, setKeepsOther] = useState(false)
  const [reason, setReason] = useState('')
  const [apart, setApart] = useState<Merged>()
  const [searching, setSearching] = useState(false)
  const alike = useQuery({ queryKey: ['patient', pk, 'duplicates'], queryFn: () => http.get<Page<Candidate>>(`/api/patients/${pk}/duplicates`) })
  const stays = keepsOther ? other : record.bar
  const goes = keepsOther ? record.bar : other
  const begin = (bar: Bar) => {
    // Somebody who was not identified is merged into the known person, not the other way round.
    setKeepsOther(record.bar.unidentified && !bar.unidentified)
    setReason('')
    setOther(bar)
  }
  return (
    <>
      <Section
        title="Same person twice?"
        aside={
          mayWrite ? (
            <Button variant="default" onClick={() => setSearching(!searching)}>
              Find another record
            </Button>
          ) : null
        }
      >
        {searching ? <Search leaveOut={pk} onFound={begin} /> : null}
        {alike.error ? <ProblemNote error={alike.error} onRetry={() => void alike.refetch()} /> : null}
        {alike.data && !alike.data.items.length ? <p className={classes['quiet']}>No other record resembles this one.</p> : null}
        {alike.data?.items.map((one) => (
          <div key={one.found.bar.patient_pk} className={classes['card']} data-likely={one.score >= LIKELY || undefined}>
            <Line bar={one.found.bar} city={one.found.city} />
            <p className={classes['quiet']}>
              <strong>{one.score} %</strong> {one.reasons.join(', ')}
            </p>
            <div className={classes['buttons']}>
              <Button variant="default" onClick={() => void navigate({ to: `/patients/${one.found.bar.patient_pk}` })}>
                Open
              </Button>
              {mayWrite ? (
                <Button variant="default" onClick={() => begin(one.found.bar)}>
                  Merge
                </Button>
              ) : null}
            </div>
          </div>
        ))}
      </Section>
      {record.merged.length ? (
        <Section title="Merged into this record">
          {record.merged.map((one) => (
            <div key={one.merged_patient_pk} className={classes['card']}>
              <p>{one.reason}</p>
              <p className={classes['quiet']}>
                {formatMoment(one.merged_at)} by {one.merged_by}
              </p>
              {mayWrite ? (
                <div className={classes['buttons']}>
                  <Button variant="default" onClick={() => setApart(one)}>
                    Take apart again
                  </Button>
                </div>
              ) : null}
            </div>
          ))}
        </Section>
      ) : null}
      <ConfirmIrreversible
        opened={other !== undefined}
        title="Make two records one?"
        confirm="Merge the records"
        onClose={() => setOther(undefined)}
        onConfirm={async () => {
          if (!stays || !goes) return
          if (!reason.trim()) throw new ApiProblem(422, { detail: 'Say how you know that these are one person; it stands beside the merge.' })
          await http.post(`/api/patients/${stays.patient_pk}/merge`, { merged_patient_pk: goes.patient_pk, reason: reason.trim() })
          toast('The records are merged.')
          setSearching(false)
          await client.invalidateQueries({ queryKey: ['patient'] })
          if (stays.patient_pk !== pk) await navigate({ to: `/patients/${stays.patient_pk}`, replace: true })
        }}
      >
        {stays && goes ? (
          <div className={classes['merge']}>
            <div>
              <h3>Stays</h3>
              <Line bar={stays} />
            </div>
            <Button variant="default" leftSection={<IconArrowsExchange size={16} />} onClick={() => setKeepsOther(!keepsOther)}>
              The other way round
            </Button>
            <div>
              <h3>Goes into it</h3>
              <Line bar={goes} />
            </div>
            <p>
              Orders, images, reports and claims of both will stand under the record that stays; its name, birth date and sex are kept. If they are two people, wrong
              results would be read for one of them. The merge is recorded and can be taken apart.
            </p>
            <TextInput label="How do you know?" placeholder="Identity card seen" value={reason} maxLength={200} onChange={(event) => setReason(event.currentTarget.value)} />
          </div>
        ) : null}
      </ConfirmIrreversible>
      <ConfirmIrreversible
        opened={apart !== undefined}
        title="Take the records apart?"
        confirm="Take them apart"
        onClose={() => setApart(undefined)}
        onConfirm={async () => {
          if (!apart) return
          await http.post(`/api/patients/${apart.merged_patient_pk}/unmerge`)
          toast('The records are two again.')
          await client.invalidateQueries({ queryKey: ['patient'] })
        }}
      >
        <p>What was moved from the other record at the merge goes back to it. What was added since stays here: look through it afterwards.</p>
      </ConfirmIrreversible>
    </>
  )
}

function Search({ leaveOut, onFound }: { leaveOut: number; onFound: (bar: Bar) => void }) {
  const [text, setText] = useState('')
  const [settled] = useDebouncedValue(text.trim(), 150)
  const found = useQuery({
    queryKey: ['patients', 'find', settled],
    queryFn: ({ signal }) => http.post<Page<FoundPatient>>('/api/patients/find', { text: settled, limit: 6 }, { signal }),
    enabled: settled.length >= 2,
    gcTime: 30_000,
  })
  const items = found.data?.items.filter((one) => one.bar.patient_pk !== leaveOut) ?? []
  return (
    <div className={classes['sheet']}>
      <TextInput aria-label="The other record" placeholder="Name, identifier or birth date" autoFocus autoComplete="off" value={text} onChange={(event) => setText(event.currentTarget.value)} />
      {settled.length >= 2 && found.data && !items.length ? <p className={classes['quiet']}>No other record is found by this.</p> : null}
      {settled.length >= 2
        ? items.map((one) => (
            <button key={one.bar.patient_pk} type="button" className={classes['hit']} onClick={() => onFound(one.bar)}>
              <Line bar={one.bar} city={one.city} />
            </button>
          ))
        : null}
    </div>
  )
}
