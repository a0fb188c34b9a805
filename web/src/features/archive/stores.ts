import type { Answer, Sent } from '@/lib/api'
import { formatBytes } from './types'

export type Stores = Answer<'/api/archive/stores', 'get'>
export type Store = Stores['stores'][number]
export type StoreUsage = Stores['usage'][number]
export type StoreMove = Answer<'/api/archive/store-moves', 'get'>[number]
export type TierRule = Answer<'/api/archive/tier-rules', 'get'>[number]
export type TierRuleFields = Sent<'/api/archive/tier-rules', 'post'>

/** What a store does with new images, in a few words; `fault` stands elsewhere. */
export function roleOf(store: Store, first: boolean): string {
  if (store.is_closed) return 'Being emptied, or empty: takes nothing new'
  if (!store.takes_new) return 'Takes what is moved here'
  return first ? 'Takes new images' : 'Takes new images when those above cannot'
}

/** What room a store has, in one line. */
export function roomText(store: Store): string {
  if (store.free_bytes === null || store.percent === null) return 'No bound is set'
  const quota = store.quota_bytes === null ? '' : `; its quota is ${formatBytes(store.quota_bytes)}`
  return `${Math.round(store.percent)} % full, ${formatBytes(store.free_bytes)} free${quota}`
}

/** How much a move has done, 0 to 1. What came meanwhile makes it more than was there at the start. */
export function shareOf(move: StoreMove): number {
  if (move.state === 'done') return 1
  const whole = Math.max(move.bytes_at_start, move.bytes)
  return whole ? Math.min(1, move.bytes / whole) : 0
}

/** How a move stands, in one line. */
export function moveText(move: StoreMove, now: Date): string {
  const done = `${formatBytes(move.bytes)} of ${formatBytes(Math.max(move.bytes_at_start, move.bytes))}`
  if (move.state === 'done') return `Done: ${move.objects.toLocaleString()} objects, ${formatBytes(move.bytes)}`
  if (move.state === 'cancelled') return `Cancelled after ${done}`
  if (move.state === 'paused') return `Paused at ${done}`
  const seconds = (now.getTime() - new Date(move.started_at).getTime()) / 1000
  const rate = move.bytes / Math.max(seconds, 1)
  const left = (Math.max(move.bytes_at_start, move.bytes) - move.bytes) / Math.max(rate, 1)
  return move.bytes > 0 && seconds > 20 && left > 60 ? `${done}, about ${sayWait(left)} left` : done
}

function sayWait(seconds: number): string {
  if (seconds < 5400) return `${Math.ceil(seconds / 60)} min`
  const hours = seconds / 3600
  return hours < 48 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} days`
}

/** Whom a rule is for, in words. */
export function ruleText(rule: TierRule): string {
  const what = [rule.modalities.join(', '), rule.institution_names.join(', ')].filter(Boolean).join(' of ') || 'All studies'
  return `${what}, unseen for ${rule.days_unseen} ${rule.days_unseen === 1 ? 'day' : 'days'}${rule.is_only_when_full ? ', while the store is above its high mark' : ''}`
}

export interface UsageLine {
  modality: string
  institution_name: string
  by_store: Map<string, number>
  bytes: number
  objects: number
}

/** Usage by modality and institution, a column a store; the most first. */
export function usageLines(usage: readonly StoreUsage[]): UsageLine[] {
  const lines = new Map<string, UsageLine>()
  for (const one of usage) {
    const key = `${one.modality}\n${one.institution_name}`
    const line = lines.get(key) ?? { modality: one.modality, institution_name: one.institution_name, by_store: new Map(), bytes: 0, objects: 0 }
    line.by_store.set(one.store, (line.by_store.get(one.store) ?? 0) + one.bytes)
    line.bytes += one.bytes
    line.objects += one.objects
    lines.set(key, line)
  }
  return [...lines.values()].sort((a, b) => b.bytes - a.bytes)
}
