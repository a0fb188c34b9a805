import { Button, SegmentedControl } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { http, useLive, useSession, type Page } from '@/lib/api'
import { DateTime, Screen, StateSign, WorkList, type WorkColumn, type WorkFilter } from '@/ui'
import { MessageInspector } from './MessageInspector'
import { needsAPerson, placeText, stateOf, typeText, type Counts, type Message } from './types'

const peerOf = (message: Message) =>
  message.receiver_name ?? [message.sending_application, message.sending_facility].filter(Boolean).join(', ')

const COLUMNS: readonly WorkColumn<Message>[] = [
  {
    id: 'state',
    label: 'State',
    value: (message) => stateOf(message),
    render: (message) => <StateSign state={stateOf(message)} of="queue" />,
    width: 118,
  },
  {
    id: 'direction',
    label: 'Way',
    value: (message) => (message.direction === 'in' ? 'In' : 'Out'),
    width: 52,
  },
  { id: 'message_type', label: 'Message', value: (message) => typeText(message.message_type), width: 150, grow: 1 },
  { id: 'peer', label: 'From or to', value: peerOf, width: 120, grow: 1 },
  { id: 'accession_number', label: 'Accession', value: (message) => message.accession_number, width: 112 },
  {
    id: 'error',
    label: 'What is wrong',
    value: (message) => [placeText(message.error_location), message.error_text].filter(Boolean).join(': '),
    width: 200,
    grow: 3,
  },
  {
    id: 'created_at',
    label: 'Came or made',
    value: (message) => new Date(message.created_at),
    render: (message) => <DateTime value={message.created_at} />,
    width: 126,
  },
  { id: 'attempts', label: 'Attempts', value: (message) => message.attempts, width: 76, align: 'right' },
  { id: 'control_id', label: 'Control number', value: (message) => message.message_control_id, width: 150, hidden: true },
  { id: 'answer', label: 'Answer', value: (message) => message.acknowledgment_code, width: 72, hidden: true },
]

const FILTERS: readonly WorkFilter<Message>[] = [
  {
    id: 'direction',
    label: 'Way',
    options: [
      { value: 'in', label: 'In' },
      { value: 'out', label: 'Out' },
    ],
    match: (message, value) => message.direction === value,
  },
]

const VIEWS: Record<string, { label: string; states: string[] }> = {
  person: { label: 'To handle', states: ['failed', 'rejected', 'dead'] },
  waiting: { label: 'Waiting', states: ['received', 'queued'] },
  all: { label: 'All', states: [] },
}

const keyOf = (message: Message) => String(message.interface_message_pk)

/** Messages in and out: what failed and why, what waits, what was done; each can be looked into and handled. */
export default function MessagesScreen() {
  const { may } = useSession()
  const [picked, setPicked] = useState<string>()
  const [currentPk, setCurrentPk] = useState<number>()
  const counts = useQuery({ queryKey: ['messages', 'counts'], queryFn: () => http.get<Counts>('/api/interfaces/messages/counts') })
  const count = (states: readonly string[]) =>
    states.reduce((sum, state) => sum + (counts.data?.inbound[state] ?? 0) + (counts.data?.outbound[state] ?? 0), 0)
  const view = picked ?? (count(VIEWS['person']?.states ?? []) > 0 ? 'person' : 'all')
  const states = VIEWS[view]?.states ?? []
  const list = useInfiniteQuery({
    queryKey: ['messages', 'list', view],
    queryFn: ({ pageParam }) =>
      http.get<Page<Message>>('/api/interfaces/messages', { query: { state: states, cursor: pageParam, limit: 200 } }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    enabled: counts.data !== undefined || counts.isError,
  })
  useLive(['interface_message.changed'], [['messages']])
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data])
  const current = rows?.find((message) => message.interface_message_pk === currentPk)
  return (
    <Screen
      title="Interfaces"
      actions={
        <>
          <SegmentedControl
            aria-label="Which messages"
            value={view}
            onChange={setPicked}
            data={Object.entries(VIEWS).map(([value, { label, states: of }]) => ({
              value,
              label: of.length && count(of) ? `${label} ${count(of)}` : label,
            }))}
          />
          <Button component={Link} to="/system/receivers" variant="default">
            Receivers
          </Button>
        </>
      }
      inspectorLabel="The chosen message"
      inspectorHint="Choose a message to see what is in it and what became of it."
      inspector={
        current ? <MessageInspector key={current.interface_message_pk} message={current} mayWrite={may('queue.write')} /> : null
      }
    >
      <WorkList
        key={view}
        id="messages"
        noun="messages"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        filters={FILTERS}
        defaultSort={{ column: 'created_at', descending: true }}
        onCurrent={(message) => setCurrentPk(message?.interface_message_pk)}
        onMore={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
        isUrgent={needsAPerson}
        isQuiet={(message) => message.state === 'skipped'}
        error={list.error ?? counts.error}
        onRetry={() => void list.refetch()}
        searchPlaceholder="Type, sender, accession, reason"
        compact={(message) => (
          <>
            <div>
              <StateSign state={stateOf(message)} of="queue" bare /> {typeText(message.message_type)}
            </div>
            <div>{message.error_text ?? peerOf(message)}</div>
          </>
        )}
        empty={
          view === 'person'
            ? { title: 'Nothing to handle', hint: 'Messages that fail, are refused, or are given up stand here until a person has dealt with them.' }
            : { title: 'No messages yet', hint: 'Orders and admissions come by HL7; results go to the receivers that are set up.' }
        }
      />
    </Screen>
  )
}
