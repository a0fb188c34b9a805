import { number, numbers, texts, type DicomJson } from '../dicom'

const TAG = {
  ShutterShape: '00181600',
  ShutterLeftVerticalEdge: '00181602',
  ShutterRightVerticalEdge: '00181604',
  ShutterUpperHorizontalEdge: '00181606',
  ShutterLowerHorizontalEdge: '00181608',
  CenterOfCircularShutter: '00181610',
  RadiusOfCircularShutter: '00181612',
  VerticesOfThePolygonalShutter: '00181620',
} as const

/**
 * The shapes outside of which nothing is shown (PS3.3 C.7.6.11), as SVG paths in the picture's pixels: (0,0) is the upper
 * left corner of the first. Where there are several, only what lies in all of them is shown.
 */
export function shuttersOf(instance: DicomJson): string[] {
  const paths: string[] = []
  for (const shape of texts(instance, TAG.ShutterShape)) {
    const path = shape === 'RECTANGULAR' ? rectangle(instance) : shape === 'CIRCULAR' ? circle(instance) : shape === 'POLYGONAL' ? polygon(instance) : null
    if (path) paths.push(path)
  }
  return paths
}

function rectangle(instance: DicomJson): string | null {
  const [left, right, top, bottom] = [
    number(instance, TAG.ShutterLeftVerticalEdge),
    number(instance, TAG.ShutterRightVerticalEdge),
    number(instance, TAG.ShutterUpperHorizontalEdge),
    number(instance, TAG.ShutterLowerHorizontalEdge),
  ]
  if (left === null || right === null || top === null || bottom === null || right < left || bottom < top) return null
  // Edges are columns and rows from 1, and belong to what is shown.
  return `M${left - 1} ${top - 1}H${right}V${bottom}H${left - 1}Z`
}

function circle(instance: DicomJson): string | null {
  const [row, column] = numbers(instance, TAG.CenterOfCircularShutter)
  const radius = number(instance, TAG.RadiusOfCircularShutter)
  if (row === undefined || column === undefined || !radius || radius < 0) return null
  const [x, y] = [column - 0.5, row - 0.5]
  return `M${x - radius} ${y}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0Z`
}

function polygon(instance: DicomJson): string | null {
  const given = numbers(instance, TAG.VerticesOfThePolygonalShutter)
  const points: string[] = []
  for (let at = 0; at + 1 < given.length; at += 2) points.push(`${(given[at + 1] ?? 0) - 0.5} ${(given[at] ?? 0) - 0.5}`)
  return points.length < 3 ? null : `M${points.join('L')}Z`
}

/**
 * Whether a place of a picture, in its pixels from the upper left corner, lies in all shutters; null: there are none.
 * What a shutter does not tell whole hides nothing.
 */
export function insideShutters(instance: DicomJson): ((x: number, y: number) => boolean) | null {
  const tests = texts(instance, TAG.ShutterShape).flatMap((shape): ((x: number, y: number) => boolean)[] => {
    if (shape === 'RECTANGULAR' && rectangle(instance)) {
      const [left, right, top, bottom] = [TAG.ShutterLeftVerticalEdge, TAG.ShutterRightVerticalEdge, TAG.ShutterUpperHorizontalEdge, TAG.ShutterLowerHorizontalEdge].map((tag) => number(instance, tag) ?? 0) as [number, number, number, number]
      return [(x, y) => x >= left - 1 && x <= right && y >= top - 1 && y <= bottom]
    }
    if (shape === 'CIRCULAR' && circle(instance)) {
      const [row = 0, column = 0] = numbers(instance, TAG.CenterOfCircularShutter)
      const radius = number(instance, TAG.RadiusOfCircularShutter) ?? 0
      return [(x, y) => Math.hypot(x - (column - 0.5), y - (row - 0.5)) <= radius]
    }
    if (shape === 'POLYGONAL' && polygon(instance)) {
      const given = numbers(instance, TAG.VerticesOfThePolygonalShutter)
      const corners = Array.from({ length: given.length >> 1 }, (_, at): [number, number] => [(given[2 * at + 1] ?? 0) - 0.5, (given[2 * at] ?? 0) - 0.5])
      return [(x, y) => isWithin(corners, x, y)]
    }
    return []
  })
  return tests.length ? (x, y) => tests.every((test) => test(x, y)) : null
}

function isWithin(corners: readonly [number, number][], x: number, y: number): boolean {
  let inside = false
  corners.forEach(([x1, y1], at) => {
    const [x2, y2] = corners[(at + 1) % corners.length] ?? [x1, y1]
    if (y1 > y !== y2 > y && x < x1 + ((y - y1) * (x2 - x1)) / (y2 - y1)) inside = !inside
  })
  return inside
}
