import { StateSign } from '@/ui'
import { isReport } from './types'

/** Where a result stands: the report's state once something is signed, the order's before. */
export function ResultSign({ state, bare }: { state: string; bare?: boolean }) {
  if (state === 'addended') return <StateSign state="addendum" of="report" bare={bare} />
  return <StateSign state={state} of={isReport(state) ? 'report' : 'order'} bare={bare} />
}
