import { along, cross, dot, subtract, type Vec3 } from '../geometry'

/** `vector` turned about `axis` (of length 1) by the right hand. */
export function turned(vector: Vec3, axis: Vec3, degrees: number): Vec3 {
  const angle = (degrees * Math.PI) / 180
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  const part = along(along([0, 0, 0], vector, cos), cross(axis, vector), sin)
  return along(part, axis, dot(axis, vector) * (1 - cos))
}

/** `point` turned about the line along `axis` through `centre`. */
export function turnedAbout(point: Vec3, centre: Vec3, axis: Vec3, degrees: number): Vec3 {
  return along(centre, turned(subtract(point, centre), axis, degrees), 1)
}
