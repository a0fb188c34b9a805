import { useEffect, useRef } from 'react'
import type { Hanging } from '../useHanging'
import { firstStack } from './builtIn'
import { priorAlone, stageAfter, type Screens } from './screens'
import type { Protocol } from './types'

/** The first of several windows tells how it hangs; a further one hangs what comes after. */
export function useScreens(screens: Screens | undefined, hanging: Hanging, protocols: readonly Protocol[] | undefined): void {
  const first = screens && 'first' in screens ? screens.first : null
  const tell = useRef(first)
  useEffect(() => {
    tell.current = first
  })
  const { applied } = hanging
  const key = applied?.protocol.hanging_protocol_pk ?? null
  const stage = applied?.stage ?? 0
  useEffect(() => {
    tell.current?.({ hanging_protocol_pk: key, stage })
  }, [key, stage])

  const further = screens && 'after' in screens ? screens : null
  const current = hanging.opened[0]?.loaded
  const ready = current !== undefined && !current.loading && current.stacks.length > 0 && protocols !== undefined
  useEffect(() => {
    if (!further || !ready) return
    const protocol = protocols.find((one) => one.hanging_protocol_pk === further.after.hanging_protocol_pk)
    const at = stageAfter(protocol, further.after, further.number)
    if (protocol && at !== null) hanging.hangBy(protocol, at)
    else hanging.hangBy(priorAlone(firstStack(current.stacks)))
    // Only when the first window hangs another stage; between, this one is the reader's.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [ready, further?.after.hanging_protocol_pk, further?.after.stage, further?.number])
}
