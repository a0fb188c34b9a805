import { numbers, type DicomJson } from '../dicom'
import { along, cross, dot, subtract, vec3, type Vec3 } from '../geometry'

/** Where Cornerstone draws a picture: in the patient, else with its first pixel in the origin. */
interface Drawn {
  origin: Vec3
  row: Vec3
  column: Vec3
  betweenColumns: number
  betweenRows: number
}

function drawnAt(metadata: DicomJson): Drawn {
  const orientation = numbers(metadata, '00200037')
  const row = vec3(orientation.slice(0, 3)) ?? [1, 0, 0]
  const column = vec3(orientation.slice(3, 6)) ?? [0, 1, 0]
  const [betweenRows = 1, betweenColumns = 1] = numbers(metadata, '00280030')
  return { origin: vec3(numbers(metadata, '00200032')) ?? [0, 0, 0], row, column, betweenColumns: betweenColumns || 1, betweenRows: betweenRows || 1 }
}

/** (column, row) on a picture, 0,0 its upper left corner (PS3.3 C.10.5.1.2), of a point where Cornerstone draws it. */
export function onPicture(metadata: DicomJson, point: Vec3): [number, number] {
  const { origin, row, column, betweenColumns, betweenRows } = drawnAt(metadata)
  const from = subtract(point, origin)
  return [dot(from, row) / betweenColumns + 0.5, dot(from, column) / betweenRows + 0.5]
}

/** The inverse of `onPicture`. */
export function inSpace(metadata: DicomJson, [x, y]: readonly [number, number]): Vec3 {
  const { origin, row, column, betweenColumns, betweenRows } = drawnAt(metadata)
  return along(along(origin, row, (x - 0.5) * betweenColumns), column, (y - 0.5) * betweenRows)
}

export function lookOf(metadata: DicomJson): { viewPlaneNormal: Vec3; viewUp: Vec3 } {
  const { row, column } = drawnAt(metadata)
  const normal = cross(row, column)
  return { viewPlaneNormal: [-normal[0], -normal[1], -normal[2]], viewUp: [-column[0], -column[1], -column[2]] }
}
