import { useRef, useState } from 'react'
import type { Engine } from './engine'
import { followView, sharesWindow } from './follow'
import { anchorAt, anchorInTheMiddle, linkedIndex, type Anchor, type Vec3 } from './geometry'
import type { PaneId } from './layout'
import { LINKED_AT_FIRST, type LinkKind, type Links } from './links'
import { cut, nearestPlane, type Segment } from './planes'
import type { Stack } from './stacks'

/** The panes as they hang. */
export interface Panes {
  engine: Engine | null
  visible: readonly PaneId[]
  /** The pane with the keys. */
  active: PaneId
  stackIn: (id: PaneId) => Stack | null
  /** Whose stack hangs in a pane. */
  studyPkIn: (id: PaneId) => number
  /** Which picture each pane shows. */
  indexes: Partial<Record<PaneId, number>>
  /** Another person leads: each pane is told by that one, and none by another pane. */
  led: boolean
}

export interface Together {
  links: Links
  toggle: (kind: LinkKind) => void
  /** What panes do together from now on, as a hanging says. */
  link: (links: Links) => void
  /** What happens from now on comes of a hand on this pane: the others follow it, and it follows none. */
  drive: (id: PaneId) => void
  /** Another stack hangs in a pane: where it was linked counts no longer. */
  forget: (id: PaneId) => void
  onImage: (id: PaneId, index: number) => void
  onView: (id: PaneId, changed: 'camera' | 'window') => void
  /** Goes to a place in the patient in every pane that has it. */
  locate: (id: PaneId, point: Vec3) => void
  /** The place that was pointed out, where a stack lies in its frame of reference. */
  spotIn: (stack: Stack | null) => Vec3 | null
  /** Where the picture of the pane with the keys cuts the picture of another; its first and last pictures, thinner. */
  linesIn: (id: PaneId) => { main: Segment | null; ends: Segment[] } | null
}

/** What panes do together: scroll by place, zoom, window, reference lines, and a place that is pointed out. */
export function useTogether({ engine, visible, active, stackIn, studyPkIn, indexes, led }: Panes): Together {
  const [links, setLinks] = useState<Links>(LINKED_AT_FIRST)
  const [spot, setSpot] = useState<{ point: Vec3; frameOfReferenceUid: string } | null>(null)
  const anchors = useRef(new Map<PaneId, Anchor>())
  const driving = useRef<PaneId>('a')
  const drive = (id: PaneId) => {
    driving.current = id
  }

  /** The panes that follow the driving one, with what they show. */
  const followers = (id: PaneId): { id: PaneId; stack: Stack }[] =>
    id !== driving.current || led
      ? []
      : visible.flatMap((other) => {
          const stack = other === id ? null : stackIn(other)
          return stack ? [{ id: other, stack }] : []
        })

  const shownIn = (id: PaneId, stack: Stack) => ({ studyPk: studyPkIn(id), stack })

  return {
    links,
    link: (next) => {
      anchors.current.clear()
      setLinks(next)
    },
    drive,
    forget: (id) => anchors.current.delete(id),
    toggle: (kind) => {
      if (kind === 'scroll' && !links.scroll)
        for (const id of visible) {
          const stack = stackIn(id)
          if (stack) anchors.current.set(id, anchorAt(stack, indexes[id] ?? 0))
        }
      setLinks({ ...links, [kind]: !links[kind] })
    },
    onImage: (id, index) => {
      const stack = stackIn(id)
      if (!engine || !links.scroll || !stack) return
      for (const { id: other, stack: follower } of followers(id)) {
        const target = linkedIndex(
          stack,
          index,
          follower,
          anchors.current.get(id) ?? anchorInTheMiddle(stack),
          anchors.current.get(other) ?? anchorInTheMiddle(follower),
        )
        if (target !== null) engine.goTo(other, target)
      }
    },
    onView: (id, changed) => {
      const stack = stackIn(id)
      const driver = engine?.viewport(id)
      if (!engine || !stack || !driver || !links[changed === 'camera' ? 'view' : 'window']) return
      for (const { id: other, stack: follower } of followers(id)) {
        const viewport = engine.viewport(other)
        if (!viewport?.getImageIds().length) continue
        if (changed === 'camera') followView(driver, stack, viewport, follower)
        else if (sharesWindow(shownIn(id, stack), shownIn(other, follower))) {
          const { voiRange } = driver.getProperties()
          if (voiRange) viewport.setProperties({ voiRange })
          viewport.render()
        }
      }
    },
    locate: (id, point) => {
      const uid = stackIn(id)?.frameOfReferenceUid
      if (!uid) return
      drive(id)
      setSpot({ point, frameOfReferenceUid: uid })
      for (const { id: other, stack } of followers(id)) {
        if (stack.frameOfReferenceUid !== uid) continue
        const index = nearestPlane(
          stack.frames.map((frame) => frame.plane),
          point,
        )
        if (index !== null) engine?.goTo(other, index)
      }
    },
    spotIn: (stack) => (spot && stack && spot.frameOfReferenceUid === stack.frameOfReferenceUid ? spot.point : null),
    linesIn: (id) => {
      const activeStack = stackIn(active)
      const drawnOn = stackIn(id)?.frames[indexes[id] ?? 0]?.plane
      const uid = stackIn(id)?.frameOfReferenceUid
      if (!links.lines || id === active || !drawnOn || !uid || uid !== activeStack?.frameOfReferenceUid) return null
      const line = (index: number) => {
        const plane = activeStack.frames[index]?.plane
        return plane ? cut(plane, drawnOn) : null
      }
      const ends = activeStack.length > 2 ? [line(0), line(activeStack.length - 1)] : []
      return { main: line(indexes[active] ?? 0), ends: ends.filter((one): one is Segment => one !== null) }
    },
  }
}
