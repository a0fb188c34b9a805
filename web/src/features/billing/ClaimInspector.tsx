import { Button, Modal, Select, TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, request } from '@/lib/api'
import { DicomDate, Facts, Form, Glyph, Outline, PersonName, ProblemNote, Section, StateSign, toast, toastProblem, useProblemForm } from '@/ui'
import classes from './billing.module.css'
import { Fix } from './Fixes'
import { LineForm } from './LineForm'
import { daysBetween, formatMoney } from './money'
import { COMPONENT, NEEDS, PLACES, type Claim, type Line } from './types'

const OPEN = ['draft', 'held', 'ready']

/** A claim with each thing it lacks and the field that mends it, its lines, and who is named on it. */
export function ClaimInspector({
  claim,
  error,
  onRetry,
  mayWrite,
}: {
  claim: Claim | undefined
  error: unknown
  onRetry: () => void
  mayWrite: boolean
}) {
  const client = useQueryClient()
  const [coding, setCoding] = useState<Line>()
  const [voiding, setVoiding] = useState(false)
  const [answering, setAnswering] = useState(false)
  const [previewing, setPreviewing] = useState(false)
  if (!claim) return error ? <ProblemNote error={error} onRetry={onRetry} /> : <Outline rows={10} />
  const open = OPEN.includes(claim.state)
  const voids = claim.frequency_code === '8'
  // A void says again what was claimed.
  const changeable = open && (!voids || claim.findings.length > 0)
  const refresh = () => client.invalidateQueries({ queryKey: ['claims'] })
  const post = (step: string, done: string) =>
    http
      .post(`/api/billing/claims/${claim.claim_pk}/${step}`)
      .then(refresh)
      .then(() => toast(done))
      .catch((refused: unknown) => toastProblem(refused))
  const needs = Object.keys(NEEDS).filter((need) => claim.findings.some((finding) => finding.need === need))
  const left = -daysBetween(claim.file_by)

  return (
    <>
      <Section title={`Claim ${claim.claim_number}`} aside={<StateSign state={claim.state} of="claim" />}>
        <div className={classes['total']}>
          {formatMoney(claim.total_minor, claim.currency)} <small>{COMPONENT[claim.component] ?? claim.component}</small>
        </div>
        {claim.state_reason ? <p>{claim.state_reason}</p> : null}
        {open && !voids ? (
          <p className={left < 0 ? classes['over'] : undefined}>
            File by {claim.file_by}: {left < 0 ? `${-left} days over` : `${left} days left`}
          </p>
        ) : null}
      </Section>

      {needs.length ? (
        <Section title={claim.state === 'held' ? 'Waits for' : `Missing (${claim.findings.length})`}>
          <ul className={classes['missing']}>
            {needs.map((need) => (
              <li key={need}>
                <h3>
                  <Glyph shape={need === 'report' ? 'clock' : 'question'} size={13} />
                  {NEEDS[need]}
                </h3>
                {claim.findings
                  .filter((finding) => finding.need === need)
                  .map((finding) => (
                    <p key={`${finding.field}${finding.charge_pk}${finding.text}`}>{finding.text}.</p>
                  ))}
                {mayWrite ? <Fix need={need} claim={claim} onFixed={refresh} onCode={setCoding} /> : null}
              </li>
            ))}
          </ul>
        </Section>
      ) : null}

      <Section title={claim.lines.length === 1 ? 'Line' : 'Lines'}>
        <ol className={classes['lines']}>
          {claim.lines.map((line) => (
            <li key={line.charge_pk}>
              <div className={classes['lineHead']}>
                <strong>
                  {line.procedure_code || '—'}
                  {line.modifiers.map((modifier) => `-${modifier}`).join('')}
                </strong>
                <span>{line.units > 1 ? `${line.units} × ` : ''}</span>
                <span className={classes['amount']}>{formatMoney(line.amount_minor, claim.currency)}</span>
              </div>
              <div>{line.description}</div>
              <ul className={classes['codes']}>
                {line.diagnoses.map((diagnosis) => (
                  <li key={diagnosis.code}>
                    <span>{claim.diagnosis_codes.indexOf(diagnosis.code) + 1}</span> {diagnosis.code} {diagnosis.description}
                  </li>
                ))}
              </ul>
              {mayWrite && changeable ? (
                <Button variant="default" onClick={() => setCoding(line)}>
                  Change the coding
                </Button>
              ) : null}
            </li>
          ))}
        </ol>
      </Section>

      <Section title="On the claim">
        <Facts
          facts={[
            ['Service', <DicomDate key="service" value={claim.service_date} />],
            ['Accession', claim.accession_number],
            ['Payer', claim.coverage ? `${claim.coverage.payer_name} (${claim.coverage.payer_id})` : 'none'],
            ['Member', claim.coverage?.member_id],
            ['Group', claim.coverage?.group_number],
            ['Referrer', <Physician key="referrer" name={claim.referrer?.person_name ?? claim.referring_physician_name} npi={claim.referrer?.npi} />],
            ['Reader', claim.component === 'TC' ? null : <Physician key="reader" name={claim.reader?.person_name} npi={claim.reader?.npi} />],
            ['Bills', claim.billing_provider ? `${claim.billing_provider.name}, NPI ${claim.billing_provider.npi ?? '—'}` : 'nobody yet'],
            ['Done at', claim.site.institution_name],
            ['Place', claim.place_of_service ? `${claim.place_of_service} ${PLACES[claim.place_of_service] ?? ''}` : null],
            ['Authorisation', claim.prior_authorization],
            ['Sent as', FREQUENCY[claim.frequency_code]],
            ['Payer’s number', claim.payer_claim_control_number],
          ]}
        />
        <div className={classes['buttons']}>
          <Button variant="default" disabled={claim.findings.length > 0} onClick={() => setPreviewing(true)}>
            See it as 837P
          </Button>
          {mayWrite && open ? (
            <>
              <Button variant="default" onClick={() => void post('recheck', 'Checked again.')}>
                Check again
              </Button>
            </>
          ) : null}
          {mayWrite && claim.may_be_kept ? (
            <Button variant="default" onClick={() => void post('keep', 'The claim stands as it did before.')}>
              Do not void it
            </Button>
          ) : null}
          {mayWrite && (['denied', 'paid'].includes(claim.state) || (open && !voids)) ? (
            <Button variant="default" onClick={() => setVoiding(true)}>
              Void
            </Button>
          ) : null}
          {mayWrite && ['sent', 'accepted', 'denied', 'paid'].includes(claim.state) ? (
            <Button variant="default" onClick={() => setAnswering(true)}>
              Payer’s answer
            </Button>
          ) : null}
          {mayWrite && ['rejected', 'denied', 'paid'].includes(claim.state) ? (
            <Button onClick={() => void post('correct', 'The claim is open for correction.')}>Correct it</Button>
          ) : null}
        </div>
      </Section>

      <Modal opened={coding !== undefined} onClose={() => setCoding(undefined)} title="Coding of the line" size={560}>
        {coding ? <LineForm line={coding} onDone={() => void refresh().then(() => setCoding(undefined))} /> : null}
      </Modal>
      <Modal opened={voiding} onClose={() => setVoiding(false)} title="Void this claim?" size={460}>
        <VoidForm claim={claim} onDone={() => void refresh().then(() => setVoiding(false))} onCancel={() => setVoiding(false)} />
      </Modal>
      <Modal opened={answering} onClose={() => setAnswering(false)} title="What did the payer answer?" size={460}>
        <AnswerForm claim={claim} onDone={() => void refresh().then(() => setAnswering(false))} onCancel={() => setAnswering(false)} />
      </Modal>
      <Modal opened={previewing} onClose={() => setPreviewing(false)} title={`Claim ${claim.claim_number} as 837P (test)`} size={760}>
        <Preview claimPk={claim.claim_pk} />
      </Modal>
    </>
  )
}

function Physician({ name, npi }: { name: string | null | undefined; npi: string | null | undefined }) {
  if (!name) return <>none</>
  return (
    <>
      <PersonName value={name} first="alphabetic" />
      {npi ? `, NPI ${npi}` : ', no NPI'}
    </>
  )
}

/** Claim frequency codes (CLM05-3) that say more than "for the first time". */
const FREQUENCY: Record<string, string> = { '7': 'Replacement of what the payer has', '8': 'Void of what the payer has' }

/** What the payer can answer to a claim in a state, as the server's table has it. */
const ANSWERS: Record<string, readonly Answered[]> = {
  sent: ['accept', 'reject', 'deny', 'pay'],
  accepted: ['reject', 'deny', 'pay'],
  denied: ['pay'],
  paid: ['deny'],
}
const ANSWER: Record<Answered, string> = {
  accept: 'Accepted for adjudication',
  reject: 'Rejected before adjudication',
  deny: 'Denied',
  pay: 'Paid',
}
type Answered = 'accept' | 'reject' | 'deny' | 'pay'

function AnswerForm({ claim, onDone, onCancel }: { claim: Claim; onDone: () => void; onCancel: () => void }) {
  const form = useProblemForm<{ answer: string; payer_claim_control_number: string; reason: string }>(
    {
      initialValues: { answer: '', payer_claim_control_number: claim.payer_claim_control_number ?? '', reason: '' },
      validate: { answer: (value) => (value ? null : 'Choose one') },
    },
    async (values) => {
      await http.post(`/api/billing/claims/${claim.claim_pk}/answer`, values)
      toast('The answer is recorded.')
      onDone()
    },
  )
  return (
    <Form of={form} submit="Record the answer" onCancel={onCancel}>
      <Select
        label="Answer"
        data-autofocus
        data={(ANSWERS[claim.state] ?? []).map((value) => ({ value, label: ANSWER[value] }))}
        {...form.form.getInputProps('answer')}
      />
      <TextInput
        label="Payer’s claim number"
        description="A replacement or a void of the claim has to name it."
        maxLength={50}
        {...form.form.getInputProps('payer_claim_control_number')}
      />
      <TextInput label="Reason" maxLength={400} {...form.form.getInputProps('reason')} />
    </Form>
  )
}

function VoidForm({ claim, onDone, onCancel }: { claim: Claim; onDone: () => void; onCancel: () => void }) {
  const taken = claim.frequency_code !== '1' || ['denied', 'paid'].includes(claim.state)
  const form = useProblemForm<{ reason: string }>({ initialValues: { reason: '' } }, async (values) => {
    await http.post(`/api/billing/claims/${claim.claim_pk}/void`, values)
    toast(taken ? 'A void goes out with the next file.' : 'The claim and its charges are void.')
    onDone()
  })
  return (
    <Form of={form} submit="Void the claim" onCancel={onCancel}>
      <p>
        {taken
          ? 'The payer has this claim in its books: a void of it goes out with the next file, and it is off ours once the payer has taken that.'
          : `${formatMoney(claim.total_minor, claim.currency)} will not be asked for. The claim and its charges are kept, with your reason, and cannot be brought back.`}
      </p>
      <TextInput label="Reason" data-autofocus {...form.form.getInputProps('reason')} />
    </Form>
  )
}

function Preview({ claimPk }: { claimPk: number }) {
  const text = useQuery({
    queryKey: ['claims', 'preview', claimPk],
    queryFn: async () => (await request('GET', `/api/billing/claims/${claimPk}/837`, { headers: { Accept: '*/*' } })).text(),
    gcTime: 0,
  })
  if (text.error) return <ProblemNote error={text.error} title="It cannot be written yet" />
  if (!text.data) return <Outline rows={12} />
  return (
    <ol className={classes['edi']}>
      {text.data
        .split('\n')
        .filter(Boolean)
        .map((line, index) => (
          <li key={`${index}${line}`}>{line}</li>
        ))}
    </ol>
  )
}
