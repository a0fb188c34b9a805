import { Button, Select, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { http, type Page } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { Form, toast, toastProblem, useProblemForm, Wide } from '@/ui'
import classes from './billing.module.css'
import { Diagnoses } from './LineForm'
import { parseMoney } from './money'
import { PLACES, type Claim, type Coverage, type Line, type Payer, type Practitioner } from './types'

interface FixProps {
  claim: Claim
  onFixed: () => Promise<unknown>
}

/** The field, or the way to the place, that mends one need of a claim. */
export function Fix({ need, claim, onFixed, onCode }: FixProps & { need: string; onCode: (line: Line) => void }) {
  const lines = claim.lines.filter((line) => claim.findings.some((one) => one.need === need && one.charge_pk === line.charge_pk))
  switch (need) {
    case 'coverage':
      return <CoverageFix claim={claim} onFixed={onFixed} />
    case 'referrer':
      return claim.referrer ? (
        <NpiFix key={claim.referrer.practitioner_pk} practitioner={claim.referrer} onFixed={onFixed} />
      ) : (
        <ReferrerFix claim={claim} onFixed={onFixed} />
      )
    case 'reader':
      return claim.reader ? <NpiFix practitioner={claim.reader} onFixed={onFixed} /> : <Elsewhere to="/users" label="Users" who="An administrator says who the reader is" />
    case 'diagnosis':
      return <>{lines.map((line) => <DiagnosisFix key={line.charge_pk} line={line} onFixed={onFixed} />)}</>
    case 'fee':
      return <>{lines.map((line) => <FeeFix key={line.charge_pk} line={line} onFixed={onFixed} />)}</>
    case 'coding':
      return (
        <div className={classes['buttons']}>
          {lines.map((line) => (
            <Button key={line.charge_pk} onClick={() => onCode(line)}>
              Code {line.description}
            </Button>
          ))}
        </div>
      )
    case 'duplicate':
      return <>{lines.map((line) => <DuplicateFix key={line.charge_pk} line={line} onFixed={onFixed} />)}</>
    case 'place_of_service':
      return <PlaceFix claim={claim} onFixed={onFixed} />
    case 'patient':
      return <Elsewhere to={`/patients/${claim.patient.patient_pk}`} label="Patient record" who="The front desk can correct it" />
    case 'billing_provider':
    case 'submitter':
      return <Elsewhere to="/billing/setup" label="Set it up" who="" />
    case 'site':
      return <Elsewhere to="/sites" label="Sites" who="An administrator can correct it" />
    default:
      return null
  }
}

function Elsewhere({ to, label, who }: { to: string; label: string; who: string }) {
  return (
    <div className={classes['elsewhere']}>
      <Button component={Link} to={to} variant="default">
        {label}
      </Button>
      {who ? <span>{who}; the claim follows by itself.</span> : null}
    </div>
  )
}

const text = (value: string | null | undefined) => value ?? ''

function CoverageFix({ claim, onFixed }: FixProps) {
  const payers = useQuery({ queryKey: ['payers'], queryFn: () => http.get<Page<Payer>>('/api/patients/payers') })
  const known = claim.coverage
  const form = useProblemForm<Record<keyof Coverage, string>>(
    {
      initialValues: {
        payer_pk: known ? String(known.payer_pk) : '',
        member_id: text(known?.member_id),
        priority: String(known?.priority ?? 1),
        group_number: text(known?.group_number),
        plan_name: text(known?.plan_name),
        relationship: known?.relationship ?? 'self',
        subscriber_name: text(known?.subscriber_name),
        subscriber_birth_date: text(known?.subscriber_birth_date),
        subscriber_sex: text(known?.subscriber_sex),
      },
      validate: { payer_pk: (value) => (value ? null : 'Choose who pays'), member_id: (value) => (value.trim() ? null : 'As on the card') },
    },
    async (values) => {
      const given = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.trim() === '' ? null : value]))
      await http.put(`/api/billing/claims/${claim.claim_pk}/coverage`, {
        ...given,
        payer_pk: Number(values.payer_pk),
        priority: Number(values.priority),
      })
      toast('The coverage is saved in the patient’s record.')
      await onFixed()
    },
  )
  const other = form.form.getValues().relationship !== 'self'
  const field = (name: keyof Coverage) => form.form.getInputProps(name)
  return (
    <Form of={form} submit="Save the coverage" columns={2}>
      <Wide>
        <Select
          label="Payer"
          searchable
          data={(payers.data?.items ?? []).map((payer) => ({ value: String(payer.payer_pk), label: `${payer.name} (${payer.payer_id})` }))}
          {...field('payer_pk')}
        />
      </Wide>
      <TextInput label="Member number" autoComplete="off" {...field('member_id')} />
      <TextInput label="Group" autoComplete="off" {...field('group_number')} />
      <Wide>
        <Select
          label="The patient is the insured’s"
          allowDeselect={false}
          data={[
            { value: 'self', label: 'own self' },
            { value: 'spouse', label: 'spouse' },
            { value: 'child', label: 'child' },
            { value: 'other', label: 'other' },
          ]}
          {...field('relationship')}
        />
      </Wide>
      {other ? (
        <>
          <Wide>
            <TextInput label="Insured’s name" description="Family^Given" {...field('subscriber_name')} />
          </Wide>
          <TextInput label="Insured’s birth date" placeholder="1980-05-04" {...field('subscriber_birth_date')} />
          <Select
            label="Insured’s sex"
            clearable
            data={[
              { value: 'F', label: 'Female' },
              { value: 'M', label: 'Male' },
              { value: 'O', label: 'Other' },
            ]}
            {...field('subscriber_sex')}
          />
        </>
      ) : null}
    </Form>
  )
}

function NpiFix({ practitioner, onFixed }: { practitioner: { practitioner_pk: number; person_name: string; npi: string | null }; onFixed: () => Promise<unknown> }) {
  const form = useProblemForm<{ npi: string }>(
    {
      initialValues: { npi: practitioner.npi ?? '' },
      validate: { npi: (value) => (/^\d{10}$/.test(value.trim()) ? null : 'Ten digits') },
    },
    async ({ npi }) => {
      await http.patch(`/api/billing/practitioners/${practitioner.practitioner_pk}`, { npi: npi.trim() })
      toast('The NPI is saved; every open claim with this physician follows.')
      await onFixed()
    },
  )
  return (
    <Form of={form} submit="Save the NPI">
      <TextInput
        label={`NPI of ${formatPersonName(practitioner.person_name)}`}
        inputMode="numeric"
        maxLength={10}
        autoComplete="off"
        {...form.form.getInputProps('npi')}
      />
    </Form>
  )
}

function ReferrerFix({ claim, onFixed }: FixProps) {
  const [typed, setTyped] = useState(text(claim.referring_physician_name).split('^')[0] ?? '')
  const found = useQuery({
    queryKey: ['practitioners', typed],
    queryFn: () => http.post<Practitioner[]>('/api/practitioners/find', { text: typed }),
  })
  const form = useProblemForm<{ referring_practitioner_pk: string }>(
    {
      initialValues: { referring_practitioner_pk: '' },
      validate: { referring_practitioner_pk: (value) => (value ? null : 'Choose who referred') },
    },
    async (values) => {
      await http.patch(`/api/billing/claims/${claim.claim_pk}`, {
        referring_practitioner_pk: Number(values.referring_practitioner_pk),
      })
      toast('The referrer is on the claim.')
      await onFixed()
    },
  )
  return (
    <Form of={form} submit="Save the referrer">
      <Select
        label="Referring physician"
        description={claim.referring_physician_name ? `The order says: ${formatPersonName(claim.referring_physician_name)}` : undefined}
        searchable
        searchValue={typed}
        onSearchChange={setTyped}
        nothingFoundMessage="Nobody of this name or NPI"
        data={(found.data ?? []).map((one) => ({
          value: String(one.practitioner_pk),
          label: formatPersonName(one.person_name) + (one.npi ? ` · ${one.npi}` : ' · no NPI'),
        }))}
        filter={({ options }) => options}
        {...form.form.getInputProps('referring_practitioner_pk')}
      />
    </Form>
  )
}

function DiagnosisFix({ line, onFixed }: { line: Line; onFixed: () => Promise<unknown> }) {
  const form = useProblemForm<{ diagnosis_codes: string[] }>(
    { initialValues: { diagnosis_codes: line.diagnosis_codes } },
    async (values) => {
      await http.patch(`/api/billing/charges/${line.charge_pk}`, values)
      toast('The diagnosis is on the claim.')
      await onFixed()
    },
  )
  return (
    <Form of={form} submit="Save the diagnosis">
      <Diagnoses label={`Diagnosis for ${line.description}`} known={line.diagnoses} {...form.form.getInputProps('diagnosis_codes')} />
    </Form>
  )
}

function FeeFix({ line, onFixed }: { line: Line; onFixed: () => Promise<unknown> }) {
  const modifier = line.component === 'global' ? '' : line.component
  const form = useProblemForm<{ amount_minor: string }>(
    {
      initialValues: { amount_minor: '' },
      validate: { amount_minor: (value) => (parseMoney(value) ? null : 'An amount, such as 450.00') },
    },
    async (values) => {
      await http.put('/api/billing/fees', {
        procedure_code: line.procedure_code,
        modifier,
        amount_minor: parseMoney(values.amount_minor),
        payer_pk: null,
      })
      toast('The fee is in the schedule; every open claim is priced with it.')
      await onFixed()
    },
  )
  if (!line.procedure_code) return <p>The fee follows once the line has its procedure code.</p>
  return (
    <Form of={form} submit="Save the fee">
      <TextInput
        label={`Fee of ${line.procedure_code}${modifier ? `-${modifier}` : ''} for everybody`}
        leftSection="$"
        inputMode="decimal"
        autoComplete="off"
        {...form.form.getInputProps('amount_minor')}
      />
    </Form>
  )
}

function DuplicateFix({ line, onFixed }: { line: Line; onFixed: () => Promise<unknown> }) {
  const add = (modifier: string) =>
    http
      .patch(`/api/billing/charges/${line.charge_pk}`, { modifiers: [...line.modifiers, modifier] })
      .then(onFixed)
      .then(() => toast(`Modifier ${modifier} is on the line.`))
      .catch((error: unknown) => toastProblem(error))
  return (
    <div className={classes['buttons']}>
      <Button variant="default" onClick={() => void add('76')}>
        76 repeated, same physician
      </Button>
      <Button variant="default" onClick={() => void add('77')}>
        77 repeated, another
      </Button>
      <Button variant="default" onClick={() => void add('59')}>
        59 distinct
      </Button>
    </div>
  )
}

function PlaceFix({ claim, onFixed }: FixProps) {
  const save = (place: string | null) => {
    if (!place) return
    void http
      .patch(`/api/billing/claims/${claim.claim_pk}`, { place_of_service: place })
      .then(onFixed)
      .then(() => toast('The place of service is on the claim.'))
      .catch((error: unknown) => toastProblem(error))
  }
  return (
    <Select
      label="Place of service"
      placeholder="Choose"
      data={Object.entries(PLACES).map(([value, label]) => ({ value, label: `${value} ${label}` }))}
      onChange={save}
    />
  )
}
