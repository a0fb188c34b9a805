import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiProblem } from '@/lib/api'
import { DraftQueue } from './draft'
import type { Sections } from './sections'
import type { DraftSaved } from './types'

type Save = (sections: Sections, revision: number) => Promise<DraftSaved>

const START = { sections: { findings: '', impression: '' }, revision: 1, savedAt: null }
const saves: { sections: Sections; revision: number }[] = []
const good: Save = (sections, revision) => {
  saves.push({ sections, revision })
  return Promise.resolve({ draft_revision: revision + 1, draft_saved_at: '2026-11-25T03:00:00Z' })
}
const failing = (status: number): Save => () => Promise.reject(new ApiProblem(status, { detail: 'no' }))

beforeEach(() => {
  saves.length = 0
  vi.useFakeTimers()
})
afterEach(() => vi.useRealTimers())

describe('the queue of a draft', () => {
  it('sends once, a moment after the last key', async () => {
    const queue = new DraftQueue(START, good)
    queue.write('findings', 'N')
    queue.write('findings', 'No')
    await vi.advanceTimersByTimeAsync(900)
    expect(saves).toEqual([])
    expect(queue.state()).toMatchObject({ status: 'waiting', dirty: true })
    await vi.advanceTimersByTimeAsync(200)
    expect(saves).toEqual([{ sections: { findings: 'No', impression: '' }, revision: 1 }])
    expect(queue.state()).toMatchObject({ status: 'saved', dirty: false, revision: 2 })
  })

  it('does not wait for ever on somebody who never pauses', async () => {
    const queue = new DraftQueue(START, good)
    for (let second = 0; second < 12; second += 1) {
      queue.write('findings', 'x'.repeat(second + 1))
      await vi.advanceTimersByTimeAsync(500)
    }
    expect(saves.length).toBeGreaterThanOrEqual(1)
    expect(saves[0]?.sections['findings']?.length).toBeLessThan(12)
  })

  it('sends nothing where nothing changed', async () => {
    const queue = new DraftQueue(START, good)
    queue.write('findings', '')
    await vi.advanceTimersByTimeAsync(10_000)
    expect(saves).toEqual([])
  })

  it('never sends twice at the same time, and sends what was written meanwhile with the new revision', async () => {
    let open: (saved: DraftSaved) => void = () => undefined
    const slow = vi.fn<Save>(() => new Promise((resolve) => (open = resolve)))
    const queue = new DraftQueue(START, slow)
    queue.write('findings', 'first')
    await vi.advanceTimersByTimeAsync(1_000)
    queue.write('findings', 'second')
    await vi.advanceTimersByTimeAsync(8_000)
    expect(slow).toHaveBeenCalledTimes(1)
    expect(queue.state().dirty).toBe(true)
    open({ draft_revision: 7, draft_saved_at: '2026-11-25T03:00:00Z' })
    await vi.advanceTimersByTimeAsync(1_100)
    expect(slow).toHaveBeenCalledTimes(2)
    expect(slow.mock.lastCall).toEqual([{ findings: 'second', impression: '' }, 7])
  })

  it('keeps the text when the line is down, tries again with longer waits, and is whole after', async () => {
    let save: Save = failing(0)
    const tried = vi.fn<Save>((sections, revision) => save(sections, revision))
    const queue = new DraftQueue(START, tried)
    queue.write('impression', 'Bleed')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(queue.state()).toMatchObject({ status: 'offline', dirty: true })
    queue.write('impression', 'Bleed, left')
    await vi.advanceTimersByTimeAsync(3_500)
    expect(tried).toHaveBeenCalledTimes(3)
    save = good
    queue.retry()
    await vi.advanceTimersByTimeAsync(0)
    expect(queue.state()).toMatchObject({ status: 'saved', dirty: false })
    expect(saves).toEqual([{ sections: { findings: '', impression: 'Bleed, left' }, revision: 1 }])
  })

  it('stops at a conflict until a person decides for this text', async () => {
    let save: Save = failing(409)
    const tried = vi.fn<Save>((sections, revision) => save(sections, revision))
    const queue = new DraftQueue(START, tried)
    queue.write('findings', 'mine')
    await vi.advanceTimersByTimeAsync(1_000)
    queue.write('findings', 'mine too')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(tried).toHaveBeenCalledTimes(1)
    expect(await queue.flush()).toBe(false)
    save = good
    queue.keepMine(9)
    await vi.advanceTimersByTimeAsync(0)
    expect(saves).toEqual([{ sections: { findings: 'mine too', impression: '' }, revision: 9 }])
  })

  it('takes the other text when that is chosen, and sends nothing', async () => {
    const queue = new DraftQueue(START, failing(409))
    queue.write('findings', 'mine')
    await vi.advanceTimersByTimeAsync(1_000)
    queue.adopt({ sections: { findings: 'theirs', impression: '' }, revision: 4, savedAt: null })
    expect(queue.state()).toMatchObject({ status: 'saved', dirty: false, revision: 4, epoch: 1 })
    expect(queue.state().sections['findings']).toBe('theirs')
  })

  it('says what the server refuses, and tries again after a change', async () => {
    let save: Save = failing(422)
    const queue = new DraftQueue(START, (sections, revision) => save(sections, revision))
    queue.write('findings', 'too long')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(queue.state()).toMatchObject({ status: 'refused', dirty: true })
    save = good
    queue.write('findings', 'short')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(queue.state().status).toBe('saved')
  })

  it('flushes at once and says whether the server has everything', async () => {
    const queue = new DraftQueue(START, good)
    expect(await queue.flush()).toBe(true)
    queue.write('findings', 'done')
    expect(await queue.flush()).toBe(true)
    expect(saves).toHaveLength(1)
    const broken = new DraftQueue(START, failing(503))
    broken.write('findings', 'done')
    expect(await broken.flush()).toBe(false)
    expect(broken.state().sections['findings']).toBe('done')
    broken.stop()
  })

  it('sends nothing while it is stopped, keeps what is written then, and sends it once it is resumed', async () => {
    const queue = new DraftQueue(START, good)
    queue.write('findings', 'late')
    queue.stop()
    queue.write('findings', 'later')
    await vi.advanceTimersByTimeAsync(20_000)
    expect(saves).toEqual([])
    expect(queue.state()).toMatchObject({ dirty: true, sections: { findings: 'later' } })
    queue.resume()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(saves).toEqual([{ sections: { findings: 'later', impression: '' }, revision: 1 }])
  })
})
