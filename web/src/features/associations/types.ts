import type { Answer } from '@/lib/api'

export type Association = Answer<'/api/archive/associations', 'get'>[number]
export type Commitment = Answer<'/api/archive/storage-commitments', 'get'>[number]

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** Bytes as people read them: `3.2 MB`. */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${value.toFixed(unit === 0 || value >= 100 ? 0 : 1)} ${UNITS[unit] ?? ''}`
}

/** How fast it goes; nothing where it rests. */
export function rateText({ bytes_per_s }: Pick<Association, 'bytes_per_s'>): string {
  return bytes_per_s ? `${bytesText(bytes_per_s)}/s` : 'rests'
}

/** Objects both ways, in words: `120 in`, `3 in, 40 out`. */
export function objectsText({ received, sent }: Pick<Association, 'received' | 'sent'>): string {
  const parts = [received ? `${received.toLocaleString()} in` : '', sent ? `${sent.toLocaleString()} out` : '']
  return parts.filter(Boolean).join(', ') || 'none'
}

/** The last operation and what it was about, in few words. */
export function doesText({ operation, service }: Pick<Association, 'operation' | 'service'>): string {
  return [operation, service.replace(/ SOP Class$/, '').replace(' Query/Retrieve Information Model', '')].filter(Boolean).join(' · ') || 'nothing yet'
}

/** How long since `from`: `12 s`, `4 min`, `2 h 05`. */
export function sinceText(from: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - new Date(from).getTime()) / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')}`
}

/** Where a request for storage commitment stands, as the state table of queues has it. */
export function stateOf(commitment: Pick<Commitment, 'reported_at' | 'attempt_count' | 'failed'>): string {
  if (commitment.reported_at) return commitment.failed ? 'failed' : 'completed'
  return commitment.attempt_count ? 'retrying' : 'waiting'
}

/** What was promised: `all 120`, `118 of 120`, or that nobody has looked yet. */
export function promiseText({ objects, failed }: Pick<Commitment, 'objects' | 'failed'>): string {
  if (failed === null) return `${objects.toLocaleString()}, not looked at yet`
  return failed ? `${(objects - failed).toLocaleString()} of ${objects.toLocaleString()}` : `all ${objects.toLocaleString()}`
}

/** `2 online, 1 nearline`: of how many objects a peer says what. */
export function availabilityText(one: { online: number; nearline: number; offline: number; unavailable: number }): string {
  const parts = [
    [one.online, 'online'],
    [one.nearline, 'nearline'],
    [one.offline, 'offline'],
    [one.unavailable, 'not to be had any more'],
  ] as const
  return parts
    .filter(([count]) => count)
    .map(([count, words]) => `${count} ${words}`)
    .join(', ')
}
