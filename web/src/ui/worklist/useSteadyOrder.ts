import { useCallback, useEffect, useRef, useState, type RefObject } from 'react'
import { holdOrder } from './model'

const HOLD_MS = 4000

/**
 * Keeps rows from jumping under the pointer. While the pointer or the keys are at work in the list (the last four
 * seconds), live changes update rows in place and new rows wait, counted; after that they take their places.
 * `asked`: the person came near the end and the next page was asked for, whose rows are not news.
 * `arrangement` names the search, filters and sort: when the person changes these, the order follows at once.
 */
export function useSteadyOrder(next: readonly string[], arrangement: string, asked: RefObject<boolean>) {
  const [shown, setShown] = useState<readonly string[]>(next)
  const [arranged, setArranged] = useState(arrangement)
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set())
  const busyUntil = useRef(0)
  const first = useRef(true)
  const latest = useRef(next)

  const same = shown.length === next.length && shown.every((key, index) => key === next[index])
  const { order, held } = same ? { order: shown as string[], held: [] } : holdOrder(shown, next)

  const settle = useCallback(() => {
    const paged = asked.current
    asked.current = false
    setShown((was) => {
      const there = new Set(was)
      const added = paged ? holdOrder(was, latest.current).held : latest.current.filter((key) => !there.has(key))
      if (added.length && added.length < latest.current.length) setFresh(new Set(added))
      return latest.current
    })
  }, [asked])

  useEffect(() => {
    latest.current = next
  })

  useEffect(() => {
    if (arranged !== arrangement || first.current || shown.length === 0) {
      first.current = false
      setArranged(arrangement)
      setShown(next)
      return undefined
    }
    if (same) return undefined
    const wait_ms = busyUntil.current - Date.now()
    if (wait_ms <= 0) {
      settle()
      return undefined
    }
    // Asked again each time the hold should be over, as it may have been prolonged meanwhile.
    const timer = setInterval(() => {
      if (Date.now() >= busyUntil.current) settle()
    }, 250)
    return () => clearInterval(timer)
  }, [arranged, arrangement, next, same, settle, shown.length])

  useEffect(() => {
    if (fresh.size === 0) return undefined
    const timer = setTimeout(() => setFresh(new Set()), 6000)
    return () => clearTimeout(timer)
  }, [fresh])

  const touch = useCallback(() => {
    busyUntil.current = Date.now() + HOLD_MS
  }, [])
  const release = useCallback(() => {
    busyUntil.current = 0
  }, [])

  const direct = arranged !== arrangement
  return {
    order: direct ? next : order,
    held: direct ? [] : held,
    fresh,
    touch,
    release,
    showNow: () => {
      busyUntil.current = 0
      settle()
    },
  }
}
