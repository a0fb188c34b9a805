import { Button, Checkbox, Modal, NumberInput, Select, TagsInput, TextInput } from '@mantine/core'
import { IconAlertTriangle, IconArrowRight, IconPlus } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { http, useSession } from '@/lib/api'
import { ConfirmIrreversible, DateTime, Form, ProblemNote, Screen, Section, toast, toastProblem, useProblemForm, Wide } from '@/ui'
import { moveText, roleOf, roomText, ruleText, shareOf, usageLines, type Store, type StoreMove, type Stores, type TierRule, type TierRuleFields } from './stores'
import classes from './stores.module.css'
import { checkText, formatBytes, type Integrity } from './types'

const USAGE_SHOWN = 60

/** Where everything lies: the stores with their room, moves between them, the rules of tiers, and what fills them. */
export default function StoresScreen() {
  const { may } = useSession()
  const stores = useQuery({ queryKey: ['stores'], queryFn: () => http.get<Stores>('/api/archive/stores'), refetchInterval: 15_000 })
  const integrity = useQuery({ queryKey: ['integrity'], queryFn: () => http.get<Integrity>('/api/archive/integrity'), refetchInterval: 60_000 })
  const damaged = integrity.data?.damaged.length ?? 0
  const mayWrite = may('config.write')
  return (
    <Screen
      title="The store"
      body="page"
      note={integrity.data ? checkText(integrity.data) : undefined}
      actions={
        <Button component={Link} to="/system/damage" variant={damaged ? 'filled' : 'default'}>
          {damaged ? `${damaged} damaged` : 'Damaged images'}
        </Button>
      }
    >
      {stores.data?.no_room ? (
        <p className={classes['alarm']} role="alert">
          <IconAlertTriangle size={18} />
          <span>
            <strong>New images are refused:</strong> {stores.data.no_room}. What is here can be read; senders keep what they could not send. It goes on by itself when there is
            room.
          </span>
        </p>
      ) : null}
      {stores.error ? <ProblemNote error={stores.error} onRetry={() => void stores.refetch()} /> : null}
      {stores.data ? (
        <>
          <StoresTable stores={stores.data.stores} />
          <Moves stores={stores.data.stores} mayWrite={mayWrite} />
          <Rules stores={stores.data.stores} mayWrite={mayWrite} />
          <UsageTable stores={stores.data} />
        </>
      ) : null}
    </Screen>
  )
}

function StoresTable({ stores }: { stores: readonly Store[] }) {
  const first = stores.find((store) => store.takes_new)
  return (
    <Section title={stores.length === 1 ? 'One store' : 'Stores, in the order of tiers'}>
      <ul className={classes['stores']}>
        {stores.map((store) => (
          <li key={store.name} className={classes['store']} data-fault={store.fault ? true : undefined}>
            <div className={classes['name']}>
              <strong>{store.name}</strong>
              <span className={classes['quiet']} title={store.where}>
                {store.kind === 'bucket' ? 'Bucket ' : 'Folder '}
                {store.where}
              </span>
            </div>
            <div className={classes['fill']}>
              <Fill store={store} />
              <span className={classes['quiet']}>
                {roomText(store)}
              </span>
            </div>
            <div className={classes['figure']}>
              <strong>{formatBytes(store.bytes)}</strong>
              <span className={classes['quiet']}>
                {store.objects.toLocaleString()} objects
                {store.copies ? `, ${store.copies.toLocaleString()} copies of others` : ''}
              </span>
            </div>
            <div className={classes['does']}>
              <span>{roleOf(store, store === first)}</span>
              {store.copy_to ? <span className={classes['quiet']}>Copied to {store.copy_to}</span> : null}
              {store.fault ? <span className={classes['fault']}>{store.fault}</span> : null}
            </div>
          </li>
        ))}
      </ul>
    </Section>
  )
}

/** How full a store is, with its two water marks. */
function Fill({ store }: { store: Store }) {
  if (store.percent === null) return null
  const percent = Math.min(100, store.percent)
  const tint = percent >= 97 ? 'danger' : percent >= store.high_water_percent ? 'urgent' : undefined
  return (
    <div className={classes['bar']} role="img" aria-label={`${Math.round(percent)} % full; marks at ${store.low_water_percent} and ${store.high_water_percent} %`} data-tint={tint}>
      <i style={{ width: `${percent}%` }} />
      <b style={{ insetInlineStart: `${store.low_water_percent}%` }} />
      <b style={{ insetInlineStart: `${store.high_water_percent}%` }} />
    </div>
  )
}

function Moves({ stores, mayWrite }: { stores: readonly Store[]; mayWrite: boolean }) {
  const client = useQueryClient()
  const [adding, setAdding] = useState(false)
  const moves = useQuery({
    queryKey: ['store-moves'],
    queryFn: () => http.get<StoreMove[]>('/api/archive/store-moves'),
    refetchInterval: (query) => (query.state.data?.some((move) => move.state === 'running') ? 2_000 : 30_000),
  })
  if (stores.length < 2 && !moves.data?.length) return null
  const change = (move: StoreMove, state: 'running' | 'paused' | 'cancelled') =>
    void http
      .post(`/api/archive/store-moves/${move.store_move_pk}/state`, { state })
      .then(() => Promise.all([client.invalidateQueries({ queryKey: ['store-moves'] }), client.invalidateQueries({ queryKey: ['stores'] })]))
      .catch((error: unknown) => toastProblem(error))
  return (
    <Section
      title="Moves"
      aside={
        mayWrite && stores.length > 1 ? (
          <Button variant="default" leftSection={<IconArrowRight size={16} />} onClick={() => setAdding(true)}>
            Move a store
          </Button>
        ) : null
      }
    >
      {moves.data?.length ? (
        <ul className={classes['moves']}>
          {moves.data.slice(0, 8).map((move) => (
            <li key={move.store_move_pk} data-over={move.state === 'done' || move.state === 'cancelled' ? true : undefined}>
              <span className={classes['route']}>
                {move.from_store} <IconArrowRight size={14} aria-label="to" /> {move.to_store}
              </span>
              <div className={classes['fill']}>
                {move.state === 'running' || move.state === 'paused' ? (
                  <div className={classes['bar']} role="progressbar" aria-valuenow={Math.round(shareOf(move) * 100)} aria-valuemin={0} aria-valuemax={100} aria-label="Moved">
                    <i style={{ width: `${shareOf(move) * 100}%` }} />
                  </div>
                ) : null}
                <span className={classes['quiet']}>
                  {moveText(move, new Date())}
                  {move.failed ? `; ${move.failed} damaged ${move.failed === 1 ? 'stays' : 'stay'}` : ''}
                </span>
                {move.last_fault && move.state === 'running' ? <span className={classes['fault']}>Waits: {move.last_fault}</span> : null}
              </div>
              <span className={classes['quiet']}>
                <DateTime value={move.started_at} />, {move.started_by}
              </span>
              <span className={classes['buttons']}>
                {mayWrite && move.state === 'running' ? (
                  <Button variant="default" onClick={() => change(move, 'paused')}>
                    Pause
                  </Button>
                ) : null}
                {mayWrite && move.state === 'paused' ? (
                  <Button variant="default" onClick={() => change(move, 'running')}>
                    Go on
                  </Button>
                ) : null}
                {mayWrite && (move.state === 'running' || move.state === 'paused') ? (
                  <Button variant="default" onClick={() => change(move, 'cancelled')}>
                    Cancel
                  </Button>
                ) : null}
              </span>
            </li>
          ))}
        </ul>
      ) : (
        <p className={classes['quiet']}>A store can be emptied into another while everything goes on. Each copy is read again before the old one goes.</p>
      )}
      <Modal opened={adding} onClose={() => setAdding(false)} title="Move a store" size={520}>
        <MoveForm stores={stores} onDone={() => setAdding(false)} />
      </Modal>
    </Section>
  )
}

function MoveForm({ stores, onDone }: { stores: readonly Store[]; onDone: () => void }) {
  const client = useQueryClient()
  const names = stores.map((store) => store.name)
  const form = useProblemForm<{ from_store: string; to_store: string; bytes_per_second: number | string }>(
    { initialValues: { from_store: names[0] ?? '', to_store: names[1] ?? '', bytes_per_second: '' } },
    async (values) => {
      const rate = typeof values.bytes_per_second === 'number' ? Math.round(values.bytes_per_second * 1e6) : null
      await http.post('/api/archive/store-moves', { ...values, bytes_per_second: rate })
      await Promise.all([client.invalidateQueries({ queryKey: ['store-moves'] }), client.invalidateQueries({ queryKey: ['stores'] })])
      toast('It moves. Everything goes on meanwhile.')
      onDone()
    },
  )
  const field = form.form.getInputProps
  return (
    <Form of={form} submit="Begin to move" onCancel={onDone} columns={2}>
      <Select label="Empty this store" data={names} allowDeselect={false} {...field('from_store')} />
      <Select label="Into" data={names} allowDeselect={false} {...field('to_store')} />
      <Wide>
        <NumberInput label="No faster than, MB a second" description="Empty: as fast as it goes." min={0.1} max={10_000} {...field('bytes_per_second')} />
      </Wide>
    </Form>
  )
}

function Rules({ stores, mayWrite }: { stores: readonly Store[]; mayWrite: boolean }) {
  const [edited, setEdited] = useState<TierRule | 'new'>()
  const rules = useQuery({ queryKey: ['tier-rules'], queryFn: () => http.get<TierRule[]>('/api/archive/tier-rules') })
  if (stores.length < 2) {
    return (
      <Section title="Tiers">
        <p className={classes['quiet']}>With a second store in the settings, rules can move what nobody looks at to it, and everything can have a copy there.</p>
      </Section>
    )
  }
  const last = Math.max(0, ...(rules.data ?? []).map((rule) => rule.position))
  return (
    <Section
      title="Rules of tiers"
      aside={
        mayWrite ? (
          <Button variant="default" leftSection={<IconPlus size={16} />} onClick={() => setEdited('new')}>
            Add a rule
          </Button>
        ) : null
      }
    >
      {rules.data?.length ? (
        <ul className={classes['rules']}>
          {rules.data.map((rule) => (
            <li key={rule.tier_rule_pk} data-over={rule.is_enabled ? undefined : true}>
              <strong>{rule.name}</strong>
              <span>{ruleText(rule)}</span>
              <span className={classes['route']}>
                {rule.from_store} <IconArrowRight size={14} aria-label="to" /> {rule.to_store}
              </span>
              <span className={classes['buttons']}>
                {rule.is_enabled ? null : <span className={classes['quiet']}>Off</span>}
                {mayWrite ? (
                  <Button variant="default" onClick={() => setEdited(rule)}>
                    Change
                  </Button>
                ) : null}
              </span>
            </li>
          ))}
        </ul>
      ) : (
        <p className={classes['quiet']}>Everything stays where it came. A rule moves what nobody looked at for some time; what is unread, ordered or booked never leaves.</p>
      )}
      <Modal opened={edited !== undefined} onClose={() => setEdited(undefined)} title={edited === 'new' ? 'Add a rule' : 'Change the rule'} size={640}>
        {edited ? <RuleForm rule={edited === 'new' ? undefined : edited} position={last + 10} stores={stores} onDone={() => setEdited(undefined)} /> : null}
      </Modal>
    </Section>
  )
}

function RuleForm({ rule, position, stores, onDone }: { rule: TierRule | undefined; position: number; stores: readonly Store[]; onDone: () => void }) {
  const client = useQueryClient()
  const [removing, setRemoving] = useState(false)
  const names = stores.map((store) => store.name)
  const form = useProblemForm<TierRuleFields>(
    {
      initialValues: {
        name: rule?.name ?? '',
        position: rule?.position ?? position,
        is_enabled: rule?.is_enabled ?? true,
        from_store: rule?.from_store ?? names[0] ?? '',
        to_store: rule?.to_store ?? names[1] ?? '',
        modalities: rule?.modalities ?? [],
        institution_names: rule?.institution_names ?? [],
        days_unseen: rule?.days_unseen ?? 180,
        is_only_when_full: rule?.is_only_when_full ?? false,
      },
      validate: { name: (value) => (value.trim() ? null : 'Give it a name') },
    },
    async (values) => {
      if (rule) await http.put(`/api/archive/tier-rules/${rule.tier_rule_pk}`, values)
      else await http.post('/api/archive/tier-rules', values)
      await client.invalidateQueries({ queryKey: ['tier-rules'] })
      toast('The rule is saved; it is gone by within a quarter of an hour.')
      onDone()
    },
  )
  const field = form.form.getInputProps
  return (
    <Form of={form} submit={rule ? 'Save the rule' : 'Add the rule'} onCancel={onDone} columns={2}>
      <TextInput label="Name" maxLength={80} data-autofocus {...field('name')} />
      <NumberInput label="Order" description="The first rule that matches moves it." min={0} max={10_000} {...field('position')} />
      <Select label="From" data={names} allowDeselect={false} {...field('from_store')} />
      <Select label="To" data={names} allowDeselect={false} {...field('to_store')} />
      <TagsInput label="Modalities" description="Empty: all." {...field('modalities')} />
      <TagsInput label="Institutions" description="As the images say it. Empty: all." {...field('institution_names')} />
      <NumberInput label="Unseen for days" description="By people; machines do not count." min={0} max={36_500} {...field('days_unseen')} />
      <Wide>
        <Checkbox label="Only while the store is above its high mark, until it is below the low one" {...field('is_only_when_full', { type: 'checkbox' })} />
      </Wide>
      <Wide>
        <Checkbox label="The rule applies" {...field('is_enabled', { type: 'checkbox' })} />
      </Wide>
      {rule ? (
        <Wide>
          <Button variant="default" onClick={() => setRemoving(true)}>
            Remove the rule
          </Button>
          <ConfirmIrreversible
            opened={removing}
            title="Remove this rule?"
            confirm="Remove the rule"
            onConfirm={async () => {
              await http.delete(`/api/archive/tier-rules/${rule.tier_rule_pk}`)
              await client.invalidateQueries({ queryKey: ['tier-rules'] })
              toast('The rule is removed.')
              onDone()
            }}
            onClose={() => setRemoving(false)}
          >
            What it moved stays where it is, and can be read from there.
          </ConfirmIrreversible>
        </Wide>
      ) : null}
    </Form>
  )
}

function UsageTable({ stores }: { stores: Stores }) {
  const lines = usageLines(stores.usage)
  const names = stores.stores.map((store) => store.name).filter((name) => lines.some((line) => line.by_store.has(name)))
  const all = lines.reduce((sum, line) => sum + line.bytes, 0)
  return (
    <Section title="What fills it">
      {lines.length ? (
        <div className={classes['scroll']}>
          <table className={classes['usage']}>
            <thead>
              <tr>
                <th scope="col">Modality</th>
                <th scope="col">Institution</th>
                <th scope="col">Objects</th>
                {names.length > 1 ? names.map((name) => <th key={name} scope="col">{name}</th>) : null}
                <th scope="col">All</th>
                <th scope="col" aria-label="Share" />
              </tr>
            </thead>
            <tbody>
              {lines.slice(0, USAGE_SHOWN).map((line) => (
                <tr key={`${line.modality} ${line.institution_name}`}>
                  <td>{line.modality || 'Not filed'}</td>
                  <td>{line.institution_name || <span className={classes['quiet']}>not named</span>}</td>
                  <td>{line.objects.toLocaleString()}</td>
                  {names.length > 1 ? names.map((name) => <td key={name}>{line.by_store.has(name) ? formatBytes(line.by_store.get(name) ?? 0) : ''}</td>) : null}
                  <td>{formatBytes(line.bytes)}</td>
                  <td className={classes['share']}>
                    <i style={{ width: `${all ? (100 * line.bytes) / all : 0}%` }} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <p className={classes['quiet']}>It is counted every few minutes.</p>
      )}
      {lines.length > USAGE_SHOWN ? <p className={classes['quiet']}>And {lines.length - USAGE_SHOWN} more that hold less.</p> : null}
    </Section>
  )
}
