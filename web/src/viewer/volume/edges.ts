import type { Mesh } from '../overlays/layers'
import { normalsOf } from '../papers/model/read'
import type { Surface } from './surfaces'

/** A surface whose triangles have corners of their own, which face each its own way where two meet in a sharp edge. */
export function apart({ positions, triangles }: Pick<Mesh, 'positions' | 'triangles'>): Pick<Surface, 'positions' | 'normals' | 'triangles'> {
  const own = new Float32Array(3 * triangles.length)
  triangles.forEach((corner, at) => own.set(positions.subarray(3 * corner, 3 * corner + 3), 3 * at))
  return { positions: own, normals: normalsOf(own), triangles: Uint32Array.from(triangles, (_, at) => at) }
}
