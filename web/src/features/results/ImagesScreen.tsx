import { Button } from '@mantine/core'
import { IconArrowLeft } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { useEffect } from 'react'
import { asProblem, http } from '@/lib/api'
import { useKeys } from '@/lib/keys'
import { later } from '@/lib/later'
import { Empty, Outline, PatientBar, ProblemNote } from '@/ui'
import { together } from '@/viewer/opening'
import classes from './results.module.css'
import { barOf, type ResultImages } from './types'

const Viewer = later(() => import('@/viewer'))

/** The images of a result: the patient on top, then nothing but the viewer. */
export default function ImagesScreen() {
  const { studyPk } = useParams({ strict: false }) as { studyPk: string }
  const navigate = useNavigate()
  const known = /^\d{1,15}$/.test(studyPk)
  const found = useQuery({
    queryKey: ['results', 'images', studyPk],
    queryFn: ({ signal }) => together(http.get<ResultImages>(`/api/results/studies/${studyPk}`, { signal })),
    enabled: known,
  })
  useEffect(() => {
    document.title = 'Images · Wetread'
  }, [])
  const data = found.data
  const leave = () => void navigate({ to: '/results', search: data ? { result: data.requested_procedure_pk } : {} })
  useKeys('Images', [{ keys: 'b', label: 'Back to the report', run: leave }])
  const back = (
    <Button variant="default" leftSection={<IconArrowLeft size={16} />} onClick={leave}>
      Report
    </Button>
  )
  if (!known || (found.error && asProblem(found.error).status === 404)) {
    return (
      <Empty title="There are no such images" hint="Only images of orders that name you as the referring physician are open here.">
        {back}
      </Empty>
    )
  }
  if (found.error) {
    return <ProblemNote error={found.error} title="The images could not be opened" onRetry={() => void found.refetch()} />
  }
  if (!data) return <Outline rows={10} />
  return (
    <div className={classes['viewing']}>
      <PatientBar patient={barOf(data.patient)}>{back}</PatientBar>
      <main className={classes['images']}>
        <Viewer study={data.study} priors={data.priors} canMark={false} meanwhile={<Outline rows={8} />} />
      </main>
    </div>
  )
}
