import type { Counts } from './types'

/** What a part of the system wants of people: a person to act, only time, or nothing. */
export type Need = 'person' | 'time' | 'none'

/** `failed` and `waiting` pieces of it; undefined where that is not known. */
export function needOf(failed: number | undefined, waiting: number | undefined): Need | undefined {
  if (failed === undefined || waiting === undefined) return undefined
  return failed ? 'person' : waiting ? 'time' : 'none'
}

/** Messages in these states, both ways. */
export function sum(counts: Counts | undefined, states: readonly string[]): number | undefined {
  if (!counts) return undefined
  return states.reduce((all, state) => all + (counts.inbound[state] ?? 0) + (counts.outbound[state] ?? 0), 0)
}

/** `76.4 GB`, in powers of ten as disks are sold. */
export function sayBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  const power = Math.min(units.length - 1, bytes > 0 ? Math.floor(Math.log10(bytes) / 3) : 0)
  const value = bytes / 1000 ** power
  return `${power && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[power]}`
}
