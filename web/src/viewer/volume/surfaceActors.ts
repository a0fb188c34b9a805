import type vtkActor from '@kitware/vtk.js/Rendering/Core/Actor'
import { actorOfTriangles } from '../triangles'
import type { Surface } from './surfaces'

const REPRESENTATION = { POINTS: 0, WIREFRAME: 1, SURFACE: 2 } as const

/** A surface to be drawn among a volume. `colour`: `rgb(255 128 0)`. */
export function actorOf(surface: Surface, colour: string): vtkActor {
  const actor = actorOfTriangles(surface, 0.15, 0.82)
  const [red = 255, green = 255, blue = 255] = (colour.match(/\d+/g) ?? []).map(Number)
  const property = actor.getProperty()
  property.setColor(red / 255, green / 255, blue / 255)
  property.setOpacity(surface.opacity ?? 1)
  property.setRepresentation(REPRESENTATION[surface.look ?? 'SURFACE'])
  return actor
}
