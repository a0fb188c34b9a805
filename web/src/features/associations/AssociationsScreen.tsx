import { Button } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { http, useSession } from '@/lib/api'
import { ConfirmIrreversible, DateTime, Facts, Screen, Section, toast, useNow, WorkList, type WorkColumn } from '@/ui'
import classes from './associations.module.css'
import { bytesText, doesText, objectsText, rateText, sinceText, type Association } from './types'

const keyOf = (one: Association) => `${one.node} ${one.number}`

/** DICOM associations that are open now, at every node of this system. */
export default function AssociationsScreen() {
  const { may } = useSession()
  const now = useNow()
  const [currentKey, setCurrentKey] = useState<string>()
  const list = useQuery({
    queryKey: ['associations'],
    queryFn: () => http.get<Association[]>('/api/archive/associations'),
    refetchInterval: 2000,
  })
  const columns = useMemo<readonly WorkColumn<Association>[]>(
    () => [
      { id: 'peer', label: 'AE title', value: (one) => one.calling_ae_title, width: 130 },
      { id: 'address', label: 'From', value: (one) => one.network_address, width: 116 },
      {
        id: 'since',
        label: 'Open for',
        value: (one) => new Date(one.opened_at),
        render: (one) => sinceText(one.opened_at, now),
        width: 92,
        align: 'right',
      },
      {
        id: 'service',
        label: 'Does',
        value: doesText,
        width: 220,
        grow: 3,
      },
      { id: 'objects', label: 'Objects', value: objectsText, width: 100, align: 'right' },
      {
        id: 'bytes',
        label: 'Carried',
        value: (one) => one.bytes_received + one.bytes_sent,
        render: (one) => bytesText(one.bytes_received + one.bytes_sent),
        width: 84,
        align: 'right',
      },
      {
        id: 'rate',
        label: 'Now',
        value: (one) => one.bytes_per_s,
        render: rateText,
        width: 92,
        align: 'right',
      },
      { id: 'tls', label: 'TLS', value: (one) => (one.encrypted ? 'yes' : 'no'), width: 56 },
      { id: 'node', label: 'Node', value: (one) => one.node, width: 150, hidden: true },
    ],
    [now],
  )
  const current = list.data?.find((one) => keyOf(one) === currentKey)
  const all = list.data?.reduce((sum, one) => sum + one.bytes_per_s, 0) ?? 0
  return (
    <Screen
      title="Associations"
      note={all ? `${bytesText(all)}/s in all` : undefined}
      actions={
        <Button component={Link} to="/system/commitments" variant="default">
          Storage commitments
        </Button>
      }
      inspectorLabel="The chosen association"
      inspectorHint="Choose an association to see what it carried, and to end it."
      inspector={current ? <AssociationInspector key={keyOf(current)} association={current} mayAbort={may('config.write')} /> : null}
    >
      <WorkList
        id="associations"
        noun="associations"
        rows={list.data}
        rowKey={keyOf}
        columns={columns}
        defaultSort={{ column: 'since', descending: true }}
        onCurrent={(one) => setCurrentKey(one ? keyOf(one) : undefined)}
        isQuiet={(one) => !one.bytes_per_s}
        error={list.error}
        onRetry={() => void list.refetch()}
        empty={{
          title: 'Nobody is connected',
          hint: 'Scanners, workstations and other archives stand here as long as their association is open.',
        }}
      />
    </Screen>
  )
}

function AssociationInspector({ association, mayAbort }: { association: Association; mayAbort: boolean }) {
  const client = useQueryClient()
  const [aborting, setAborting] = useState(false)
  const abort = async () => {
    await http.post('/api/archive/associations/abort', { node: association.node, number: association.number })
    await client.invalidateQueries({ queryKey: ['associations'] })
    toast(`The association of ${association.calling_ae_title} is aborted.`)
  }
  return (
    <Section title={association.calling_ae_title}>
      <Facts
        facts={[
          ['From', association.network_address],
          ['Opened', <DateTime key="opened" value={association.opened_at} />],
          ['Last operation', association.operation || 'none yet'],
          ['SOP class', association.service || 'none yet'],
          ['Objects received', association.received.toLocaleString()],
          ['Objects sent', association.sent.toLocaleString()],
          ['Bytes received', bytesText(association.bytes_received)],
          ['Bytes sent', bytesText(association.bytes_sent)],
          ['Now', rateText(association)],
          ['Encrypted', association.encrypted ? 'by TLS' : 'no'],
          ['Served by', `${association.node}, number ${association.number}`],
        ]}
      />
      {mayAbort ? (
        <div className={classes['buttons']}>
          <Button variant="default" onClick={() => setAborting(true)}>
            Abort…
          </Button>
        </div>
      ) : null}
      <ConfirmIrreversible
        opened={aborting}
        title={`Abort the association of ${association.calling_ae_title}`}
        confirm="Abort the association"
        onConfirm={abort}
        onClose={() => setAborting(false)}
      >
        <p className={classes['detail']}>
          What was acknowledged stays in the archive. The object on its way is dropped, and the peer has to send it again.
        </p>
      </ConfirmIrreversible>
    </Section>
  )
}
