import { useCallback, useEffect, useRef, type RefObject } from 'react'
import type { Vec3 } from '../geometry'
import { useThrottled } from '../useThrottled'
import type { Blend } from './fusion'
import { PLANES, type PlaneId } from './planeIds'
import { PLANE_DRAWN, type Scene } from './scene'
import type { PlanesView } from './sharedPlanes'
import type { Slab } from './slab'

/** Planes that are looked at together. */
export interface PlanesTogether {
  mode: 'lead' | 'follow' | 'apart'
  /** What the lead's planes show; null: not known. */
  wanted: PlanesView | null
  /** Whether a hand has just done something here, and after that moment (`performance.now`). */
  byHand: (after: number) => boolean
  tell: (view: PlanesView) => void
  leaveLead: () => void
  /** Says where in the patient a place on the screen lies, by the plane under it. */
  placing: RefObject<((plane: string, x: number, y: number) => { space: string; at: Vec3 } | null) | null>
}

/** What is chosen around the planes. */
export interface Chosen {
  slab: Slab
  /** By which preset the body is drawn; null: it is not shown. */
  look: string | null
  /** The stack that is fused with the one that was opened. */
  fused: string | null
  blend: Blend | null
}

interface Given {
  together: PlanesTogether | undefined
  scene: Scene | null
  ready: boolean
  chosen: Chosen
  choose: (wanted: Chosen) => void
  /** Where the planes and the body are drawn. */
  elementOf: (id: PlaneId | 'body') => HTMLElement | null | undefined
}

const TELL_MS = 50
const ALL = [...PLANES, 'body'] as const

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function chosenOf({ slab, body, fused }: PlanesView): Chosen {
  return { slab, look: body?.look ?? null, fused: fused?.stack ?? null, blend: fused?.blend ?? null }
}

function viewOf(scene: Scene, { slab, look, fused, blend }: Chosen): PlanesView | null {
  const [axial, sagittal, coronal] = PLANES.map((plane) => scene.camera(plane))
  if (!axial || !sagittal || !coronal) return null
  const range = scene.range()
  return {
    cameras: { axial, sagittal, coronal },
    slab,
    voi: range ? [range.lower, range.upper] : null,
    invert: scene.isInverted,
    body: look === null ? null : { look, camera: scene.camera('body') },
    fused: fused === null ? null : { stack: fused, blend },
  }
}

/** Tells what the planes show, or shows what is told of another's. */
export function usePlanesTogether(given: Given): void {
  const { together, scene, ready, chosen } = given
  const now = useRef(given)
  useEffect(() => {
    now.current = given
  })
  /** The size of the panes on which all that was told has been seen, and when. */
  const settled = useRef<{ sizes: string; at: number } | null>(null)

  const follow = useCallback(() => {
    const { together: to, scene: on, ready: there, chosen: has, choose, elementOf } = now.current
    const wanted = to?.wanted
    if (to?.mode !== 'follow' || !wanted || !on || !there) return
    const sizes = PLANES.map((plane) => `${elementOf(plane)?.clientWidth}×${elementOf(plane)?.clientHeight}`).join()
    const wants = chosenOf(wanted)
    // Until it is laid over, nobody can say how.
    const asChosen = isSame({ ...has, blend: null }, { ...wants, blend: null }) && (!has.blend || !wants.blend || isSame(has.blend, wants.blend))
    // The body is drawn a little after it is asked for, and from elsewhere at first.
    const isAwaited = wanted.body !== null && !on.camera('body')
    const unlike = ALL.filter((id) => {
      const camera = id === 'body' ? wanted.body?.camera : wanted.cameras[id]
      return camera && !(id === 'body' && isAwaited) && !on.isSeen(id, camera)
    })
    const range = on.range()
    const inWindow = !wanted.voi || (range && Math.hypot(range.lower - wanted.voi[0], range.upper - wanted.voi[1]) < 0.004 * Math.abs(wanted.voi[1] - wanted.voi[0]))
    if (asChosen && !unlike.length && inWindow && on.isInverted === wanted.invert) {
      if (!isAwaited && settled.current?.sizes !== sizes) settled.current = { sizes, at: performance.now() }
      return
    }
    if (settled.current?.sizes === sizes && to.byHand(settled.current.at)) {
      to.leaveLead()
      return
    }
    if (!asChosen) choose(wants)
    for (const id of unlike) {
      const camera = id === 'body' ? wanted.body?.camera : wanted.cameras[id]
      if (camera) on.see(id, camera)
    }
    if (!inWindow && wanted.voi) on.setRange(...wanted.voi)
    if (on.isInverted !== wanted.invert) on.invert()
  }, [])

  const tell = useThrottled(
    useCallback(() => {
      const { together: to, scene: on, ready: there, chosen: has } = now.current
      const view = to?.mode === 'lead' && on && there ? viewOf(on, has) : null
      if (view) to?.tell(view)
    }, []),
    TELL_MS,
  )

  const shared = together !== undefined
  const body = chosen.look !== null
  useEffect(() => {
    if (!shared || !scene || !ready) return
    const drawn = () => (now.current.together?.mode === 'lead' ? tell() : follow())
    const elements = ALL.map((id) => now.current.elementOf(id))
    for (const element of elements) element?.addEventListener(PLANE_DRAWN, drawn)
    return () => elements.forEach((element) => element?.removeEventListener(PLANE_DRAWN, drawn))
  }, [shared, scene, ready, body, tell, follow])

  const placing = together?.placing
  useEffect(() => {
    if (!placing || !scene || !ready) return
    placing.current = (named, x, y) => {
      const plane = PLANES.find((one) => one === named)
      return plane ? scene.placeAt(plane, x, y) : null
    }
    return () => {
      placing.current = null
    }
  }, [placing, scene, ready])

  const mode = together?.mode
  const wanted = together?.wanted
  useEffect(() => {
    settled.current = null
    follow()
  }, [mode, wanted, follow])
  const choice = JSON.stringify(chosen)
  useEffect(() => {
    if (mode === 'lead') tell()
    else follow()
  }, [mode, ready, choice, tell, follow])
}
