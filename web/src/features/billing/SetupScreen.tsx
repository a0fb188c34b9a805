import { Button, Modal, SegmentedControl, Select, TextInput } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useSession, type Page } from '@/lib/api'
import { Form, Outline, ProblemNote, Screen, Section, toast, toastProblem, useProblemForm, Wide, WorkList, type WorkAction, type WorkColumn } from '@/ui'
import classes from './billing.module.css'
import { formatMoney, parseMoney } from './money'
import type { Fee, Payer, Provider, Settings, Submitter } from './types'

const COLUMNS: readonly WorkColumn<Fee>[] = [
  { id: 'procedure_code', label: 'Code', value: (fee) => fee.procedure_code, width: 100 },
  {
    id: 'modifier',
    label: 'Part',
    value: (fee) => (fee.modifier === 'TC' ? 'Technical (TC)' : fee.modifier === '26' ? 'Professional (26)' : 'Whole'),
    width: 150,
    grow: 1,
  },
  { id: 'payer_name', label: 'Payer', value: (fee) => fee.payer_name ?? 'Everybody', width: 180, grow: 2 },
  {
    id: 'amount',
    label: 'Fee',
    value: (fee) => fee.amount_minor,
    render: (fee) => formatMoney(fee.amount_minor, fee.currency),
    width: 110,
    align: 'right',
  },
]

const keyOf = (fee: Fee) => String(fee.procedure_fee_pk)

/** The fee schedule, and who bills and hands in. */
export default function SetupScreen() {
  const { may } = useSession()
  const client = useQueryClient()
  const [part, setPart] = useState<'fees' | 'billers'>('fees')
  const [adding, setAdding] = useState(false)
  const fees = useQuery({ queryKey: ['fees'], queryFn: () => http.get<Page<Fee>>('/api/billing/fees') })
  const mayWrite = may('billing.write')
  const actions: WorkAction<Fee>[] = mayWrite
    ? [
        {
          id: 'remove',
          label: 'Remove',
          run: async (chosen) => {
            for (const fee of chosen) await http.delete(`/api/billing/fees/${fee.procedure_fee_pk}`)
            await client.invalidateQueries({ queryKey: ['fees'] })
            toast(chosen.length === 1 ? 'The fee is removed.' : `${chosen.length} fees are removed.`)
          },
        },
      ]
    : []
  return (
    <Screen
      title="Fees and billers"
      body={part === 'fees' ? 'list' : 'page'}
      actions={
        <>
          <SegmentedControl
            aria-label="Part"
            value={part}
            onChange={(value) => setPart(value as 'fees' | 'billers')}
            data={[
              { value: 'fees', label: 'Fee schedule' },
              { value: 'billers', label: 'Who bills' },
            ]}
          />
          {mayWrite && part === 'fees' ? (
            <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
              Set a fee
            </Button>
          ) : null}
        </>
      }
    >
      {part === 'fees' ? (
        <WorkList
          id="fees"
          noun="fees"
          rows={fees.data?.items}
          rowKey={keyOf}
          columns={COLUMNS}
          actions={actions}
          defaultSort={{ column: 'procedure_code', descending: false }}
          error={fees.error}
          onRetry={() => void fees.refetch()}
          empty={{ title: 'No fee is set', hint: 'Set the fee of each code, whole and in its parts; a payer can have its own.' }}
        />
      ) : (
        <Billers mayWrite={mayWrite} />
      )}
      <Modal opened={adding} onClose={() => setAdding(false)} title="Set a fee" size={460}>
        <FeeForm onDone={() => setAdding(false)} />
      </Modal>
    </Screen>
  )
}

function FeeForm({ onDone }: { onDone: () => void }) {
  const client = useQueryClient()
  const payers = useQuery({ queryKey: ['payers'], queryFn: () => http.get<Page<Payer>>('/api/patients/payers') })
  const form = useProblemForm<{ procedure_code: string; modifier: string; payer_pk: string; amount_minor: string }>(
    {
      initialValues: { procedure_code: '', modifier: '', payer_pk: '', amount_minor: '' },
      validate: { amount_minor: (value) => (parseMoney(value) ? null : 'An amount, such as 450.00') },
    },
    async (values) => {
      await http.put('/api/billing/fees', {
        procedure_code: values.procedure_code.trim(),
        modifier: values.modifier,
        payer_pk: values.payer_pk ? Number(values.payer_pk) : null,
        amount_minor: parseMoney(values.amount_minor),
      })
      await client.invalidateQueries({ queryKey: ['fees'] })
      toast('The fee is set; open claims are priced with it.')
      onDone()
    },
  )
  const field = form.form.getInputProps
  return (
    <Form of={form} submit="Set the fee" onCancel={onDone} columns={2}>
      <TextInput label="Procedure code" maxLength={5} data-autofocus autoComplete="off" {...field('procedure_code')} />
      <Select
        label="Part"
        allowDeselect={false}
        data={[
          { value: '', label: 'Whole' },
          { value: 'TC', label: 'Technical (TC)' },
          { value: '26', label: 'Professional (26)' },
        ]}
        {...field('modifier')}
      />
      <Select
        label="For"
        allowDeselect={false}
        searchable
        data={[
          { value: '', label: 'Everybody' },
          ...(payers.data?.items ?? []).map((payer) => ({ value: String(payer.payer_pk), label: payer.name })),
        ]}
        {...field('payer_pk')}
      />
      <TextInput label="Fee" leftSection="$" inputMode="decimal" autoComplete="off" {...field('amount_minor')} />
    </Form>
  )
}

function Billers({ mayWrite }: { mayWrite: boolean }) {
  const client = useQueryClient()
  const [editing, setEditing] = useState<Provider | 'new'>()
  const settings = useQuery({ queryKey: ['billing-settings'], queryFn: () => http.get<Settings>('/api/billing/settings') })
  const refresh = () => client.invalidateQueries({ queryKey: ['billing-settings'] })
  if (settings.error) return <ProblemNote error={settings.error} onRetry={() => void settings.refetch()} />
  if (!settings.data) return <Outline rows={12} />
  const { submitter, providers, sites } = settings.data
  const choices = providers.map((one) => ({ value: String(one.billing_provider_pk), label: one.name }))
  const assign = (sitePk: number, technical: number | null, professional: number | null) =>
    http
      .put(`/api/billing/settings/sites/${sitePk}`, {
        technical_billing_provider_pk: technical,
        professional_billing_provider_pk: professional,
      })
      .then(refresh)
      .then(() => toast('Saved; open claims follow.'))
      .catch((error: unknown) => toastProblem(error))
  const number = (value: string | null) => (value === null ? null : Number(value))
  return (
    <div className={classes['setup']}>
      <Section
        title="Billing entities"
        aside={
          mayWrite ? (
            <Button variant="default" leftSection={<IconPlus size={16} />} onClick={() => setEditing('new')}>
              Add one
            </Button>
          ) : null
        }
      >
        <ul className={classes['cards']}>
          {providers.map((one) => (
            <li key={one.billing_provider_pk}>
              <div>
                <strong>{one.name}</strong>
                <small>
                  NPI {one.npi ?? '—'} · Tax {one.tax_id ?? '—'}
                </small>
                <small>{[one.address_line, one.city, one.state, one.postal_code].filter(Boolean).join(', ') || 'No address yet'}</small>
              </div>
              {mayWrite ? (
                <Button variant="default" onClick={() => setEditing(one)}>
                  Change
                </Button>
              ) : null}
            </li>
          ))}
          {providers.length ? null : <li>None yet. A claim needs the entity that owns the scanner, or the group that reads.</li>}
        </ul>
      </Section>
      <Section title="Who bills for which site">
        <ul className={classes['cards']}>
          {sites.map(({ site, technical_billing_provider_pk: technical, professional_billing_provider_pk: professional }) => (
            <li key={site.site_pk} className={classes['siteRow']}>
              <div>
                <strong>{site.institution_name}</strong>
                <small>
                  {site.bills_global ? 'Bills globally' : 'Bills technical and professional parts apart'} · place {site.place_of_service}
                </small>
              </div>
              <Select
                label={site.bills_global ? 'Bills' : 'Technical part'}
                placeholder="Nobody"
                clearable
                readOnly={!mayWrite}
                data={choices}
                value={technical === null ? null : String(technical)}
                onChange={(value) => void assign(site.site_pk, number(value), professional)}
              />
              <Select
                label="Professional part"
                placeholder="Nobody"
                clearable
                readOnly={!mayWrite}
                disabled={site.bills_global}
                data={choices}
                value={professional === null ? null : String(professional)}
                onChange={(value) => void assign(site.site_pk, technical, number(value))}
              />
            </li>
          ))}
        </ul>
      </Section>
      <Section title="Who hands files in">
        <SubmitterForm key={submitter ? 'set' : 'new'} submitter={submitter} readOnly={!mayWrite} onDone={() => void refresh()} />
      </Section>
      <Modal opened={editing !== undefined} onClose={() => setEditing(undefined)} title="Billing entity" size={640}>
        {editing ? (
          <ProviderForm
            provider={editing === 'new' ? undefined : editing}
            onDone={() => void refresh().then(() => setEditing(undefined))}
            onCancel={() => setEditing(undefined)}
          />
        ) : null}
      </Modal>
    </div>
  )
}

const PROVIDER_FIELDS = ['name', 'npi', 'tax_id', 'taxonomy_code', 'address_line', 'city', 'state', 'postal_code', 'phone'] as const

function ProviderForm({ provider, onDone, onCancel }: { provider: Provider | undefined; onDone: () => void; onCancel: () => void }) {
  const initialValues = Object.fromEntries(PROVIDER_FIELDS.map((name) => [name, provider?.[name] ?? ''])) as Record<
    (typeof PROVIDER_FIELDS)[number],
    string
  >
  const form = useProblemForm({ initialValues }, async (values) => {
    const body = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.trim() || null]))
    if (provider) await http.put(`/api/billing/settings/providers/${provider.billing_provider_pk}`, body)
    else await http.post('/api/billing/settings/providers', body)
    toast('The billing entity is saved.')
    onDone()
  })
  const field = form.form.getInputProps
  return (
    <Form of={form} submit="Save the entity" onCancel={onCancel} columns={2}>
      <Wide>
        <TextInput label="Name, as the payer knows it" maxLength={60} data-autofocus {...field('name')} />
      </Wide>
      <TextInput label="NPI" inputMode="numeric" maxLength={10} {...field('npi')} />
      <TextInput label="Tax number" inputMode="numeric" maxLength={9} {...field('tax_id')} />
      <TextInput label="Taxonomy code" description="For radiology 2085R0202X" maxLength={10} {...field('taxonomy_code')} />
      <TextInput label="Phone" inputMode="tel" {...field('phone')} />
      <Wide>
        <TextInput label="Street" description="A street, not a post box" maxLength={55} {...field('address_line')} />
      </Wide>
      <TextInput label="City" maxLength={30} {...field('city')} />
      <TextInput label="State" maxLength={2} {...field('state')} />
      <TextInput label="ZIP code" description="Nine digits" maxLength={10} {...field('postal_code')} />
    </Form>
  )
}

const EMPTY: Submitter = {
  name: '',
  sender_qualifier: 'ZZ',
  sender_id: '',
  contact_name: '',
  contact_phone: '',
  receiver_name: '',
  receiver_qualifier: 'ZZ',
  receiver_id: '',
  usage_indicator: 'T',
  filing_days: 90,
}

function SubmitterForm({ submitter, readOnly, onDone }: { submitter: Submitter | null; readOnly: boolean; onDone: () => void }) {
  const initial = submitter ?? EMPTY
  const form = useProblemForm<Omit<Submitter, 'filing_days'> & { filing_days: string }>(
    { initialValues: { ...initial, filing_days: String(initial.filing_days) } },
    async (values) => {
      await http.put('/api/billing/settings/submitter', { ...values, filing_days: Number(values.filing_days) })
      toast('Saved; open claims follow.')
      onDone()
    },
  )
  const field = (name: keyof Submitter) => ({ ...form.form.getInputProps(name), readOnly })
  const fields = (
    <>
      <TextInput label="We hand in as" maxLength={60} {...field('name')} />
      <TextInput label="Our number there" description="ISA06, GS02" maxLength={15} {...field('sender_id')} />
      <TextInput label="Contact" maxLength={60} {...field('contact_name')} />
      <TextInput label="Contact’s phone" inputMode="tel" maxLength={20} {...field('contact_phone')} />
      <TextInput label="Clearing house or payer" maxLength={60} {...field('receiver_name')} />
      <TextInput label="Its number" description="ISA08, GS03" maxLength={15} {...field('receiver_id')} />
      <Select
        label="Files are for"
        allowDeselect={false}
        readOnly={readOnly}
        data={[
          { value: 'T', label: 'Test' },
          { value: 'P', label: 'Production' },
        ]}
        {...form.form.getInputProps('usage_indicator')}
      />
      <TextInput label="Claims are due within" description="Days from the service" inputMode="numeric" {...field('filing_days')} />
    </>
  )
  if (readOnly) return <div>{fields}</div>
  return (
    <Form of={form} submit="Save" columns={2}>
      {fields}
    </Form>
  )
}
