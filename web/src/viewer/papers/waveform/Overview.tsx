import { useEffect, useRef } from 'react'
import type { Trace } from './samples'
import { clock, rangeOf } from './sheet'
import classes from './waveform.module.css'

const HEIGHT_PX = 34

/** All of a recording in one line; where it is pressed, it is seen. */
export function Overview({ trace, begins, ends, from_s, seconds, width, onGo }: { trace: Trace; begins: number; ends: number; from_s: number; seconds: number; width: number; onGo: (time_s: number) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(() => {
    const drawing = canvas.current?.getContext('2d')
    const range = rangeOf(trace)
    if (!canvas.current || !drawing || !range || width <= 0) return
    const ratio = window.devicePixelRatio || 1
    canvas.current.width = width * ratio
    canvas.current.height = HEIGHT_PX * ratio
    drawing.strokeStyle = getComputedStyle(canvas.current).color
    drawing.beginPath()
    const span = Math.max(range[1] - range[0], 1e-9)
    const y = (value: number) => (3 + (HEIGHT_PX - 6) * (1 - (value - range[0]) / span)) * ratio
    const step = (ends - begins) / (width * ratio)
    for (let pixel = 0; pixel < width * ratio; pixel++) {
      const found = trace.extremes(trace.indexAt(begins + pixel * step), trace.indexAt(begins + (pixel + 1) * step) + 1)
      if (!found) continue
      drawing.moveTo(pixel + 0.5, y(found[0]))
      drawing.lineTo(pixel + 0.5, y(found[1]) - 0.5)
    }
    drawing.stroke()
  }, [trace, begins, ends, width])
  const part = (time: number) => `${(100 * (time - begins)) / Math.max(ends - begins, 1e-9)}%`
  return (
    <div className={classes['overview']}>
      <canvas ref={canvas} style={{ width: '100%', height: HEIGHT_PX }} aria-hidden />
      <i style={{ left: part(from_s), width: part(begins + seconds) }} />
      <input
        type="range"
        min={begins}
        max={Math.max(begins, ends - seconds)}
        step={Math.max(0.01, seconds / 20)}
        value={from_s}
        aria-label="Time"
        aria-valuetext={`${clock(from_s)} of ${clock(ends)}`}
        onChange={(event) => onGo(Number(event.currentTarget.value))}
        tabIndex={-1}
      />
    </div>
  )
}
