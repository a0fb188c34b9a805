import { along, cross, dot, type Vec3 } from '../../geometry'
import { turned } from '../../volume/turn'

/** From where a model is looked at: all is seen in its true proportion, without perspective. */
export interface Look {
  /** From its middle to who looks, and up on the screen; of length 1, square to each other. */
  from: Vec3
  up: Vec3
  /** How far the middle of the screen is from its own, in its numbers: to the right, upwards. */
  pan: readonly [number, number]
  /** How much larger than it just fits. */
  zoom: number
}

const LEAST = 0.2
const MOST = 40

export const FRONT: Look = { from: [0, -1, 0], up: [0, 0, 1], pan: [0, 0], zoom: 1 }

export function rightOf({ from, up }: Pick<Look, 'from' | 'up'>): Vec3 {
  return cross(up, from)
}

function unit(vector: Vec3): Vec3 {
  const length = Math.hypot(...vector) || 1
  return [vector[0] / length, vector[1] / length, vector[2] / length]
}

/** Turned as a ball under the hand: what is in front goes to the right and down, by degrees. */
export function rolled(look: Look, right: number, down: number): Look {
  const across = unit(rightOf(look))
  const from = unit(turned(turned(look.from, across, -down), look.up, -right))
  const up = turned(look.up, across, -down)
  return { ...look, from, up: unit(along(up, from, -dot(up, from))) }
}

export function zoomed(look: Look, factor: number): Look {
  return { ...look, zoom: Math.max(LEAST, Math.min(MOST, look.zoom * factor)) }
}
