import '@kitware/vtk.js/Rendering/Profiles/Geometry'
import vtkDataArray from '@kitware/vtk.js/Common/Core/DataArray'
import vtkPolyData from '@kitware/vtk.js/Common/DataModel/PolyData'
import vtkActor from '@kitware/vtk.js/Rendering/Core/Actor'
import vtkMapper from '@kitware/vtk.js/Rendering/Core/Mapper'
import type { Surface } from './surfaces'

/** A surface to be drawn among a volume. `colour`: `rgb(255 128 0)`. */
export function actorOf({ positions, normals, triangles }: Surface, colour: string): vtkActor {
  const count = triangles.length / 3
  const cells = new Uint32Array(4 * count)
  for (let at = 0; at < count; at += 1) cells.set([3, triangles[3 * at] ?? 0, triangles[3 * at + 1] ?? 0, triangles[3 * at + 2] ?? 0], 4 * at)
  const data = vtkPolyData.newInstance()
  data.getPoints().setData(positions, 3)
  data.getPolys().setData(cells)
  data.getPointData().setNormals(vtkDataArray.newInstance({ numberOfComponents: 3, values: normals, name: 'Normals' }))
  const mapper = vtkMapper.newInstance({ scalarVisibility: false })
  mapper.setInputData(data)
  const actor = vtkActor.newInstance()
  actor.setMapper(mapper)
  const [red = 255, green = 255, blue = 255] = (colour.match(/\d+/g) ?? []).map(Number)
  const property = actor.getProperty()
  property.setColor(red / 255, green / 255, blue / 255)
  property.setAmbient(0.15)
  property.setDiffuse(0.82)
  property.setSpecular(0)
  return actor
}
