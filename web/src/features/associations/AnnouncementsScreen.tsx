import { Button } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { http, type Answer } from '@/lib/api'
import { DateTime, Screen, WorkList, type WorkColumn } from '@/ui'
import { availabilityText } from './types'

type AnnouncementPage = Answer<'/api/availability/announcements', 'get'>
type Announcement = AnnouncementPage['items'][number]

const COLUMNS: readonly WorkColumn<Announcement>[] = [
  { id: 'from', label: 'Told by', value: (one) => one.calling_ae_title, width: 140 },
  { id: 'what', label: 'What it has', value: availabilityText, width: 200, grow: 2 },
  { id: 'where', label: 'To be had from', value: (one) => one.retrieve_ae_titles.join(', '), width: 150, grow: 1 },
  { id: 'here', label: 'Here', value: (one) => (one.is_here ? 'yes' : 'no'), width: 70 },
  { id: 'study', label: 'Study', value: (one) => one.study_instance_uid, width: 220, grow: 2 },
  {
    id: 'received',
    label: 'When',
    value: (one) => new Date(one.received_at),
    render: (one) => <DateTime value={one.received_at} />,
    width: 130,
  },
]

const keyOf = (one: Announcement) => String(one.availability_announcement_pk)

/** What other systems told by Instance Availability Notification. */
export default function AnnouncementsScreen() {
  const list = useInfiniteQuery({
    queryKey: ['availability-announcements'],
    queryFn: ({ pageParam }) =>
      http.get<AnnouncementPage>('/api/availability/announcements', { query: { before: pageParam ?? undefined, limit: 200 } }),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next_before,
    refetchInterval: 30_000,
  })
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data])
  return (
    <Screen
      title="What others have"
      note="As they told by Instance Availability Notification."
      actions={
        <Button component={Link} to="/system/commitments" variant="default">
          Storage commitments
        </Button>
      }
    >
      <WorkList
        id="availability-announcements"
        noun="notifications"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        defaultSort={{ column: 'received', descending: true }}
        onMore={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
        error={list.error}
        onRetry={() => void list.refetch()}
        empty={{ title: 'Nobody told anything yet', hint: 'A peer with the right to tell us which objects it has is heard here.' }}
      />
    </Screen>
  )
}
