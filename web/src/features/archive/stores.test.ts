import { describe, expect, it } from 'vitest'
import { moveText, ruleText, shareOf, usageLines, type StoreMove, type TierRule } from './stores'
import { formatBytes } from './types'

const MOVE: StoreMove = {
  store_move_pk: 1,
  from_store: 'local',
  to_store: 'bucket',
  state: 'running',
  bytes_per_second: null,
  started_at: '2026-11-25T00:00:00Z',
  started_by: 'admin',
  finished_at: null,
  objects_at_start: 100,
  bytes_at_start: 10e9,
  objects: 50,
  bytes: 5e9,
  failed: 0,
  last_fault: null,
}

describe('a move', () => {
  it('says how far it is and how long it takes', () => {
    expect(moveText(MOVE, new Date('2026-11-25T00:10:00Z'))).toBe('5.0 GB of 10.0 GB, about 10 min left')
    expect(moveText({ ...MOVE, state: 'paused' }, new Date())).toBe('Paused at 5.0 GB of 10.0 GB')
    expect(moveText({ ...MOVE, state: 'done' }, new Date())).toBe('Done: 50 objects, 5.0 GB')
    expect(shareOf(MOVE)).toBe(0.5)
    expect(shareOf({ ...MOVE, bytes: 11e9 })).toBe(1)
    expect(shareOf({ ...MOVE, bytes: 0, bytes_at_start: 0 })).toBe(0)
  })
})

describe('usage', () => {
  it('is one line for a modality and institution, the most first', () => {
    const row = { objects: 1, institution_name: 'North' }
    const lines = usageLines([
      { ...row, store: 'fast', modality: 'CT', bytes: 1 },
      { ...row, store: 'slow', modality: 'CT', bytes: 3 },
      { ...row, store: 'slow', modality: 'MR', bytes: 9 },
    ])
    expect(lines.map((line) => [line.modality, line.bytes, line.objects])).toEqual([
      ['MR', 9, 1],
      ['CT', 4, 2],
    ])
    expect(lines[1]?.by_store.get('slow')).toBe(3)
  })
})

describe('words', () => {
  it('say sizes and rules', () => {
    expect(formatBytes(0)).toBe('0 B')
    expect(formatBytes(76.4e9)).toBe('76.4 GB')
    const rule: TierRule = {
      tier_rule_pk: 1, name: 'Old', position: 1, is_enabled: true, from_store: 'a', to_store: 'b', modalities: ['CT', 'MR'], institution_names: [], days_unseen: 1, is_only_when_full: true,
    }
    expect(ruleText(rule)).toBe('CT, MR, unseen for 1 day, while the store is above its high mark')
    expect(ruleText({ ...rule, modalities: [], days_unseen: 90, is_only_when_full: false })).toBe('All studies, unseen for 90 days')
  })
})
