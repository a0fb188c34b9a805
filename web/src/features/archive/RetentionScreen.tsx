import { Button, Checkbox, Modal, NumberInput, Select, TagsInput, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconAdjustments, IconPlus } from '@tabler/icons-react'
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useSession } from '@/lib/api'
import { formatDicomDate } from '@/lib/time'
import { ConfirmIrreversible, Form, PersonName, Screen, Section, StateSign, toast, toastProblem, useProblemForm, Wide, WorkList, type WorkColumn } from '@/ui'
import shared from './archive.module.css'
import classes from './lifecycle.module.css'
import { Places } from './Places'
import type { RemovalPolicy, RetentionRule, RetentionRuleFields, Taking } from './types'
import { forWhom, keepsWord, REJECTION } from './words'

const COLUMNS: readonly WorkColumn<RetentionRule>[] = [
  { id: 'position', label: 'Order', value: (rule) => rule.position, width: 66, align: 'right' },
  { id: 'name', label: 'Rule', value: (rule) => rule.name, width: 160, grow: 2 },
  { id: 'whom', label: 'For', value: forWhom, width: 200, grow: 3 },
  { id: 'keeps', label: 'Keeps', value: (rule) => keepsWord(rule), width: 180, grow: 2 },
  {
    id: 'state',
    label: 'State',
    value: (rule) => (rule.is_enabled ? 'active' : 'disabled'),
    render: (rule) => <StateSign state={rule.is_enabled ? 'active' : 'disabled'} of="user" />,
    width: 110,
  },
]

const keyOf = (rule: RetentionRule) => String(rule.retention_rule_pk)

/** How long studies are kept. A rule proposes; a person decides; the trash takes it. */
export default function RetentionScreen() {
  const { may } = useSession()
  const [currentPk, setCurrentPk] = useState<number>()
  const [adding, setAdding] = useState(false)
  const [setting, setSetting] = useState(false)
  const rules = useQuery({ queryKey: ['retention-rules'], queryFn: () => http.get<RetentionRule[]>('/api/archive/retention-rules') })
  const mayWrite = may('config.write')
  const current = rules.data?.find((rule) => rule.retention_rule_pk === currentPk)
  const last = Math.max(0, ...(rules.data ?? []).map((rule) => rule.position))
  return (
    <Screen
      title="Retention"
      actions={
        <>
          <Places here="/system/retention" />
          {mayWrite ? (
            <>
              <Button variant="default" leftSection={<IconAdjustments size={16} />} onClick={() => setSetting(true)}>
                Trash policy
              </Button>
              <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
                Add a rule
              </Button>
            </>
          ) : null}
        </>
      }
      inspectorLabel="The chosen rule"
      inspectorHint="Choose a rule to see what it would take now, and to change it."
      inspector={current && mayWrite ? <RuleInspector key={keyOf(current)} rule={current} /> : null}
    >
      <WorkList
        id="retention-rules"
        noun="rules"
        rows={rules.data}
        rowKey={keyOf}
        columns={COLUMNS}
        onCurrent={(rule) => setCurrentPk(rule?.retention_rule_pk)}
        isQuiet={(rule) => !rule.is_enabled}
        error={rules.error}
        onRetry={() => void rules.refetch()}
        tools={mayWrite && rules.data?.length ? <ApplyButton /> : null}
        empty={{
          title: 'Everything is kept for ever',
          hint: 'The first rule that matches a study says how long it is kept. A study that no rule matches is never proposed to go.',
        }}
      />
      <Modal opened={adding} onClose={() => setAdding(false)} title="Add a rule" size={720}>
        <RuleForm position={last + 10} onDone={() => setAdding(false)} />
      </Modal>
      {setting ? <PolicyDialog onClose={() => setSetting(false)} /> : null}
    </Screen>
  )
}

function ApplyButton() {
  const [busy, setBusy] = useState(false)
  return (
    <Button
      variant="default"
      loading={busy}
      onClick={() => {
        setBusy(true)
        void http
          .post('/api/archive/retention-rules/apply')
          .then(() => toast('The rules are looked through. What is over is proposed in the trash.'))
          .catch((error: unknown) => toastProblem(error))
          .finally(() => setBusy(false))
      }}
    >
      Look through now
    </Button>
  )
}

function RuleInspector({ rule }: { rule: RetentionRule }) {
  const client = useQueryClient()
  const [removing, setRemoving] = useState(false)
  return (
    <Section title={rule.name}>
      <RuleForm rule={rule} position={rule.position} />
      <div className={shared['buttons']}>
        <Button variant="default" onClick={() => setRemoving(true)}>
          Remove the rule
        </Button>
      </div>
      <ConfirmIrreversible
        opened={removing}
        title="Remove this rule?"
        confirm="Remove the rule"
        onConfirm={async () => {
          await http.delete(`/api/archive/retention-rules/${rule.retention_rule_pk}`)
          await client.invalidateQueries({ queryKey: ['retention-rules'] })
          toast('The rule is removed.')
        }}
        onClose={() => setRemoving(false)}
      >
        What it proposed and nobody decided is proposed no more. Studies stay as they are.
      </ConfirmIrreversible>
    </Section>
  )
}

interface Values {
  name: string
  position: number
  is_enabled: boolean
  modalities: string[]
  study_description: string
  institution_name: string
  patient_age_from: number | string
  patient_age_below: number | string
  keep_years: number | string
  keep_until_age: number | string
}

const orNull = (value: number | string) => (typeof value === 'number' ? value : null)

function bodyOf(values: Values): RetentionRuleFields {
  return {
    name: values.name,
    position: values.position,
    is_enabled: values.is_enabled,
    modalities: values.modalities,
    study_description: values.study_description.trim() || null,
    institution_name: values.institution_name.trim() || null,
    patient_age_from: orNull(values.patient_age_from),
    patient_age_below: orNull(values.patient_age_below),
    keep_years: typeof values.keep_years === 'number' ? values.keep_years : 0,
    keep_until_age: orNull(values.keep_until_age),
  }
}

function RuleForm({ rule, position, onDone }: { rule?: RetentionRule; position: number; onDone?: () => void }) {
  const client = useQueryClient()
  const form = useProblemForm<Values>(
    {
      initialValues: {
        name: rule?.name ?? '',
        position,
        is_enabled: rule?.is_enabled ?? true,
        modalities: rule?.modalities ?? [],
        study_description: rule?.study_description ?? '',
        institution_name: rule?.institution_name ?? '',
        patient_age_from: rule?.patient_age_from ?? '',
        patient_age_below: rule?.patient_age_below ?? '',
        keep_years: rule?.keep_years ?? 10,
        keep_until_age: rule?.keep_until_age ?? '',
      },
      validate: { name: (value) => (value.trim() ? null : 'Give it a name') },
    },
    async (values) => {
      if (rule) await http.put(`/api/archive/retention-rules/${rule.retention_rule_pk}`, bodyOf(values))
      else await http.post('/api/archive/retention-rules', bodyOf(values))
      await client.invalidateQueries({ queryKey: ['retention-rules'] })
      toast('The rule is saved; tonight’s round goes by it.')
      onDone?.()
    },
  )
  const field = form.form.getInputProps
  return (
    <Form of={form} submit={rule ? 'Save the rule' : 'Add the rule'} onCancel={onDone} columns={rule ? 1 : 2}>
      <TextInput label="Name" maxLength={64} {...field('name')} data-autofocus={rule ? undefined : true} />
      <NumberInput label="Order" description="The first rule that matches holds." min={0} max={10_000} {...field('position')} />
      <TagsInput label="Modalities" description="Empty: all." placeholder="CT" {...field('modalities')} />
      <TextInput label="Study description contains" maxLength={64} {...field('study_description')} />
      <TextInput label="Institution contains" description="As the images say it." maxLength={64} {...field('institution_name')} />
      <div className={classes['fields']}>
        <NumberInput label="Aged from" description="On the study’s day." min={0} max={150} {...field('patient_age_from')} />
        <NumberInput label="Younger than" description="Years." min={0} max={150} {...field('patient_age_below')} />
      </div>
      <NumberInput label="Keep for years" min={1} max={200} {...field('keep_years')} />
      <NumberInput label="At least until the age of" description="For minors. Empty: years alone." min={0} max={150} {...field('keep_until_age')} />
      <Wide>
        <Checkbox label="The rule applies" {...form.form.getInputProps('is_enabled', { type: 'checkbox' })} />
      </Wide>
      <Wide>
        <Preview fields={bodyOf({ ...form.form.getValues(), name: form.form.getValues().name || 'new' })} rulePk={rule?.retention_rule_pk} />
      </Wide>
    </Form>
  )
}

/** What the rule as it stands in the form would take now. */
function Preview({ fields, rulePk }: { fields: RetentionRuleFields; rulePk: number | undefined }) {
  const [asked] = useDebouncedValue(JSON.stringify(fields), 350)
  const taking = useQuery({
    queryKey: ['retention-preview', asked, rulePk],
    queryFn: ({ signal }) =>
      http.post<Taking>('/api/archive/retention-rules/preview', JSON.parse(asked), { query: { retention_rule_pk: rulePk }, signal }),
    placeholderData: keepPreviousData,
    retry: false,
    gcTime: 0,
  })
  const found = taking.data
  if (!found || taking.error) return <p className={classes['quiet']}>What it would take stands here once its fields are right.</p>
  return (
    <div className={classes['taking']} aria-live="polite">
      <dl className={classes['numbers']} aria-label="What it would take now">
        <div>
          <dt>It is for</dt>
          <dd>{found.matching.toLocaleString()}</dd>
        </div>
        <div data-tint={found.expired ? 'danger' : undefined}>
          <dt>Over now</dt>
          <dd>{found.expired.toLocaleString()}</dd>
        </div>
        <div>
          <dt>On hold</dt>
          <dd>{found.held.toLocaleString()}</dd>
        </div>
        <div>
          <dt>Date unknown</dt>
          <dd>{found.unknown.toLocaleString()}</dd>
        </div>
      </dl>
      {found.matching === 0 ? <p className={classes['quiet']}>No study is left for it: others are met first, or none is like that.</p> : null}
      {found.studies.length ? (
        <ul className={classes['sample']} aria-label="Studies that it would propose">
          {found.studies.slice(0, 50).map((study) => (
            <li key={study.study_pk}>
              <span>
                <PersonName value={study.patient_name} /> <span className={classes['quiet']}>{[study.modalities_in_study.join(', '), study.study_description].filter(Boolean).join(' · ')}</span>
              </span>
              <span className={classes['quiet']}>
                {formatDicomDate(study.study_date)}, over since {formatDicomDate(study.expired_on)}
              </span>
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  )
}

const RETURNS = [
  { value: 'quarantine', label: 'Quarantine it: a person decides' },
  { value: 'refuse', label: 'Refuse it' },
  { value: 'accept', label: 'Take it in again' },
]
const REJECTED = [
  { value: 'hide', label: 'Hide it' },
  { value: 'trash', label: 'Put it in the trash' },
  { value: 'show', label: 'Go on showing it' },
]

function PolicyDialog({ onClose }: { onClose: () => void }) {
  const policy = useQuery({ queryKey: ['removal-policy'], queryFn: () => http.get<RemovalPolicy>('/api/archive/removal-policy') })
  return (
    <Modal opened onClose={onClose} title="Trash policy" size={640}>
      {policy.data ? <PolicyForm policy={policy.data} onDone={onClose} /> : null}
    </Modal>
  )
}

function PolicyForm({ policy, onDone }: { policy: RemovalPolicy; onDone: () => void }) {
  const client = useQueryClient()
  const form = useProblemForm<RemovalPolicy>({ initialValues: policy }, async (values) => {
    await http.put('/api/archive/removal-policy', values)
    await client.invalidateQueries({ queryKey: ['removal-policy'] })
    toast('The policy is saved. What lies in the trash already keeps its day.')
    onDone()
  })
  const field = form.form.getInputProps
  return (
    <Form of={form} submit="Save the policy" onCancel={onDone} columns={2}>
      <NumberInput label="Days in the trash" description="After them it is destroyed for good." min={1} max={3650} {...field('trash_days')} />
      <Select label="When something removed comes again" data={RETURNS} allowDeselect={false} {...field('on_return')} />
      <Wide>
        <Checkbox label="Clients of DICOMweb may delete into the trash (with the permission to remove)" {...form.form.getInputProps('is_delete_by_dicomweb', { type: 'checkbox' })} />
      </Wide>
      {Object.entries(REJECTION).map(([code, { label, hint }]) => (
        <Select key={code} label={`Rejected: ${label.toLowerCase()}`} description={hint} data={REJECTED} allowDeselect={false} {...field(`on_rejection.${code}`)} />
      ))}
    </Form>
  )
}
