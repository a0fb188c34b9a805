import { lazy, Suspense } from 'react'
import type { ViewerProps } from '@/viewer'
import { Outline } from '@/ui'

// The viewer is large: it comes while the case is being opened.
const Viewer = lazy(() => import('@/viewer'))

/** The images of a case. */
export function Images(props: ViewerProps) {
  return (
    <Suspense fallback={<Outline rows={4} />}>
      <Viewer {...props} />
    </Suspense>
  )
}
