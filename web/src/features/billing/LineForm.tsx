import { MultiSelect, TagsInput, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { http, type Page } from '@/lib/api'
import { Form, toast, useProblemForm, Wide } from '@/ui'
import { parseMoney } from './money'
import type { Diagnosis, Line } from './types'

/** ICD-10-CM codes, found by code or words; the first is the principal one. */
export function Diagnoses({
  label,
  known,
  value,
  onChange,
  error,
}: {
  label: string
  known: readonly { code: string; description: string }[]
  value?: string[]
  onChange?: (codes: string[]) => void
  error?: ReactNode
}) {
  const [typed, setTyped] = useState('')
  const [words, setWords] = useState<Record<string, string>>(() => Object.fromEntries(known.map((one) => [one.code, one.description])))
  const found = useQuery({
    queryKey: ['diagnoses', typed],
    queryFn: () => http.post<Page<Diagnosis>>('/api/orders/diagnoses/find', { text: typed }),
    enabled: typed.trim().length > 1,
    staleTime: 3_600_000,
  })
  const offered = typed.trim().length > 1 ? (found.data?.items ?? []) : []
  const labels = { ...words, ...Object.fromEntries(offered.map((one) => [one.code, one.description])) }
  const codes = [...new Set([...(value ?? []), ...offered.map((one) => one.code)])]
  return (
    <MultiSelect
      label={label}
      placeholder={value?.length ? '' : 'Code or words, such as headache'}
      searchable
      maxValues={12}
      data={codes.map((code) => ({ value: code, label: labels[code] ? `${code} ${labels[code]}` : code }))}
      filter={({ options }) => options}
      value={value}
      onChange={(next) => {
        setWords(labels)
        setTyped('')
        onChange?.(next)
      }}
      searchValue={typed}
      onSearchChange={setTyped}
      nothingFoundMessage={
        typed.trim().length < 2 ? 'Type two letters or more' : found.isFetching ? 'Searching' : 'No code that a claim can carry'
      }
      error={error}
    />
  )
}

/** How a line is coded: procedure, modifiers, diagnoses, units, amount. */
export function LineForm({ line, onDone }: { line: Line; onDone: () => void }) {
  const form = useProblemForm<{ procedure_code: string; modifiers: string[]; diagnosis_codes: string[]; units: string; amount: string }>(
    {
      initialValues: {
        procedure_code: line.procedure_code,
        modifiers: line.modifiers,
        diagnosis_codes: line.diagnosis_codes,
        units: String(line.units),
        amount: line.amount_is_manual ? (line.amount_minor / 100).toFixed(2) : '',
      },
      validate: {
        procedure_code: (value) => (/^[0-9A-Za-z]{5}$/.test(value.trim()) ? null : 'Five characters'),
        units: (value) => (/^[1-9]\d?$/.test(value.trim()) ? null : '1 to 99'),
        amount: (value) => (value.trim() === '' || parseMoney(value) !== undefined ? null : 'An amount, such as 450.00'),
      },
    },
    async (values) => {
      const amount = parseMoney(values.amount)
      await http.patch(`/api/billing/charges/${line.charge_pk}`, {
        procedure_code: values.procedure_code.trim().toUpperCase(),
        modifiers: values.modifiers.map((modifier) => modifier.trim().toUpperCase()),
        diagnosis_codes: values.diagnosis_codes,
        units: Number(values.units),
        ...(amount === undefined ? {} : { amount_minor: amount }),
      })
      toast('The line is coded.')
      onDone()
    },
  )
  const field = form.form.getInputProps
  return (
    <Form of={form} submit="Save the coding" columns={2}>
      <Wide>
        <p>{line.description}</p>
      </Wide>
      <TextInput label="Procedure code" description="CPT or HCPCS" maxLength={5} data-autofocus autoComplete="off" {...field('procedure_code')} />
      <TagsInput
        label="Modifiers"
        description={line.side_required ? 'With the side: LT, RT or 50' : 'Up to four'}
        maxTags={4}
        data={['26', 'TC', 'LT', 'RT', '50', '52', '53', '59', '76', '77', 'GG']}
        {...field('modifiers')}
      />
      <Wide>
        <Diagnoses label="Diagnoses, the principal one first" known={line.diagnoses} {...field('diagnosis_codes')} />
      </Wide>
      <TextInput label="Units" inputMode="numeric" {...field('units')} />
      <TextInput label="Amount" description="Empty: from the fee schedule" leftSection="$" inputMode="decimal" {...field('amount')} />
    </Form>
  )
}
