import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useEffect, useMemo } from 'react'
import { http, useLive } from '@/lib/api'
import { useFurtherWindow, type CaseTold } from '@/lib/caseWindows'
import { Empty, Outline, PatientBar, ProblemNote } from '@/ui'
import { usePriors } from './api'
import { Images } from './Images'
import classes from './report.module.css'
import { barOf, LIST_EVENTS, viewerPrior, viewerStudy, type ReadingItem } from './types'

/** A further window of the case that is read in the first: on another monitor, with the next stage or the prior. */
export default function WindowScreen() {
  const { id, number } = useParams({ strict: false }) as { id: string; number: string }
  const { told, silent } = useFurtherWindow(id)
  useEffect(() => {
    document.title = 'Images · Wetread'
  }, [])
  if (told?.study_pk != null) return <FurtherCase key={told.study_pk} studyPk={told.study_pk} told={told} number={Math.max(2, Number(number) || 2)} />
  return silent ? (
    <Empty title="The first window is closed" hint="This window shows the case that is read there. Close it, or open it anew from a case." />
  ) : (
    <Empty title="No case is open in the first window" hint="Open one there: its images appear here." />
  )
}

function FurtherCase({ studyPk, told, number }: { studyPk: number; told: CaseTold; number: number }) {
  const found = useQuery({
    queryKey: ['reading-list', 'case', String(studyPk)],
    queryFn: ({ signal }) => http.get<ReadingItem>(`/api/reading-list/studies/${studyPk}`, { signal }),
  })
  const priors = usePriors(studyPk)
  useLive(LIST_EVENTS, [['reading-list']])
  const others = useMemo(() => (priors.data ?? []).map(viewerPrior), [priors.data])
  const study = useMemo(() => (found.data ? viewerStudy(found.data) : null), [found.data])
  if (found.error) return <ProblemNote error={found.error} title="The case could not be opened" onRetry={() => void found.refetch()} />
  if (!found.data || !study || priors.isPending) return <Outline rows={8} />
  return (
    <div className={classes['screen']}>
      <h1 className="sr-only">Images</h1>
      <PatientBar patient={barOf(found.data.patient)} />
      <main className={classes['work']}>
        <div className={classes['images']}>
          {/* What is measured is kept from the first window: nothing is lost when this one closes. */}
          <Images study={study} priors={others} canMark={false} screens={{ after: told, number }} />
        </div>
      </main>
    </div>
  )
}
