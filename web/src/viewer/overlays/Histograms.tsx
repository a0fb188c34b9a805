import { useState, type PointerEvent } from 'react'
import { paletteColour, css } from './colours'
import { doseWords, rounded, unitOf } from './dose'
import { histogramsOf, partFrom } from './dvh'
import type { Layer } from './layers'
import classes from './overlays.module.css'

const [WIDTH, HEIGHT, LEFT, BELOW, ABOVE] = [228, 168, 26, 18, 6]
const [ACROSS, DOWN] = [WIDTH - LEFT - 6, HEIGHT - BELOW - ABOVE]

/** A round number of which a few make all. */
function stepOf(most: number): number {
  const rough = most / 4
  const size = 10 ** Math.floor(Math.log10(rough))
  return ([1, 2, 2.5, 5, 10].find((one) => one * size >= rough) ?? 10) * size
}

/** The dose-volume histograms that come with a dose: how much of each region has at least so much. */
export default function Histograms({ layer, structures }: { layer: Layer; structures: Layer | undefined }) {
  const [at, setAt] = useState<number | null>(null)
  const { histograms, left } = histogramsOf(layer.instance, structures)
  const most = Math.max(...histograms.flatMap((one) => one.points.map(([dose]) => dose)), 1e-6)
  const step = stepOf(most)
  const x = (dose: number) => LEFT + (ACROSS * dose) / most
  const y = (part: number) => ABOVE + DOWN * (1 - part)
  const colourOf = (own: string | null, index: number) => own ?? css(paletteColour(index + 1))
  const moved = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect()
    const dose = ((((event.clientX - box.left) / box.width) * WIDTH - LEFT) / ACROSS) * most
    setAt(dose >= 0 && dose <= most ? dose : null)
  }
  return (
    <div className={classes['histograms']}>
      {histograms.length ? (
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label="Dose-volume histograms" onPointerMove={moved} onPointerDown={moved} onPointerLeave={() => setAt(null)}>
          {[0, 0.25, 0.5, 0.75, 1].map((part) => (
            <g key={part}>
              <line x1={LEFT} x2={WIDTH - 6} y1={y(part)} y2={y(part)} />
              {part % 0.5 === 0 ? (
                <text x={LEFT - 4} y={y(part) + 4} textAnchor="end">
                  {100 * part}
                </text>
              ) : null}
            </g>
          ))}
          {Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, mark) => mark * step).map((dose) => (
            <g key={dose}>
              <line x1={x(dose)} x2={x(dose)} y1={ABOVE} y2={ABOVE + DOWN} />
              <text x={x(dose)} y={HEIGHT - 5} textAnchor="middle">
                {rounded(dose)}
              </text>
            </g>
          ))}
          {histograms.map((one, index) => (
            <polyline key={index} points={one.points.map(([dose, part]) => `${x(dose).toFixed(1)},${y(part).toFixed(1)}`).join(' ')} style={{ stroke: colourOf(one.colour, index) }} />
          ))}
          {at === null ? null : <line data-here x1={x(at)} x2={x(at)} y1={ABOVE} y2={ABOVE + DOWN} />}
        </svg>
      ) : null}
      <p>{at === null ? `% of the volume by dose${unitOf(layer.instance) ? `, ${unitOf(layer.instance)}` : ''}` : `At least ${doseWords(at, layer.instance)}:`}</p>
      <ul aria-label="Dose-volume histograms">
        {histograms.map((one, index) => (
          <li key={index}>
            <i style={{ background: colourOf(one.colour, index) }} />
            <span dir="auto">{one.name}</span>
            <span>
              {at !== null
                ? `${rounded(100 * partFrom(one, at))} %${one.volume === null ? '' : ` · ${rounded(one.volume * partFrom(one, at))} ml`}`
                : [one.mean === null ? null : `mean ${rounded(one.mean)}`, one.most === null ? null : `max ${rounded(one.most)}`].filter(Boolean).join(' · ')}
            </span>
          </li>
        ))}
      </ul>
      {left ? <p role="note">{left === 1 ? 'One histogram is' : `${left} histograms are`} in a form that is not drawn.</p> : null}
    </div>
  )
}
