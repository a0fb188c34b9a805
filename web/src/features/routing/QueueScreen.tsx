import { SegmentedControl } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { useMemo, useState, type ReactNode } from 'react'
import { http, useLive } from '@/lib/api'
import { Screen, StateSign, WorkList, type WorkColumn } from '@/ui'

interface QueuePage<T> {
  items: T[]
  next_before: number | null
}

/** What a rule does with studies, by its state: the list, and beside it the chosen one. */
export function QueueScreen<T extends { state: string }>({
  id,
  title,
  from,
  live,
  views,
  actions,
  keyOf,
  look,
  columns,
  isQuiet,
  searchPlaceholder,
  compact,
  hint,
  empty,
  inspector,
}: {
  id: string
  title: string
  /** Where the pages of the list are. */
  from: string
  /** The event that says that something of it changed. */
  live: string
  /** State asked for → its heading. */
  views: Readonly<Record<string, string>>
  actions: ReactNode
  keyOf: (one: T) => string
  /** The state as its sign shows it. */
  look: (one: T) => string
  columns: readonly WorkColumn<T>[]
  isQuiet: (one: T) => boolean
  searchPlaceholder: string
  /** On a phone: what stands beside the sign, and below it. */
  compact: (one: T) => readonly [ReactNode, ReactNode]
  /** What the inspector is for. */
  hint: string
  /** Where nothing was ever done. */
  empty: { title: string; hint: string }
  inspector: (one: T) => ReactNode
}) {
  const [view, setView] = useState('all')
  const [currentKey, setCurrentKey] = useState<string>()
  const list = useInfiniteQuery({
    queryKey: [id, view],
    queryFn: ({ pageParam }) =>
      http.get<QueuePage<T>>(from, { query: { state: view === 'all' ? undefined : view, before: pageParam ?? undefined, limit: 200 } }),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next_before,
  })
  useLive([live], [[id]])
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data])
  const current = rows?.find((one) => keyOf(one) === currentKey)
  return (
    <Screen
      title={title}
      actions={
        <>
          <SegmentedControl
            aria-label="Which studies"
            value={view}
            onChange={setView}
            data={Object.entries(views).map(([value, label]) => ({ value, label }))}
          />
          {actions}
        </>
      }
      inspectorLabel="The chosen study"
      inspectorHint={hint}
      inspector={current ? inspector(current) : null}
    >
      <WorkList
        key={view}
        id={id}
        noun="studies"
        rows={rows}
        rowKey={keyOf}
        columns={columns}
        defaultSort={{ column: 'updated', descending: true }}
        onCurrent={(one) => setCurrentKey(one && keyOf(one))}
        onMore={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
        isUrgent={(one) => one.state === 'failed'}
        isQuiet={isQuiet}
        error={list.error}
        onRetry={() => void list.refetch()}
        searchPlaceholder={searchPlaceholder}
        compact={(one) => {
          const [beside, below] = compact(one)
          return (
            <>
              <div>
                <StateSign state={look(one)} of="queue" bare /> {beside}
              </div>
              <div>{below}</div>
            </>
          )
        }}
        empty={view === 'all' ? empty : { title: `Nothing is ${(views[view] ?? view).toLowerCase()}`, hint: 'Other studies are under the other headings.' }}
      />
    </Screen>
  )
}
