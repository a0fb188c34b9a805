import { ActionIcon, Button, Select, Switch, TextInput } from '@mantine/core'
import { IconArrowDown, IconArrowUp } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, useSession, type Answer } from '@/lib/api'
import { ConfirmIrreversible, Screen, Section, StateSign, toast, toastProblem, WorkList, type WorkColumn } from '@/ui'
import classes from './hanging.module.css'

type Protocol = Answer<'/api/hanging-protocols/all', 'get'>[number]
type Site = Answer<'/api/sites', 'get'>[number]

const ALL = ['hanging-protocols', 'all']
const EVERYBODY = 'everybody'

const isShared = (one: Protocol) => one.hanging_protocol_level === 'SITE'
const ownerOf = (one: Protocol) => (isShared(one) ? (one.site_code ?? 'Everybody') : one.made_by)

/** `CT · HEAD · 1 prior`: for which studies it is. */
function demandOf({ hanging_protocol_definition: asked }: Protocol): string {
  const priors = asked.number_of_priors_referenced ?? 0
  const words = [asked.modality, asked.body_part_examined, asked.procedure_code, asked.procedure, asked.laterality, asked.view_position, priors ? `${priors} prior${priors === 1 ? '' : 's'}` : null]
  return words.filter(Boolean).join(' · ')
}

const COLUMNS: readonly WorkColumn<Protocol>[] = [
  { id: 'owner', label: 'For', value: ownerOf, width: 150 },
  { id: 'position', label: 'Order', value: (one) => (isShared(one) ? one.position : null), width: 60, align: 'right' },
  { id: 'name', label: 'Protocol', value: (one) => one.name, width: 180, grow: 2 },
  { id: 'demand', label: 'Studies', value: demandOf, width: 180, grow: 2 },
  { id: 'stages', label: 'Stages', value: (one) => one.display_sets.length, width: 70, align: 'right' },
  { id: 'made_by', label: 'Made by', value: (one) => one.made_by, width: 140, grow: 1 },
  { id: 'state', label: 'State', value: (one) => (one.is_enabled ? 'active' : 'disabled'), render: (one) => <StateSign state={one.is_enabled ? 'active' : 'disabled'} of="user" />, width: 116 },
]

const keyOf = (one: Protocol) => String(one.hanging_protocol_pk)

/** All hanging protocols: those of the sites in their order, and users' own, which can be copied to a site. */
export default function HangingScreen() {
  const { may } = useSession()
  const [currentPk, setCurrentPk] = useState<number>()
  const found = useQuery({ queryKey: ALL, queryFn: ({ signal }) => http.get<Protocol[]>('/api/hanging-protocols/all', { signal }) })
  const current = found.data?.find((one) => one.hanging_protocol_pk === currentPk)
  return (
    <Screen
      title="Hanging protocols"
      inspectorLabel="The chosen protocol"
      inspectorHint="Choose a protocol to order, switch off, copy or remove it. Its stages are changed in the viewer, on a study."
      inspector={current && may('config.write') ? <Inspector key={keyOf(current)} one={current} all={found.data ?? []} /> : null}
    >
      <WorkList
        id="hanging-protocols"
        noun="protocols"
        rows={found.data}
        rowKey={keyOf}
        columns={COLUMNS}
        arrangement={found.data?.map(keyOf).join()}
        onCurrent={(one) => setCurrentPk(one?.hanging_protocol_pk)}
        isQuiet={(one) => !one.is_enabled}
        error={found.error}
        onRetry={() => void found.refetch()}
        empty={{ title: 'No hanging protocol yet', hint: 'Readers keep them in the viewer, for themselves or for a site.' }}
      />
    </Screen>
  )
}

function Inspector({ one, all }: { one: Protocol; all: readonly Protocol[] }) {
  const client = useQueryClient()
  const sites = useQuery({ queryKey: ['sites'], queryFn: ({ signal }) => http.get<Site[]>('/api/sites', { signal }) })
  const [name, setName] = useState(one.name)
  const [to, setTo] = useState<string>(EVERYBODY)
  const [removing, setRemoving] = useState(false)
  const path = `/api/hanging-protocols/${one.hanging_protocol_pk}`
  const beside = all.filter((other) => isShared(other) && other.site_pk === one.site_pk).map((other) => other.hanging_protocol_pk)
  const place = beside.indexOf(one.hanging_protocol_pk)
  const act = (doing: Promise<unknown>, done?: string) =>
    void doing
      .then(() => client.invalidateQueries({ queryKey: ['hanging-protocols'] }))
      .then(() => (done ? toast(done) : undefined))
      .catch((error: unknown) => toastProblem(error))
  const move = (by: -1 | 1) => {
    const next = beside.filter((pk) => pk !== one.hanging_protocol_pk)
    next.splice(place + by, 0, one.hanging_protocol_pk)
    act(http.put('/api/hanging-protocols/order', { site_pk: one.site_pk, hanging_protocol_pks: next }))
  }
  const copy = () => act(http.post(`${path}/copy`, { name, site_pk: to === EVERYBODY ? null : Number(to) }), 'Copied. The one that it was made of stays.')
  return (
    <Section
      title={one.name}
      aside={
        isShared(one) ? (
          <span className={classes['row']}>
            <ActionIcon variant="subtle" size="lg" aria-label="Earlier" disabled={place <= 0} onClick={() => move(-1)}>
              <IconArrowUp size={16} />
            </ActionIcon>
            <ActionIcon variant="subtle" size="lg" aria-label="Later" disabled={place === beside.length - 1} onClick={() => move(1)}>
              <IconArrowDown size={16} />
            </ActionIcon>
          </span>
        ) : null
      }
    >
      <div className={classes['form']}>
        {isShared(one) ? (
          <>
            <Switch label="Studies hang by it" checked={one.is_enabled} onChange={(event) => act(http.put(`${path}/enabled`, { is_enabled: event.currentTarget.checked }))} />
            <p className={classes['note']}>Of several that fit a study, the one with more conditions wins; of equals, the first in order.</p>
          </>
        ) : (
          <p className={classes['note']}>A user’s own: only they change it. A copy for a site is the site’s.</p>
        )}
        <TextInput label="Name of the copy" value={name} maxLength={64} onChange={(event) => setName(event.currentTarget.value)} />
        <Select
          label="Copy for"
          data={[{ value: EVERYBODY, label: 'Everybody' }, ...(sites.data ?? []).map((site) => ({ value: String(site.site_pk), label: site.code }))]}
          value={to}
          allowDeselect={false}
          onChange={(next) => next && setTo(next)}
        />
        <div className={classes['row']}>
          <Button variant="default" disabled={!name.trim()} onClick={copy}>
            Copy
          </Button>
          {isShared(one) ? (
            <Button variant="default" onClick={() => setRemoving(true)}>
              Remove the protocol
            </Button>
          ) : null}
        </div>
        <ConfirmIrreversible
          opened={removing}
          title={`Remove “${one.name}”?`}
          confirm="Remove the protocol"
          onConfirm={async () => {
            await http.delete(path)
            await client.invalidateQueries({ queryKey: ['hanging-protocols'] })
            toast('The protocol is removed.')
          }}
          onClose={() => setRemoving(false)}
        >
          Studies that it would have hung hang by the next protocol that fits, or as is built in. To keep it for later, switch it off.
        </ConfirmIrreversible>
      </div>
    </Section>
  )
}
