import { useCallback, useEffect, useRef, useState } from 'react'
import type { Trace } from './samples'
import { rangeOf } from './sheet'

/** What browsers play; others are brought to the nearer end, and sound the same. */
const RATES = [8000, 96000] as const

export interface Sound {
  playing: boolean
  /** From the beginning of the recording. */
  at_s: number
  toggle: () => void
  seek: (time_s: number) => void
}

/** The channels of a sound as a browser plays them, loudest without distortion. */
function bufferOf(context: AudioContext, traces: readonly Trace[]): AudioBuffer {
  const [first] = traces
  const frequency = first?.group.frequency ?? RATES[0]
  const rate = Math.min(RATES[1], Math.max(RATES[0], Math.round(frequency)))
  const count = first?.count ?? 0
  const length = Math.max(1, Math.round((count / frequency) * rate))
  const buffer = context.createBuffer(Math.max(1, Math.min(2, traces.length)), length, rate)
  for (const [at, trace] of traces.slice(0, 2).entries()) {
    const [low, high] = rangeOf(trace) ?? [-1, 1]
    const [middle, reach] = [(low + high) / 2, Math.max((high - low) / 2, 1e-9)]
    const data = buffer.getChannelData(at)
    for (let index = 0; index < length; index++) {
      const value = trace.at(Math.min(count - 1, Math.round((index * frequency) / rate)))
      data[index] = Number.isFinite(value) ? (value - middle) / reach : 0
    }
  }
  return buffer
}

/** Plays a sound; the curve can be followed. Null: it is no sound. */
export function useSound(traces: readonly Trace[] | null): Sound | null {
  const [playing, setPlaying] = useState(false)
  const [at_s, setAt] = useState(0)
  const running = useRef<{ context: AudioContext; source: AudioBufferSourceNode; began: number } | null>(null)
  const place = useRef(0)
  const length = traces?.[0] ? traces[0].count / traces[0].group.frequency : 0

  const stop = useCallback(() => {
    const now = running.current
    running.current = null
    if (!now) return
    place.current = now.context.currentTime - now.began
    now.source.onended = null
    now.source.stop()
    void now.context.close()
    setPlaying(false)
  }, [])
  const start = useCallback(
    (from: number) => {
      if (!traces) return
      const context = new AudioContext()
      const source = context.createBufferSource()
      source.buffer = bufferOf(context, traces)
      source.connect(context.destination)
      const offset = from >= length - 0.01 ? 0 : Math.max(0, from)
      source.start(0, offset)
      running.current = { context, source, began: context.currentTime - offset }
      source.onended = () => {
        stop()
        place.current = length
        setAt(length)
      }
      setPlaying(true)
    },
    [traces, length, stop],
  )
  useEffect(() => stop, [stop, traces])
  useEffect(() => {
    if (!playing) return
    let frame = 0
    const tick = () => {
      const now = running.current
      if (now) setAt(Math.min(length, now.context.currentTime - now.began))
      frame = requestAnimationFrame(tick)
    }
    frame = requestAnimationFrame(tick)
    return () => cancelAnimationFrame(frame)
  }, [playing, length])

  if (!traces) return null
  return {
    playing,
    at_s,
    toggle: () => (playing ? stop() : start(place.current)),
    seek: (time_s) => {
      const was = playing
      stop()
      place.current = time_s
      setAt(time_s)
      if (was) start(time_s)
    },
  }
}
