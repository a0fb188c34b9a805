import { ActionIcon, Button, Checkbox, Modal, NumberInput, Select, TagsInput, TextInput } from '@mantine/core'
import { IconPlus, IconX } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useSession } from '@/lib/api'
import { Form, Screen, Section, StateSign, toast, toastProblem, useProblemForm, Wide, WorkList, type WorkColumn } from '@/ui'
import classes from './routing.module.css'
import {
  demandText,
  KEYWORDS,
  OPERATORS,
  takesValues,
  waitText,
  type Condition,
  type Entity,
  type Operator,
  type Rule,
  type RuleFields,
  type Trial,
} from './types'

const COLUMNS: readonly WorkColumn<Rule>[] = [
  { id: 'name', label: 'Rule', value: (rule) => rule.name, width: 160, grow: 1 },
  { id: 'demand', label: 'Sends', value: (rule) => demandText(rule.conditions), width: 240, grow: 3 },
  { id: 'to', label: 'To', value: (rule) => rule.ae_title, width: 130 },
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

/** Where studies are sent on to, by what they say of themselves. */
export default function RulesScreen() {
  const { may } = useSession()
  const [currentPk, setCurrentPk] = useState<number>()
  const [adding, setAdding] = useState(false)
  const rules = useQuery({ queryKey: ['routing-rules'], queryFn: () => http.get<Rule[]>('/api/routing/rules') })
  const mayWrite = may('config.write')
  const current = rules.data?.find((rule) => rule.routing_rule_pk === currentPk)
  return (
    <Screen
      title="Routing rules"
      actions={
        <>
          <Button component={Link} to="/system/sending" variant="default">
            Sending
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
      inspector={current && mayWrite ? <RuleInspector key={keyOf(current)} rule={current} /> : null}
    >
      <WorkList
        id="routing-rules"
        noun="rules"
        rows={rules.data}
        rowKey={keyOf}
        columns={COLUMNS}
        onCurrent={(rule) => setCurrentPk(rule?.routing_rule_pk)}
        isQuiet={(rule) => !rule.is_enabled}
        error={rules.error}
        onRetry={() => void rules.refetch()}
        empty={{
          title: 'No rule yet',
          hint: 'A rule sends studies on to another archive or workstation as they come, e.g. every CT to the long-term archive.',
        }}
      />
      <Modal opened={adding} onClose={() => setAdding(false)} title="Add a rule" size={680}>
        <RuleForm onDone={() => setAdding(false)} />
      </Modal>
    </Screen>
  )
}

function RuleInspector({ rule }: { rule: Rule }) {
  const client = useQueryClient()
  const remove = () =>
    http
      .delete(`/api/routing/rules/${rule.routing_rule_pk}`)
      .then(() => client.invalidateQueries({ queryKey: ['routing-rules'] }))
      .then(() => toast('The rule is removed; what is on its way stays so.'))
      .catch((error: unknown) => toastProblem(error))
  return (
    <Section title={rule.name}>
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
        remote_ae_pk: rule ? String(rule.remote_ae_pk) : '',
        wait_s: rule?.wait_s ?? 60,
        is_enabled: rule?.is_enabled ?? true,
        conditions: rule?.conditions ?? [{ keyword: 'Modality', operator: 'is', values: [] }],
      },
      validate: {
        name: (value) => (value.trim() ? null : 'Give it a name'),
        remote_ae_pk: (value) => (value ? null : 'Choose where to'),
      },
    },
    async (values) => {
      const body: RuleFields = { ...values, remote_ae_pk: Number(values.remote_ae_pk) }
      if (rule) await http.put(`/api/routing/rules/${rule.routing_rule_pk}`, body)
      else await http.post('/api/routing/rules', body)
      await client.invalidateQueries({ queryKey: ['routing-rules'] })
      toast('The rule is saved; it applies to what comes from now on.')
      onDone?.()
    },
  )
  const field = form.form.getInputProps
  const { conditions } = form.form.getValues()
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
          </div>
        </fieldset>
      </Wide>
      <Select
        label="Send to"
        data={entities.data?.map((entity) => ({ value: String(entity.remote_ae_pk), label: entity.ae_title })) ?? []}
        placeholder="AE title"
        allowDeselect={false}
        {...field('remote_ae_pk')}
      />
      <NumberInput
        label="After so many seconds without news"
        min={0}
        max={86400}
        clampBehavior="strict"
        {...field('wait_s')}
      />
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

/** How many of the newest studies the conditions would have taken, so that a rule is no surprise. */
function TrialLine({ conditions }: { conditions: Condition[] }) {
  const complete = conditions.every((one) => !takesValues(one.operator) || one.values?.length)
  const trial = useQuery({
    queryKey: ['routing-trial', conditions],
    queryFn: () => http.post<Trial>('/api/routing/rules/trial', { conditions }),
    enabled: complete,
    retry: false,
  })
  if (!complete) return <span>A condition has no value yet.</span>
  if (!trial.data) return null
  return (
    <span role="status">
      {trial.data.matching} of the newest {trial.data.tried} studies
    </span>
  )
}
