import { asProblem } from '@/lib/problem'

/** Why what a paper holds did not come, in words; `what` names it: `document`. */
export function whyNotFetched(error: unknown, what: string): string {
  const { status } = asProblem(error)
  if (status === 403 || status === 404) return `This ${what} may not be opened here, or is not there any more.`
  return `The ${what} could not be fetched. It is safe in the archive; try again.`
}
