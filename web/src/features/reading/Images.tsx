import { lazy, Suspense, type ComponentType } from 'react'
import { Outline } from '@/ui'
import classes from './report.module.css'
import { SeriesThumbs } from './parts'

export interface ImageStudy {
  study_pk: number
  study_instance_uid: string
  study_date: string | null
  study_description: string | null
  modalities_in_study: string[]
}

interface ImagesProps {
  study: ImageStudy
  /** The most telling first. */
  priors: ImageStudy[]
  canMark: boolean
  onKeyImage?: () => void
}

const doors = import.meta.glob<{ Viewer: ComponentType<ImagesProps> }>('@/viewer/index.{ts,tsx}')
const door = Object.values(doors)[0]
const Viewer = door ? lazy(async () => ({ default: (await door()).Viewer })) : undefined

/** The images of a case. */
export function Images(props: ImagesProps) {
  if (Viewer) {
    return (
      <Suspense fallback={<Outline rows={4} />}>
        <Viewer {...props} />
      </Suspense>
    )
  }
  return (
    <div className={classes['pad']}>
      <SeriesThumbs studyInstanceUid={props.study.study_instance_uid} instances={0} />
    </div>
  )
}
