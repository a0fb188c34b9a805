import '@kitware/vtk.js/Rendering/Profiles/Geometry'
import vtkDataArray from '@kitware/vtk.js/Common/Core/DataArray'
import vtkPolyData from '@kitware/vtk.js/Common/DataModel/PolyData'
import vtkActor from '@kitware/vtk.js/Rendering/Core/Actor'
import vtkMapper from '@kitware/vtk.js/Rendering/Core/Mapper'

/** Corners of triangles, three coordinates each, and which way each corner faces. */
export interface Triangles {
  positions: Float32Array<ArrayBuffer>
  normals: Float32Array<ArrayBuffer>
  /** Which corners each triangle has; without: three after one another. */
  triangles?: Uint32Array
  /** Where in a picture each corner lies, two numbers from 0 to 1. */
  places?: Float32Array<ArrayBuffer> | undefined
}

/** Triangles to be drawn by vtk.js, dull as nothing that glares is in a body. */
export function actorOfTriangles({ positions, normals, triangles, places }: Triangles, ambient: number, diffuse: number): vtkActor {
  const count = (triangles?.length ?? positions.length / 3) / 3
  const cells = new Uint32Array(4 * count)
  const corner = (at: number) => (triangles ? (triangles[at] ?? 0) : at)
  for (let at = 0; at < count; at += 1) cells.set([3, corner(3 * at), corner(3 * at + 1), corner(3 * at + 2)], 4 * at)
  const data = vtkPolyData.newInstance()
  data.getPoints().setData(positions, 3)
  data.getPolys().setData(cells)
  data.getPointData().setNormals(vtkDataArray.newInstance({ numberOfComponents: 3, values: normals, name: 'Normals' }))
  if (places) data.getPointData().setTCoords(vtkDataArray.newInstance({ numberOfComponents: 2, values: places, name: 'Places' }))
  const mapper = vtkMapper.newInstance({ scalarVisibility: false })
  mapper.setInputData(data)
  const actor = vtkActor.newInstance()
  actor.setMapper(mapper)
  const property = actor.getProperty()
  property.setAmbient(ambient)
  property.setDiffuse(diffuse)
  property.setSpecular(0)
  return actor
}
