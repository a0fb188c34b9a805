import { ActionIcon, Button, Checkbox, Modal, MultiSelect, NumberInput, PasswordInput, Select, Switch, TagsInput, TextInput } from '@mantine/core'
import { IconArrowDown, IconArrowUp, IconPlus, IconX } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useSession } from '@/lib/api'
import { ROLE_LABEL, type Role } from '@/lib/permissions'
import { DateTime, DicomDate, Form, Screen, Section, StateSign, toast, toastProblem, useProblemForm, Wide, WorkList, type WorkColumn } from '@/ui'
import classes from './routing.module.css'
import {
  actsText,
  BASIC,
  COMPRESSIONS,
  DATES,
  datesOf,
  demandText,
  KEYWORDS,
  moved,
  OPERATORS,
  OPTIONS,
  takesValues,
  waitText,
  withDates,
  type Condition,
  type Dates,
  type Deidentify,
  type DeidentifyOption,
  type Entity,
  type Operator,
  type Person,
  type Rule,
  type RuleFields,
  type Trial,
} from './types'

const COLUMNS: readonly WorkColumn<Rule>[] = [
  { id: 'position', label: 'Order', value: (rule) => rule.position, width: 60, align: 'right' },
  { id: 'name', label: 'Rule', value: (rule) => rule.name, width: 160, grow: 1 },
  { id: 'demand', label: 'Studies', value: (rule) => demandText(rule.conditions), width: 240, grow: 3 },
  { id: 'acts', label: 'Does', value: actsText, width: 200, grow: 2 },
  { id: 'wait', label: 'After', value: (rule) => rule.wait_s, render: (rule) => waitText(rule.wait_s), width: 84, align: 'right' },
  {
    id: 'state',
    label: 'State',
    value: (rule) => (rule.is_enabled ? 'active' : 'disabled'),
    render: (rule) => <StateSign state={rule.is_enabled ? 'active' : 'disabled'} of="user" />,
    width: 116,
  },
]

const keyOf = (rule: Rule) => String(rule.routing_rule_pk)

/** What is done with studies, by what they say of themselves. */
export default function RulesScreen() {
  const { may } = useSession()
  const [currentPk, setCurrentPk] = useState<number>()
  const [adding, setAdding] = useState(false)
  const rules = useQuery({ queryKey: ['routing-rules'], queryFn: () => http.get<Rule[]>('/api/routing/rules') })
  const mayWrite = may('config.write')
  const current = rules.data?.find((rule) => rule.routing_rule_pk === currentPk)
  return (
    <Screen
      title="Rules"
      actions={
        <>
          <Button component={Link} to="/system/sending" variant="default">
            Sending
          </Button>
          <Button component={Link} to="/system/compression" variant="default">
            Compression
          </Button>
          {mayWrite ? (
            <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
              Add a rule
            </Button>
          ) : null}
        </>
      }
      inspectorLabel="The chosen rule"
      inspectorHint="Choose a rule to see and change it."
      inspector={current && mayWrite ? <RuleInspector key={keyOf(current)} rule={current} rules={rules.data ?? []} /> : null}
    >
      <WorkList
        id="routing-rules"
        noun="rules"
        rows={rules.data}
        rowKey={keyOf}
        columns={COLUMNS}
        defaultSort={{ column: 'position', descending: false }}
        onCurrent={(rule) => setCurrentPk(rule?.routing_rule_pk)}
        isQuiet={(rule) => !rule.is_enabled}
        error={rules.error}
        onRetry={() => void rules.refetch()}
        empty={{
          title: 'No rule yet',
          hint: 'A rule sends studies on as they come, compresses them in the archive, or tells people and systems of them, e.g. every CT to the long-term archive.',
        }}
      />
      <Modal opened={adding} onClose={() => setAdding(false)} title="Add a rule" size={680}>
        <RuleForm onDone={() => setAdding(false)} />
      </Modal>
    </Screen>
  )
}

function RuleInspector({ rule, rules }: { rule: Rule; rules: readonly Rule[] }) {
  const client = useQueryClient()
  const keys = rules.map((one) => one.routing_rule_pk)
  const place = keys.indexOf(rule.routing_rule_pk)
  const move = (by: -1 | 1) =>
    http
      .put('/api/routing/rules/order', { routing_rule_pks: moved(keys, rule.routing_rule_pk, by) })
      .then(() => client.invalidateQueries({ queryKey: ['routing-rules'] }))
      .catch((error: unknown) => toastProblem(error))
  const remove = () =>
    http
      .delete(`/api/routing/rules/${rule.routing_rule_pk}`)
      .then(() => client.invalidateQueries({ queryKey: ['routing-rules'] }))
      .then(() => toast('The rule is removed; what is on its way stays so.'))
      .catch((error: unknown) => toastProblem(error))
  return (
    <Section
      title={rule.name}
      aside={
        <span className={classes['order']}>
          <ActionIcon variant="subtle" size="lg" aria-label="Earlier" disabled={place <= 0} onClick={() => void move(-1)}>
            <IconArrowUp size={16} />
          </ActionIcon>
          <ActionIcon variant="subtle" size="lg" aria-label="Later" disabled={place === keys.length - 1} onClick={() => void move(1)}>
            <IconArrowDown size={16} />
          </ActionIcon>
        </span>
      }
    >
      <RuleForm rule={rule} />
      <div className={classes['buttons']}>
        <Button variant="default" onClick={() => void remove()}>
          Remove the rule
        </Button>
      </div>
    </Section>
  )
}

interface Values {
  name: string
  remote_ae_pk: string
  wait_s: number
  is_enabled: boolean
  conditions: Condition[]
  deidentify: Deidentify | null
  compress_to: string
  notice_roles: Role[]
  notice_user_pks: string[]
  is_told_by_hl7: boolean
  tell_url: string
  tell_secret: string
}

function RuleForm({ rule, onDone }: { rule?: Rule; onDone?: () => void }) {
  const client = useQueryClient()
  const entities = useQuery({
    queryKey: ['application-entities'],
    queryFn: () => http.get<Entity[]>('/api/archive/application-entities'),
  })
  const form = useProblemForm<Values>(
    {
      initialValues: {
        name: rule?.name ?? '',
        remote_ae_pk: rule?.remote_ae_pk ? String(rule.remote_ae_pk) : '',
        wait_s: rule?.wait_s ?? 60,
        is_enabled: rule?.is_enabled ?? true,
        conditions: rule?.conditions ?? [{ keyword: 'Modality', operator: 'is', values: [] }],
        deidentify: rule?.deidentify ?? null,
        compress_to: rule?.compress_to ?? '',
        notice_roles: rule?.notice_roles ?? [],
        notice_user_pks: rule?.notice_user_pks?.map(String) ?? [],
        is_told_by_hl7: rule?.is_told_by_hl7 ?? false,
        tell_url: rule?.tell_url ?? '',
        tell_secret: '',
      },
      validate: {
        name: (value) => (value.trim() ? null : 'Give it a name'),
      },
    },
    async (values) => {
      const body: RuleFields = {
        ...values,
        remote_ae_pk: values.remote_ae_pk ? Number(values.remote_ae_pk) : null,
        deidentify: values.remote_ae_pk ? values.deidentify : null,
        compress_to: values.compress_to || null,
        notice_user_pks: values.notice_user_pks.map(Number),
        tell_url: values.tell_url || null,
        tell_secret: values.tell_secret || null,
      }
      if (rule) await http.put(`/api/routing/rules/${rule.routing_rule_pk}`, body)
      else await http.post('/api/routing/rules', body)
      await client.invalidateQueries({ queryKey: ['routing-rules'] })
      toast('The rule is saved; it applies to what comes from now on.')
      onDone?.()
    },
  )
  const { may } = useSession()
  const people = useQuery({
    queryKey: ['users'],
    queryFn: () => http.get<{ items: Person[] }>('/api/users'),
    enabled: may('user.admin'),
  })
  const field = form.form.getInputProps
  const { conditions, deidentify, remote_ae_pk: sentTo } = form.form.getValues()
  return (
    <Form of={form} submit={rule ? 'Save the rule' : 'Add the rule'} onCancel={onDone} columns={2}>
      <Wide>
        <TextInput label="Name" maxLength={64} {...field('name')} data-autofocus={rule ? undefined : true} />
      </Wide>
      <Wide>
        <fieldset className={classes['frame']}>
          <legend>Studies that meet all of these</legend>
          <div className={classes['conditions']}>
            {conditions.map((condition, place) => (
              <ConditionRow
                key={place}
                condition={condition}
                error={form.form.errors[`conditions.${place}.values`]}
                onChange={(changed) => form.form.setFieldValue(`conditions.${place}`, changed)}
                onRemove={() => form.form.removeListItem('conditions', place)}
              />
            ))}
            <div className={classes['trial']}>
              <Button
                variant="default"
                size="compact-sm"
                leftSection={<IconPlus size={14} />}
                onClick={() => form.form.insertListItem('conditions', { keyword: 'Modality', operator: 'is', values: [] })}
              >
                Add a condition
              </Button>
              <TrialLine conditions={conditions} />
            </div>
            <Preview conditions={conditions} />
          </div>
        </fieldset>
      </Wide>
      <Select
        label="Send to"
        data={entities.data?.map((entity) => ({ value: String(entity.remote_ae_pk), label: entity.ae_title })) ?? []}
        placeholder="Nowhere"
        clearable
        {...field('remote_ae_pk')}
        value={sentTo || null}
        onChange={(value) => form.form.setFieldValue('remote_ae_pk', value ?? '')}
      />
      <NumberInput
        label="After so many seconds without news"
        min={0}
        max={86400}
        clampBehavior="strict"
        {...field('wait_s')}
      />
      {sentTo ? (
          <Wide>
          <Disguise value={deidentify} error={form.form.errors['deidentify']} onChange={(value) => form.form.setFieldValue('deidentify', value)} />
        </Wide>
      ) : null}
      <Wide>
        <Select
          label="Compress in the archive"
          description="Each series that meets the conditions. What was received can be given back bit by bit; what cannot be proved so stays as it came. Lossy forms take no image's place."
          data={Object.entries(COMPRESSIONS).map(([value, label]) => ({ value, label }))}
          placeholder="Not compressed"
          clearable
          {...field('compress_to')}
          value={form.form.getValues().compress_to || null}
          onChange={(value) => form.form.setFieldValue('compress_to', value ?? '')}
        />
      </Wide>
      <Wide>
        <fieldset className={classes['frame']}>
          <legend>{sentTo ? 'Tell, once it has arrived there' : 'Tell, once no more came'}</legend>
          <div className={classes['conditions']}>
            <MultiSelect
              label="Everybody who is"
              data={Object.entries(ROLE_LABEL).map(([value, label]) => ({ value, label }))}
              clearable
              {...field('notice_roles')}
            />
            {may('user.admin') ? (
              <MultiSelect
                label="These people"
                data={people.data?.items.map((one) => ({ value: String(one.user_pk), label: one.display_name })) ?? []}
                searchable
                clearable
                {...field('notice_user_pks')}
              />
            ) : null}
            <Checkbox
              label="The system that ordered it, by HL7"
              description="OMG^O19 with the status of the order, to every receiver that takes it. A study without an order has none to tell."
              {...form.form.getInputProps('is_told_by_hl7', { type: 'checkbox' })}
            />
          </div>
        </fieldset>
      </Wide>
      <Wide>
        <TextInput
          label="Tell another system"
          description="An address that gets a signed POST, with no patient in it."
          placeholder="https://other.example/arrived"
          autoCapitalize="none"
          spellCheck={false}
          {...field('tell_url')}
        />
      </Wide>
      {form.form.getValues().tell_url ? (
        <Wide>
          <PasswordInput
            label="Shared secret that signs it"
            placeholder={rule?.tell_url ? 'as before' : undefined}
            autoComplete="new-password"
            {...field('tell_secret')}
          />
        </Wide>
      ) : null}
      <Wide>
        <Checkbox label="The rule applies" {...form.form.getInputProps('is_enabled', { type: 'checkbox' })} />
      </Wide>
    </Form>
  )
}

function ConditionRow({
  condition,
  error,
  onChange,
  onRemove,
}: {
  condition: Condition
  error: React.ReactNode
  onChange: (condition: Condition) => void
  onRemove: () => void
}) {
  const bare = !takesValues(condition.operator)
  return (
    <div className={classes['condition']}>
      <Select
        aria-label="What"
        data={Object.entries(KEYWORDS).map(([value, label]) => ({ value, label }))}
        value={condition.keyword}
        allowDeselect={false}
        onChange={(keyword) => keyword && onChange({ ...condition, keyword })}
      />
      <Select
        aria-label="How"
        data={Object.entries(OPERATORS).map(([value, label]) => ({ value, label }))}
        value={condition.operator}
        allowDeselect={false}
        onChange={(value) => {
          const operator = value as Operator
          onChange({ ...condition, operator, values: takesValues(operator) ? condition.values : [] })
        }}
      />
      <TagsInput
        aria-label="Values"
        placeholder={bare || condition.values?.length ? undefined : 'Type, then Enter'}
        value={condition.values ?? []}
        disabled={bare}
        error={error}
        acceptValueOnBlur
        onChange={(values) => onChange({ ...condition, values })}
      />
      <ActionIcon variant="subtle" size="lg" aria-label="Remove the condition" onClick={onRemove}>
        <IconX size={16} />
      </ActionIcon>
    </div>
  )
}

/** How names are taken off on the way out, or that they are not. */
function Disguise({
  value,
  error,
  onChange,
}: {
  value: Deidentify | null
  error: React.ReactNode
  onChange: (value: Deidentify | null) => void
}) {
  return (
    <fieldset className={classes['frame']}>
      <legend>On the way out</legend>
      <div className={classes['conditions']}>
        <Switch
          label="Without what says who the patient is"
          description="PS3.15 annex E, basic profile. The same person has the same pseudonym at this destination, and another at every other. What is sent there by hand goes without names too."
          checked={value !== null}
          error={error}
          onChange={(event) => onChange(event.currentTarget.checked ? BASIC : null)}
        />
        {value ? (
          <div className={classes['options']}>
            <Select
              label="Dates"
              data={Object.entries(DATES).map(([key, label]) => ({ value: key, label }))}
              value={datesOf(value)}
              allowDeselect={false}
              onChange={(dates) => dates && onChange(withDates(value, dates as Dates))}
            />
            {(Object.keys(OPTIONS) as DeidentifyOption[]).map((option) => (
              <Checkbox
                key={option}
                label={OPTIONS[option]}
                checked={value[option] ?? false}
                onChange={(event) => onChange({ ...value, [option]: event.currentTarget.checked })}
              />
            ))}
            <p className={classes['hint']}>
              Held back, and shown under Sending: reports and documents; pictures said to show annotation; ultrasound, secondary captures,
              photographs and the like that do not say that they show none.
            </p>
          </div>
        ) : null}
      </div>
    </fieldset>
  )
}

function useTrial(conditions: Condition[]) {
  const complete = conditions.every((one) => !takesValues(one.operator) || one.values?.length)
  const trial = useQuery({
    queryKey: ['routing-trial', conditions],
    queryFn: () => http.post<Trial>('/api/routing/rules/trial', { conditions }),
    enabled: complete,
    retry: false,
  })
  return { complete, trial }
}

const PREVIEWED = 5

/** Which of the newest studies the conditions would have taken. */
function Preview({ conditions }: { conditions: Condition[] }) {
  const { trial } = useTrial(conditions)
  if (!trial.data?.studies.length) return null
  return (
    <ul className={classes['preview']} aria-label="The newest that it takes">
      {trial.data.studies.slice(0, PREVIEWED).map((study, place) => (
        <li key={place}>
          <span>{study.modalities.join('/')}</span>
          <span>{study.study_description ?? 'no description'}</span>
          <span>
            <DicomDate value={study.study_date} />
          </span>
          <span>
            {study.sources.length ? `by ${study.sources.join(', ')}, ` : null}
            <DateTime value={study.created_at} />
          </span>
        </li>
      ))}
    </ul>
  )
}

/** How many of the newest studies the conditions would have taken, so that a rule is no surprise. */
function TrialLine({ conditions }: { conditions: Condition[] }) {
  const { complete, trial } = useTrial(conditions)
  if (!complete) return <span>A condition has no value yet.</span>
  if (!trial.data) return null
  return (
    <span role="status">
      {trial.data.matching} of the newest {trial.data.tried} studies
    </span>
  )
}
