import { Button, SegmentedControl, Select, Textarea, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { http, type Page } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { formatPersonName } from '@/lib/personname'
import { asProblem } from '@/lib/problem'
import { Facts, Form, Glyph, ProblemText, Section, toast, useNow, useProblemForm } from '@/ui'
import { useResources, useSite } from './data'
import classes from './desk.module.css'
import { DiagnosesField } from './DiagnosesField'
import { Picker } from './Picker'
import { SideField } from './SideField'
import { SlotPicker } from './SlotPicker'
import { orderAndBook, type Done, type Target } from './ordering'
import { PRIORITIES, type Diagnosis, type NewOrder, type PatientRecord, type Procedure, type Referrer, type Slot } from './types'
import { sayDay, wallDay, wallTime } from './walltime'

export interface Wish {
  resource?: number
  at?: string
  now?: boolean
}

const SELF_PAY = 'none'

/** What is to be done, why, for whom it is asked and who pays; beside it the times. Pressing a time orders and books. */
export function OrderForm({ record, wish, onAgain, onNext }: { record: PatientRecord; wish: Wish; onAgain: () => void; onNext: () => void }) {
  const client = useQueryClient()
  const { sites, site, choose } = useSite()
  const resources = useResources()
  const [procedure, setProcedure] = useState<Procedure>()
  const [diagnoses, setDiagnoses] = useState<Pick<Diagnosis, 'code' | 'description'>[]>([])
  const [referrer, setReferrer] = useState<Referrer>()
  const [target, setTarget] = useState<Target>()
  const [done, setDone] = useState<Done>()
  const [key] = useState(() => crypto.randomUUID())
  const wanted = useRef<Target>({ kind: 'later' })
  const sides = useRef<HTMLDivElement>(null)
  const reason = useRef<HTMLTextAreaElement>(null)
  const procedureField = useRef<HTMLInputElement>(null)
  const patientPk = record.patient.patient_pk

  const order = useProblemForm(
    {
      initialValues: {
        procedures: '',
        laterality: '',
        // Whoever cannot say who they are came as an emergency.
        requested_procedure_priority: record.patient.unidentified ? 'STAT' : 'ROUTINE',
        reason_for_the_requested_procedure: '',
        diagnosis_codes: [] as string[],
        referring_practitioner_pk: '',
        referring_physician_name: '',
        coverage_pk: record.coverages[0] ? String(record.coverages[0].coverage_pk) : SELF_PAY,
        comments: '',
      },
      validate: {
        procedures: (value) => (value ? null : 'Choose what is to be done'),
        laterality: (value) => (procedure?.laterality_required && !value ? 'Which side?' : null),
      },
    },
    async (values) => {
      const to = wanted.current
      const what: NewOrder = {
        patient_pk: patientPk,
        site_pk: site?.site_pk ?? 0,
        procedures: [{ procedure_pk: Number(values.procedures), laterality: (values.laterality || null) as 'L' | 'R' | 'B' | null }],
        requested_procedure_priority: values.requested_procedure_priority as NewOrder['requested_procedure_priority'],
        reason_for_the_requested_procedure: values.reason_for_the_requested_procedure.trim() || null,
        diagnosis_codes: values.diagnosis_codes,
        referring_practitioner_pk: values.referring_practitioner_pk ? Number(values.referring_practitioner_pk) : null,
        referring_physician_name: values.referring_physician_name || null,
        coverage_pk: values.coverage_pk === SELF_PAY ? null : Number(values.coverage_pk),
        comments: values.comments.trim() || null,
      }
      if (to.kind !== 'later') setTarget(to)
      try {
        setDone(await orderAndBook(what, to, key))
      } finally {
        setTarget(undefined)
        void client.invalidateQueries({ queryKey: ['slots'] })
        void client.invalidateQueries({ queryKey: ['patient', patientPk, 'bookings'] })
      }
    },
  )
  const values = order.form.getValues()
  const go = (to: Target) => {
    if (order.busy) return
    wanted.current = to
    if (!values.procedures) procedureField.current?.focus()
    else if (procedure?.laterality_required && !values.laterality) sides.current?.focus()
    void order.save()
  }
  useEffect(() => {
    if (!procedure) return
    if (procedure.laterality_required) sides.current?.focus()
    else reason.current?.focus()
  }, [procedure])
  const fitting = (resources.data ?? []).filter((one) => one.active && one.site_pk === site?.site_pk && one.modality === procedure?.modality)
  const now = useNow(30_000)
  const today = wallDay(now, site?.time_zone ?? 'UTC')
  const fromBoard = wish.at && wish.resource ? resources.data?.find((one) => one.modality_resource_pk === wish.resource) : undefined

  if (done) return <Booked done={done} today={today} patientPk={patientPk} onAgain={onAgain} onNext={onNext} />

  const boardSlot: Slot | undefined =
    fromBoard && wish.at && procedure
      ? {
          modality_resource_pk: fromBoard.modality_resource_pk,
          starts_at: wish.at,
          ends_at: new Date(Date.parse(wish.at) + procedure.duration_minutes * 60_000).toISOString(),
        }
      : undefined
  const walkIns = procedure ? (
    <div className={classes['slotDay']}>
      <h3>Here now</h3>
      <ul>
        {fitting.map((one) => (
          <li key={one.modality_resource_pk}>
            <button type="button" disabled={order.busy} onClick={() => go({ kind: 'walk-in', resource: one })} data-busy={(target?.kind === 'walk-in' && target.resource === one) || undefined}>
              <strong>Now</strong>
              <span>{one.name}</span>
              <small>walk-in, arrived</small>
              <span />
            </button>
          </li>
        ))}
      </ul>
      {fitting.length ? null : <p className={classes['quiet']}>No scanner of this site can do it.</p>}
    </div>
  ) : null
  const first = wish.now || values.requested_procedure_priority === 'STAT'

  return (
    <div className={classes['book']}>
      <form
        className={classes['what']}
        onSubmit={(event) => {
          event.preventDefault()
        }}
      >
        <Section title="What">
          <div className={classes['fields']}>
            <Picker<Procedure>
              id="procedures"
              ref={procedureField}
              label="Procedure"
              placeholder="Begin to type: ct head, knee, CTCHEST"
              autoFocus
              value={procedure?.code_meaning}
              error={order.form.errors['procedures']}
              search={async (typed, signal) => (await http.post<Page<Procedure>>('/api/procedures/find', { text: typed }, { signal })).items}
              keyOf={(one) => String(one.procedure_pk)}
              line={(one) => (
                <span className={classes['choice']}>
                  <span>{one.code_meaning}</span>
                  <span>
                    {one.modality} · {one.duration_minutes} min · {one.code_value}
                  </span>
                </span>
              )}
              onPick={(one) => {
                setProcedure(one)
                order.form.setFieldValue('procedures', String(one.procedure_pk))
                order.form.setFieldValue('laterality', '')
                order.form.clearErrors()
              }}
              none="The catalogue has nothing by this name."
            />
            {procedure?.laterality_required ? (
              <SideField
                ref={sides}
                value={values.laterality}
                error={order.form.errors['laterality']}
                onChange={(value) => {
                  order.form.setFieldValue('laterality', value)
                  order.form.clearFieldError('laterality')
                  reason.current?.focus()
                }}
              />
            ) : null}
            <div>
              <div className={classes['fieldLabel']} id="priority">
                Priority
              </div>
              <SegmentedControl
                aria-labelledby="priority"
                data={PRIORITIES}
                value={values.requested_procedure_priority}
                onChange={(value) => order.form.setFieldValue('requested_procedure_priority', value)}
                className={classes['priority']}
                data-chosen={values.requested_procedure_priority}
              />
            </div>
          </div>
        </Section>
        <Section title="Why">
          <div className={classes['fields']}>
            <Textarea
              ref={reason}
              label="Reason, as the referrer writes it"
              autosize
              minRows={2}
              maxRows={5}
              maxLength={400}
              {...order.form.getInputProps('reason_for_the_requested_procedure')}
            />
            <DiagnosesField
              value={diagnoses}
              error={order.form.errors['diagnosis_codes']}
              onChange={(next) => {
                setDiagnoses(next)
                order.form.setFieldValue('diagnosis_codes', next.map((one) => one.code))
                order.form.clearFieldError('diagnosis_codes')
              }}
            />
          </div>
        </Section>
        <Section title="Who asks, who pays">
          <div className={classes['fields']} data-two>
            <Picker<Referrer>
              id="referrers"
              label="Referring physician"
              placeholder="Name or NPI"
              value={referrer ? formatPersonName(referrer.person_name) : values.referring_physician_name ? formatPersonName(values.referring_physician_name) : ''}
              error={order.form.errors['referring_practitioner_pk'] ?? order.form.errors['referring_physician_name']}
              search={async (typed, signal) => (await http.post<Page<Referrer>>('/api/orders/referrers/find', { text: typed }, { signal })).items}
              keyOf={(one) => String(one.practitioner_pk)}
              line={(one) => (
                <span className={classes['choice']}>
                  <span>{formatPersonName(one.person_name)}</span>
                  <span>{one.npi ? `NPI ${one.npi}` : 'no NPI'}</span>
                </span>
              )}
              onPick={(one) => {
                setReferrer(one)
                order.form.setFieldValue('referring_practitioner_pk', String(one.practitioner_pk))
                order.form.setFieldValue('referring_physician_name', '')
              }}
              onClear={() => {
                setReferrer(undefined)
                order.form.setFieldValue('referring_practitioner_pk', '')
                order.form.setFieldValue('referring_physician_name', '')
              }}
              onText={(typed) => {
                setReferrer(undefined)
                order.form.setFieldValue('referring_practitioner_pk', '')
                order.form.setFieldValue('referring_physician_name', typed)
              }}
              none="Nobody is found by this."
            />
            <CoverageField record={record} value={values.coverage_pk} error={order.form.errors['coverage_pk']} onChange={(value) => order.form.setFieldValue('coverage_pk', value)} />
            <div data-wide>
              <TextInput label="Note for the technologist" autoComplete="off" maxLength={2000} {...order.form.getInputProps('comments')} />
            </div>
          </div>
        </Section>
      </form>

      <section className={classes['times']} aria-label="When">
        <Section title="When">
          {sites.length > 1 ? (
            <SegmentedControl
              fullWidth
              aria-label="Site"
              value={String(site?.site_pk ?? '')}
              onChange={(value) => choose(Number(value))}
              data={sites.map((one) => ({ value: String(one.site_pk), label: one.institution_name }))}
            />
          ) : null}
          {order.problem ? (
            <div className={classes['refusal']} role="alert">
              <ProblemText problem={asProblem(order.problem)} />
            </div>
          ) : null}
          {procedure && site ? (
            <>
              {first ? walkIns : null}
              {boardSlot && fromBoard ? (
                <div className={classes['slotDay']}>
                  <h3>Chosen on the board</h3>
                  {fromBoard.modality === procedure.modality ? (
                    <ul>
                      <li>
                        <button type="button" disabled={order.busy} onClick={() => go({ kind: 'slot', slot: boardSlot })}>
                          <strong>{wallTime(boardSlot.starts_at, fromBoard.time_zone)}</strong>
                          <span>{fromBoard.name}</span>
                          <small>{sayDay(wallDay(boardSlot.starts_at, fromBoard.time_zone), today)}</small>
                          <span />
                        </button>
                      </li>
                    </ul>
                  ) : (
                    <p className={classes['quiet']}>
                      {fromBoard.name} is a {fromBoard.modality}; this procedure needs {procedure.modality}.
                    </p>
                  )}
                </div>
              ) : null}
              <SlotPicker
                of={{ procedure_pk: procedure.procedure_pk, site_pk: site.site_pk }}
                zone={site.time_zone}
                resources={resources.data ?? []}
                verb="Book"
                disabled={order.busy}
                busy={target?.kind === 'slot' ? target.slot : undefined}
                onPick={(slot) => go({ kind: 'slot', slot })}
              />
              {first ? null : walkIns}
              <Button variant="default" fullWidth disabled={order.busy} onClick={() => go({ kind: 'later' })}>
                Order without a time
              </Button>
            </>
          ) : (
            <p className={classes['quiet']}>The first free times stand here as soon as the procedure is chosen. Pressing one orders and books.</p>
          )}
        </Section>
      </section>
    </div>
  )
}

function CoverageField({ record, value, error, onChange }: { record: PatientRecord; value: string; error: React.ReactNode; onChange: (value: string) => void }) {
  const client = useQueryClient()
  const [adding, setAdding] = useState(false)
  const payers = useQuery({
    queryKey: ['payers'],
    queryFn: () => http.get<Page<{ payer_pk: number; name: string }>>('/api/patients/payers'),
    staleTime: 300_000,
    enabled: adding,
  })
  const patientPk = record.patient.patient_pk
  const form = useProblemForm(
    {
      initialValues: { payer_pk: '', member_id: '' },
      validate: { payer_pk: (payer) => (payer ? null : 'Choose who pays'), member_id: (member) => (member.trim() ? null : 'As on the card') },
    },
    async (values) => {
      const priority = Math.min(3, record.coverages.length + 1)
      const next = await http.put<PatientRecord>(`/api/patients/${patientPk}/coverage`, { payer_pk: Number(values.payer_pk), member_id: values.member_id, priority })
      client.setQueryData(['patient', patientPk], next)
      const made = next.coverages.find((one) => one.priority === priority)
      if (made) onChange(String(made.coverage_pk))
      setAdding(false)
      toast('The coverage is in the patient’s record.')
    },
  )
  return (
    <div>
      <Select
        label="Coverage"
        allowDeselect={false}
        error={error}
        value={value}
        onChange={(next) => {
          if (next === 'add') setAdding(true)
          else if (next) onChange(next)
        }}
        data={[
          ...record.coverages.map((one) => ({ value: String(one.coverage_pk), label: `${one.payer.name}, ${one.member_id}` })),
          { value: SELF_PAY, label: 'Pays alone' },
          ...(record.coverages.length < 3 ? [{ value: 'add', label: 'Another insurance…' }] : []),
        ]}
      />
      {adding ? (
        <div className={classes['sheet']}>
          <Form of={form} submit="Save the coverage" onCancel={() => setAdding(false)}>
            <Select label="Payer" searchable autoFocus data={(payers.data?.items ?? []).map((one) => ({ value: String(one.payer_pk), label: one.name }))} {...form.form.getInputProps('payer_pk')} />
            <TextInput label="Member number" autoComplete="off" maxLength={80} {...form.form.getInputProps('member_id')} />
          </Form>
        </div>
      ) : null}
    </div>
  )
}

function Booked({ done, today, patientPk, onAgain, onNext }: { done: Done; today: string; patientPk: number; onAgain: () => void; onNext: () => void }) {
  const { line, booking, walkedIn } = done
  const { procedure } = line
  useKeys('Booked', [
    { keys: 'b', label: 'Book another for this patient', run: onAgain },
    { keys: 'n', label: 'Next patient', run: onNext },
  ])
  return (
    <div className={classes['done']}>
      <div className={classes['doneHead']}>
        <Glyph shape="check" size={26} />
        <div>
          <h2>{walkedIn ? 'On the scanner’s list now' : booking ? 'Booked' : 'Ordered, without a time'}</h2>
          <p>
            {line.requested_procedure.requested_procedure_description}
          </p>
        </div>
      </div>
      {booking ? (
        <p className={classes['doneWhen']}>
          <strong>
            {sayDay(wallDay(booking.starts_at, booking.time_zone), today)} {wallTime(booking.starts_at, booking.time_zone)}
          </strong>
          <span>{booking.resource_name}</span>
        </p>
      ) : (
        <p>It waits under “To schedule”.</p>
      )}
      <Facts
        facts={[
          ['Accession', line.imaging_service_request.accession_number],
          ['Takes', `${procedure.duration_minutes} min`],
          ['Preparation', procedure.preparation],
          ['Medication before', procedure.pre_medication],
          ['Contrast', procedure.requested_contrast_agent],
        ]}
      />
      <div className={classes['links']}>
        <Button component={Link} to="/desk" autoFocus>
          Day board
        </Button>
        <Button variant="default" onClick={onAgain} rightSection={<kbd>B</kbd>}>
          Another for this patient
        </Button>
        <Button variant="default" onClick={onNext} rightSection={<kbd>N</kbd>}>
          Next patient
        </Button>
        <Button variant="default" component={Link} to={`/patients/${patientPk}`}>
          Patient’s record
        </Button>
      </div>
    </div>
  )
}
