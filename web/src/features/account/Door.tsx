import type { ReactNode } from 'react'
import { Mark } from '@/ui'
import classes from './Welcome.module.css'

// The head phantom of Shepp and Logan: centre, half axes, angle in degrees, grey. The field's own test picture.
const ELLIPSES: readonly (readonly [x: number, y: number, a: number, b: number, angle: number, grey: string])[] = [
  [0, 0, 0.69, 0.92, 0, '#d4d4d0'],
  [0, 0.0184, 0.6624, 0.874, 0, '#33373c'],
  [0.22, 0, 0.11, 0.31, -18, '#15181c'],
  [-0.22, 0, 0.16, 0.41, 18, '#15181c'],
  [0, -0.35, 0.21, 0.25, 0, '#4d5258'],
  [0, -0.1, 0.046, 0.046, 0, '#5c6167'],
  [0, 0.1, 0.046, 0.046, 0, '#5c6167'],
  [-0.08, 0.605, 0.046, 0.023, 0, '#5c6167'],
  [0, 0.605, 0.023, 0.023, 0, '#5c6167'],
  [0.06, 0.605, 0.023, 0.046, 0, '#5c6167'],
]

/** What stands before the house: the sheet with the form, and an image on the lightbox. */
export function Door({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className={classes['page']}>
      <main className={classes['sheet']}>
        <div className={classes['mark']}>
          <Mark size={40} />
          Wetread
        </div>
        <h1>{title}</h1>
        {children}
      </main>
      <div className={classes['lightbox']} aria-hidden>
        <svg viewBox="-1.5 -1.25 3 2.5" preserveAspectRatio="xMidYMid slice">
          {ELLIPSES.map(([x, y, a, b, angle, grey], index) => (
            <ellipse key={index} cx={x} cy={y} rx={a} ry={b} fill={grey} transform={`rotate(${angle} ${x} ${y})`} />
          ))}
          <path d="M0.95 -0.5 V0.5 M0.95 -0.5 h-.04 M0.95 0 h-.04 M0.95 .5 h-.04 M.95 -.25 h-.025 M.95 .25 h-.025" className={classes['scale']} />
        </svg>
        <p className={classes['corner']}>
          SHEPP LOGAN 1974
          <br />
          Head phantom
        </p>
        <p className={[classes['corner'], classes['right']].join(' ')}>
          W 2.0 L 1.0
          <br />
          10 cm
        </p>
      </div>
    </div>
  )
}
