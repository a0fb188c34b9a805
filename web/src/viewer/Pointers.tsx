import type { Engine } from './engine'
import { isOf, useDrawn, type NamedPoint } from './shared'
import classes from './pointers.module.css'

/** Where the others point on the picture of a pane. */
export function Pointers({ engine, paneId, pointers }: { engine: Engine; paneId: string; pointers: readonly NamedPoint[] }) {
  useDrawn(engine, paneId)
  const viewport = engine.viewport(paneId)
  const imageId = engine.imageOn(paneId)
  if (!viewport || !imageId) return null
  return (
    <div className={classes['pointers']} aria-hidden>
      {pointers
        .filter((one) => isOf(imageId, one))
        .map((one) => {
          const [x, y] = viewport.worldToCanvas([...one.at])
          return (
            <div key={one.id} className={classes['pointer']} data-pointer={one.name} data-colour={one.colour % 6} style={{ transform: `translate(${x}px, ${y}px)` }}>
              <svg width="18" height="22" viewBox="0 0 18 22">
                <path d="M1 1v16.5l4.3-4 2.9 6.9 3.3-1.4-2.9-6.7h6z" />
              </svg>
              <span>{one.name}</span>
            </div>
          )
        })}
    </div>
  )
}
