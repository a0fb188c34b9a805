import { useLayoutEffect, useMemo, useRef } from 'react'
import { along, dot, type Vec3 } from '../geometry'
import { awayFrom, planeNormal } from '../planes'
import type { Frame, Stack } from '../stacks'
import type { ToPane } from '../view'
import { fits, type Wash } from './layers'
import { outlineOfMask } from './masks'
import { HALF, isParallel, LEVELS, sectionOf, stepOf, type Cut, type Section } from './solids'
import type { Shown } from './useOverlays'
import classes from './overlays.module.css'

type ToCanvas = (point: Vec3) => readonly [number, number]

/** What of a part is seen on a plane. */
interface Trace {
  key: string
  number: number
  colour: string
  opacity: number
  isChosen: boolean
  sections: readonly Section[]
  /** On the picture's own pixels: what is covered, and lines. */
  onPicture: readonly string[]
  linesOnPicture: readonly string[]
  lines: readonly (readonly Vec3[])[]
  points: readonly Vec3[]
  /** Lines that enclose nothing. */
  open: readonly Section[]
  wash: Wash | null
}

/** A place lies on a picture that is as thin as this where nothing says how thick it is, mm. */
const THIN_MM = 3

/** The plane of a picture, all of which is looked at. */
export function cutOf(frame: Frame, stack: Stack): Cut | null {
  const { plane } = frame
  if (!plane) return null
  const { origin, row, column, width, height, betweenRows, betweenColumns } = plane
  return {
    origin,
    row,
    column,
    normal: planeNormal(plane),
    thickness: (stack.positions && stepOf(stack.positions)) || (frame.sliceThickness ?? 0),
    seen: [-betweenColumns / 2, -betweenRows / 2, width, height],
    fine: Math.min(betweenRows, betweenColumns),
  }
}

/** What is laid over the pictures of a stack, on one of them. */
export function tracesOn(shown: readonly Shown[], frame: Frame, stack: Stack, chosen: { key: string; part: number } | null): Trace[] {
  const cut = cutOf(frame, stack)
  return traces(shown, cut, chosen, stack, `${frame.sopInstanceUid}/${frame.frameNumber}`)
}

function traces(shown: readonly Shown[], cut: Cut | null, chosen: { key: string; part: number } | null, stack: Stack, picture: string | null): Trace[] {
  const half = (cut?.thickness || THIN_MM) / 2
  const isIn = (point: Vec3) => cut !== null && Math.abs(dot(cut.normal, point) - dot(cut.normal, cut.origin)) <= half
  return shown.flatMap(({ layer, opacity, parts }) =>
    parts.flatMap(({ part, form }): Trace[] => {
      if (!fits(layer, part, stack)) return []
      const mask = picture ? form.onPictures.get(picture) : undefined
      const first = stack.frames[0]?.metadata
      const [columns, rows] = [(first?.['00280011']?.Value?.[0] ?? 0) as number, (first?.['00280010']?.Value?.[0] ?? 0) as number]
      const trace: Trace = {
        key: `${layer.key}/${part.number}`,
        number: part.number,
        colour: part.colour,
        opacity,
        isChosen: chosen?.key === layer.key && chosen.part === part.number,
        sections: cut ? [...form.solids.map((solid) => sectionOf(solid, cut)), form.area?.(cut)].filter((one) => one !== null && one !== undefined) : [],
        // What says no place of its own is of the picture's size, or lies nowhere.
        onPicture: mask && form.size[0] === columns && form.size[1] === rows ? [outlineOfMask(mask, HALF)] : [],
        linesOnPicture: picture && form.linesOn && form.size[0] === columns ? [form.linesOn.get(picture)].filter((one) => one !== undefined) : [],
        lines: cut ? form.lines.filter((line) => isParallel(line.normal, cut.normal) && line.points.every(isIn)).map((line) => line.points) : [],
        points: form.points.filter(isIn),
        open: [cut && form.line?.(cut)].filter((one) => one !== null && one !== undefined),
        wash: (cut && opacity > 0 && form.colours?.(cut)) || null,
      }
      return trace.linesOnPicture.length || trace.open.length || trace.wash || trace.sections.length || trace.onPicture.length || trace.lines.length || trace.points.length ? [trace] : []
    }),
  )
}

/** What is laid over a picture, drawn where it lies however the picture is turned; the picture itself stays as it is. */
export function Overlaid({ shown, frame, stack, toCanvas, toPane, chosen }: { shown: readonly Shown[]; frame: Frame; stack: Stack; toCanvas: ToCanvas; toPane: ToPane | null; chosen: { key: string; part: number } | null }) {
  const found = useMemo(() => tracesOn(shown, frame, stack, chosen), [shown, frame, stack, chosen])
  return <Traces traces={found} toCanvas={toCanvas} toPane={toPane} />
}

/** The same on a plane through a volume. */
export function OverlaidOnPlane({ shown, cut, stack, toCanvas, chosen }: { shown: readonly Shown[]; cut: Cut; stack: Stack; toCanvas: ToCanvas; chosen: { key: string; part: number } | null }) {
  const found = useMemo(() => traces(shown, cut, chosen, stack, null), [shown, cut, stack, chosen])
  return <Traces traces={found} toCanvas={toCanvas} toPane={null} />
}

function Traces({ traces: found, toCanvas, toPane }: { traces: readonly Trace[]; toCanvas: ToCanvas; toPane: ToPane | null }) {
  if (!found.length) return null
  return (
    <>
      {found.map((trace) => (trace.wash ? <Washed key={trace.key} wash={trace.wash} opacity={trace.opacity} toCanvas={toCanvas} /> : null))}
      <svg className={classes['laid']} aria-hidden data-testid="laid">
      {found.map((trace) => (
        <g key={trace.key} data-part={trace.number} data-chosen={trace.isChosen || undefined} style={{ stroke: trace.colour, fill: trace.colour }}>
          {trace.sections.map((section, at) => (
            <g key={at} transform={`matrix(${matrixOf(section, toCanvas).join(' ')})`}>
              {section.paths.map(({ d, level }) => (
                <path key={level} d={d} fillRule="evenodd" vectorEffect="non-scaling-stroke" style={{ fillOpacity: filled(trace.opacity, section.paths.length > 1), ...(level === HALF ? {} : { stroke: 'none' }) }} />
              ))}
            </g>
          ))}
          {trace.open.map((section, at) => (
            <g key={`open-${at}`} transform={`matrix(${matrixOf(section, toCanvas).join(' ')})`}>
              {section.paths.map(({ d, level }) => (
                <path key={level} d={d} vectorEffect="non-scaling-stroke" style={{ fill: 'none' }} />
              ))}
            </g>
          ))}
          {toPane && trace.linesOnPicture.length ? (
            <g transform={`matrix(${toPane.join(' ')})`}>
              {trace.linesOnPicture.map((d, at) => (
                <path key={at} d={d} vectorEffect="non-scaling-stroke" style={{ fill: 'none' }} />
              ))}
            </g>
          ) : null}
          {toPane && trace.onPicture.length ? (
            <g transform={`matrix(${toPane.join(' ')})`}>
              {trace.onPicture.map((d, at) => (
                <path key={at} d={d} fillRule="evenodd" vectorEffect="non-scaling-stroke" style={{ fillOpacity: trace.opacity }} />
              ))}
            </g>
          ) : null}
          {trace.lines.map((points, at) => (
            <polyline key={`line-${at}`} style={{ fill: 'none' }} points={points.map((point) => toCanvas(point).join(',')).join(' ')} />
          ))}
          {trace.points.map((point, at) => {
            const [x, y] = toCanvas(point)
            return <path key={`point-${at}`} style={{ fill: 'none' }} d={`M${x - 6} ${y}h12M${x} ${y - 6}v12`} />
          })}
        </g>
      ))}
      </svg>
    </>
  )
}

/** Colours over a picture, which is as it was beneath them. */
function Washed({ wash, opacity, toCanvas }: { wash: Wash; opacity: number; toCanvas: ToCanvas }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const { width, height, rgba } = wash
  // Before anything is painted: the colours of one picture never lie over another.
  useLayoutEffect(() => {
    canvas.current?.getContext('2d')?.putImageData(new ImageData(rgba, width, height), 0, 0)
  }, [rgba, width, height])
  const matrix = matrixOf(wash, toCanvas)
  return (
    <div className={classes['washed']} aria-hidden>
      <canvas ref={canvas} width={width} height={height} data-wash={matrix.join(' ')} style={{ opacity, transform: `matrix(${matrix.join(',')})` }} />
    </div>
  )
}

/** Of levels that lie over each other each is so opaque that all together are as is said. */
function filled(opacity: number, inParts: boolean): number {
  return inParts ? 1 - (1 - Math.min(opacity, 0.99)) ** (1 / LEVELS.length) : opacity
}

function matrixOf({ origin, right, down }: Pick<Section, 'origin' | 'right' | 'down'>, toCanvas: ToCanvas): number[] {
  const [x, y] = toCanvas(origin)
  const [rightX, rightY] = toCanvas(along(origin, right, 1))
  const [downX, downY] = toCanvas(along(origin, down, 1))
  return [rightX - x, rightY - y, downX - x, downY - y, x, y]
}

/** The picture of a stack that a place lies nearest to; null: none of them says where it lies. */
export function nearestIndexTo(stack: Stack, point: Vec3): number | null {
  let best: { at: number; away: number } | null = null
  stack.frames.forEach(({ plane }, at) => {
    const away = plane ? Math.abs(awayFrom(plane, point)) : Infinity
    if (away < (best?.away ?? Infinity)) best = { at, away }
  })
  return (best as { at: number; away: number } | null)?.at ?? null
}
