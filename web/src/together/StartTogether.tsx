import { ActionIcon, Tooltip } from '@mantine/core'
import { IconUsers } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { http, useSession } from '@/lib/api'
import { toastProblem } from '@/ui'
import { setCurrent, useCurrent } from './current'
import type { SessionDetail, SessionLine } from './types'

const STUDIES_MOST = 20

/** Begins a live session on the study that is read, or opens the panel of the one that runs. */
export function StartTogether({ studyPk, priorPks }: { studyPk: number; priorPks: readonly number[] }) {
  const { may } = useSession()
  const client = useQueryClient()
  const current = useCurrent(studyPk)
  const mine = useQuery({ queryKey: ['together', 'mine'], queryFn: ({ signal }) => http.get<SessionLine[]>('/api/together/sessions', { signal }), enabled: may('live_session.join') })
  // A page that was loaded anew goes on where it was.
  const running = mine.data?.find((one) => one.study_pk === studyPk && one.is_joined)?.live_session_pk
  const here = current?.sessionPk
  useEffect(() => {
    if (running !== undefined && here === undefined) setCurrent(studyPk, { sessionPk: running, shown: false })
    // Once it is known: who leaves is not brought back.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [running, studyPk])
  if (!may('live_session.start')) return null

  const start = async () => {
    if (current) {
      setCurrent(studyPk, { ...current, shown: !current.shown })
      return
    }
    try {
      const body = { study_pk: studyPk, prior_study_pks: priorPks.slice(0, STUDIES_MOST - 1) }
      const made = await http.post<SessionDetail>('/api/together/sessions', body)
      setCurrent(studyPk, { sessionPk: made.live_session_pk, shown: true })
      void client.invalidateQueries({ queryKey: ['together'] })
    } catch (error) {
      toastProblem(error, 'The live session did not begin')
    }
  }
  const label = current ? 'People and words of the live session' : 'Look together with others'
  return (
    <Tooltip label={label}>
      <ActionIcon aria-label={label} aria-pressed={current?.shown} variant={current ? 'light' : undefined} onClick={() => void start()}>
        <IconUsers size={18} />
      </ActionIcon>
    </Tooltip>
  )
}
