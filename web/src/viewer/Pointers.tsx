import type { Engine } from './engine'
import { isOf, useDrawn, type NamedPoint } from './shared'
import type { PlaneId } from './volume/planeIds'
import type { Scene } from './volume/scene'
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
        .map((one) => (
          <Pointer key={one.id} pointer={one} at={viewport.worldToCanvas([...one.at])} />
        ))}
    </div>
  )
}

/** The same on a plane of no picture. */
export function PlanePointers({ scene, plane, pointers }: { scene: Scene; plane: PlaneId; pointers: readonly NamedPoint[] }) {
  return (
    <div className={classes['pointers']} aria-hidden>
      {pointers.map((one) => {
        const at = scene.seenAt(plane, one.space, one.at)
        return at ? <Pointer key={one.id} pointer={one} at={at} /> : null
      })}
    </div>
  )
}

export function Pointer({ pointer, at: [x, y] }: { pointer: NamedPoint; at: readonly [number, number] }) {
  return (
    <div className={classes['pointer']} data-pointer={pointer.name} data-colour={pointer.colour % 6} style={{ transform: `translate(${x}px, ${y}px)` }}>
      <svg width="18" height="22" viewBox="0 0 18 22">
        <path d="M1 1v16.5l4.3-4 2.9 6.9 3.3-1.4-2.9-6.7h6z" />
      </svg>
      <span>{pointer.name}</span>
    </div>
  )
}
