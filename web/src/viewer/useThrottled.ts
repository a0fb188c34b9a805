import { useCallback, useEffect, useRef } from 'react'

/** Calls at most every so many milliseconds, the last time after the last of what was asked. `call` is one that stays the same. */
export function useThrottled(call: () => void, wait_ms: number): () => void {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  return useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined
      call()
    }, wait_ms)
  }, [call, wait_ms])
}
