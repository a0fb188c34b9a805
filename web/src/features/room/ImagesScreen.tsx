import { Button } from '@mantine/core'
import { IconArrowLeft } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useEffect } from 'react'
import { asProblem, http } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { later } from '@/lib/later'
import { barOf, type Bar } from '@/lib/patient'
import { Empty, Outline, PatientBar, ProblemNote } from '@/ui'
import { together } from '@/viewer/opening'
import classes from './room.module.css'
import type { StudyDetail } from './types'

const Viewer = later(() => import('@/viewer'))

/** The images of a study at full size, so that a technologist sees whether they are good before the patient leaves. */
export default function ImagesScreen() {
  const { studyPk } = useParams({ strict: false }) as { studyPk: string }
  const search: { step?: unknown } = useSearch({ strict: false })
  const navigate = useNavigate()
  const known = /^\d{1,15}$/.test(studyPk)
  const found = useQuery({
    queryKey: ['study', Number(studyPk)],
    queryFn: ({ signal }) => together(http.get<StudyDetail>(`/api/archive/studies/${studyPk}`, { signal })),
    enabled: known,
  })
  const patientPk = found.data?.patient_pk
  const bar = useQuery({
    queryKey: ['patient-bar', patientPk],
    queryFn: ({ signal }) => http.get<Bar>(`/api/patients/${patientPk}/bar`, { signal }),
    enabled: typeof patientPk === 'number',
  })
  useEffect(() => {
    document.title = 'Images · Wetread'
  }, [])
  const leave = () => void navigate({ to: '/room', search: search.step ? { step: search.step } : {} })
  useKeys('Images', [{ keys: 'b', label: 'Back to the room', run: leave }])
  const back = (
    <Button variant="default" leftSection={<IconArrowLeft size={16} />} onClick={leave}>
      Room
    </Button>
  )
  if (!known || (found.error && asProblem(found.error).status === 404)) {
    return (
      <Empty title="There are no such images" hint="They may hang on an order of another site.">
        {back}
      </Empty>
    )
  }
  const error = found.error ?? bar.error
  if (error) return <ProblemNote error={error} title="The images could not be opened" onRetry={() => void found.refetch()} />
  if (!found.data || (typeof patientPk === 'number' && !bar.data)) return <Outline rows={10} />
  return (
    <div className={classes['viewing']}>
      {bar.data ? <PatientBar patient={barOf(bar.data)}>{back}</PatientBar> : back}
      <main>
        <Viewer study={found.data} priors={[]} canMark={false} meanwhile={<Outline rows={8} />} />
      </main>
    </div>
  )
}
