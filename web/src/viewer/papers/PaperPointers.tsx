import { useEffect, useLayoutEffect, useReducer, useRef } from 'react'
import type { Vec3 } from '../geometry'
import { Pointer } from '../Pointers'
import type { NamedPoint } from '../shared'
import shown from '../pointers.module.css'
import { MOVED } from './places'

/** Where the others point on a paper. */
export function PaperPointers({ sopInstanceUid, pointers, seenAt }: { sopInstanceUid: string; pointers: readonly NamedPoint[]; seenAt: (at: Vec3) => readonly [number, number] | null }) {
  const layer = useRef<HTMLDivElement>(null)
  const [, draw] = useReducer((count: number) => count + 1, 0)
  useEffect(() => {
    const pane = layer.current?.closest('[data-pane]')
    pane?.addEventListener(MOVED, draw)
    return () => pane?.removeEventListener(MOVED, draw)
  }, [])
  const here = pointers.filter((one) => one.frame === 0 && one.sop === sopInstanceUid)
  // The layer is measured once it is there.
  useLayoutEffect(() => {
    draw()
  }, [here.length])
  const box = layer.current?.getBoundingClientRect()
  return (
    <div ref={layer} className={shown['pointers']} aria-hidden>
      {here.map((one) => {
        const at = box && seenAt(one.at)
        return at ? <Pointer key={one.id} pointer={one} at={[at[0] - box.left, at[1] - box.top]} /> : null
      })}
    </div>
  )
}
