/** Looking together: the live session around a viewer, what begins one, and the notice of an invitation. */
export { InvitationNotice } from './InvitationNotice'
export { RunningStage, TogetherStage } from './Stage'
export { StartTogether } from './StartTogether'
export type { SessionDetail } from './types'
export { useTogether } from './useTogether'
