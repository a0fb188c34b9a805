import { Component, type ReactNode } from 'react'
import { later } from '@/lib/later'
import type { ViewerProps } from '@/viewer'
import { TogetherStage } from '@/together'
import { Outline, ProblemNote } from '@/ui'

// The viewer is large: it comes while the case is being opened.
const Viewer = later(() => import('@/viewer'))

/** A fault of the viewer stays with the images: the report beside them goes on. */
class Apart extends Component<{ children: ReactNode }, { fault: unknown }> {
  override state: { fault: unknown } = { fault: undefined }

  static getDerivedStateFromError(fault: unknown) {
    return { fault }
  }

  override render() {
    if (this.state.fault === undefined) return this.props.children
    return (
      <ProblemNote
        error={this.state.fault}
        title="The images could not be shown"
        safe="The images themselves are safe, and so is the report."
        onRetry={() => this.setState({ fault: undefined })}
      />
    )
  }
}

/** The images of a case. */
export function Images(props: ViewerProps) {
  return (
    <Apart>
      <TogetherStage studyPk={props.study.study_pk}>{(share) => <Viewer {...props} share={share} meanwhile={<Outline rows={4} />} />}</TogetherStage>
    </Apart>
  )
}
