import type { Types as ToolTypes } from '@cornerstonejs/tools'
import type { Sent } from '@/lib/api'
import { numbers, text } from '../dicom'
import { vec3 } from '../geometry'
import { calibrationOfTarget } from '../measure/calibration'
import { isAsKept, isStale, measured, shapeOf, targetOf, type KeptWords } from '../measure/measurements'
import { isOnPlane, pictureOf, planeOf, planeThrough } from '../measure/onPlane'
import { countedAs, type Counted } from '../measure/planeValues'
import { wordsOf, type Measured, type Stats } from '../measure/words'
import type { Frame } from '../stacks'
import { drawnBy, TOOLS, type ToolName } from '../tools'
import { TOOL_LABEL } from '../toolLabels'
import { inSpace, lookOf, onPicture } from './picture'
import { handlesOfShapes, shapesOf, toolOf, type Point } from './shapes'
import type { Kept } from './structured'

type Annotation = ToolTypes.Annotation
export type Findings = Sent<'/api/archive/studies/{study_pk}/findings', 'post'>
type MeasurementIn = NonNullable<Findings['measurements']>[number]
type ValueIn = NonNullable<MeasurementIn['values']>[number]

interface Data {
  label?: string
  handles?: { points?: number[][] }
  contour?: { polyline?: number[][] }
  kept?: KeptWords & { values: ValueIn[] }
  counted?: Counted
}

/** Whether the shape of a tool is a region, whose outline ends where it begins. */
function isClosed(tool: ToolName): boolean {
  return tool === 'rectangle' || tool === 'freehand'
}

/** The UID of a drawing's UUID (PS3.5 B.2), and back; null: of none. */
export function uidOf(uuid: string): string {
  return `2.25.${BigInt(`0x${uuid.replaceAll('-', '')}`)}`
}

export function uuidOf(uid: string | null): string | null {
  const digits = /^2\.25\.(\d{1,39})$/.exec(uid ?? '')?.[1]
  if (!digits) return null
  const hex = BigInt(digits).toString(16).padStart(32, '0')
  return hex.length === 32 ? hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') : null
}

/** What is drawn on these pictures: of the same signature is the same work. */
export function signatureOf(isOf: (imageId: string) => boolean): string {
  return measured()
    .filter(({ annotation }) => isOf(pictureOf(annotation) ?? ''))
    .map(({ annotation }) => shapeOf(annotation))
    .sort()
    .join('\n')
}

/** What is drawn on pictures that `frameOf` knows; `left`: drawings whose numbers are not worked out, which cannot be kept so. */
export function measurementsFor(frameOf: (imageId: string) => Frame | null): { found: MeasurementIn[]; shapes: string[]; left: number } {
  const out = { found: [] as MeasurementIn[], shapes: [] as string[], left: 0 }
  for (const { annotation, tool } of measured()) {
    const frame = frameOf(pictureOf(annotation) ?? '')
    if (!frame) continue
    const one = isStale(annotation, tool) ? null : measurementOf(annotation, tool, frame)
    if (one) {
      out.found.push(one)
      out.shapes.push(shapeOf(annotation))
    } else out.left += 1
  }
  return out
}

function measurementOf(annotation: Annotation, tool: ToolName, frame: Frame): MeasurementIn | null {
  const data = annotation.data as Data
  const plane = isOnPlane(annotation) ? planeOf(annotation) : null
  if (isOnPlane(annotation) && !plane) return null
  const on = (points: number[][] | undefined): Point[] =>
    (points ?? [])
      .map((point) => vec3(point))
      .filter((point) => point !== null)
      .map((point) => (plane ? plane.flat(point) : onPicture(frame.metadata, point)))
  const slab = data.counted?.slab
  const shapes = shapesOf(tool, on(data.handles?.points), on(data.contour?.polyline))
  if (!shapes || !annotation.annotationUID) return null
  const target = targetOf(annotation)
  const stats = (annotation.data as Measured).cachedStats?.[target] ?? {}
  const before = isAsKept(annotation) ? data.kept : undefined
  const values = before?.values ?? valuesOf(tool, stats, calibrationOfTarget(target))
  if (TOOLS[tool].counts && !values.length) return null
  const words = !TOOLS[tool].counts ? (data.label ?? '') : (before?.comment ?? wordsOf(drawnBy(tool), annotation.data as Measured, target).join(' · '))
  if (!TOOLS[tool].counts && !words) return null
  return {
    tracking_uid: uidOf(annotation.annotationUID),
    tracking_identifier: TOOL_LABEL[tool],
    image: { sop_instance_uid: frame.sopInstanceUid, frame_number: frame.frameNumber },
    ...(plane
      ? {
          space: {
            frame_of_reference_uid: plane.frameOfReferenceUid,
            view_plane_normal: [...plane.normal],
            view_up: [...plane.up],
            shapes: shapes.map(({ graphic_type, points }) => ({
              graphic_type: graphic_type === 'POLYLINE' && isClosed(tool) ? 'POLYGON' : graphic_type,
              points: points.map((point) => [...plane.inSpace(point)] as [number, number, number]),
            })),
            ...(slab && slab.mode !== 'thin' ? { slab: { mode: slab.mode, thickness: slab.thickness } } : {}),
          },
        }
      : { shapes: shapes.map((shape) => ({ graphic_type: shape.graphic_type, points: shape.points.map(([x, y]) => [x, y]) })) }),
    values,
    ...(words ? { comment: words } : {}),
  }
}

function valuesOf(tool: ToolName, stats: Stats, kind: ReturnType<typeof calibrationOfTarget>): ValueIn[] {
  const out: ValueIn[] = []
  const add = (concept: ValueIn['concept'], value: unknown, unit: ValueIn['unit'] = '', shape = 0) => {
    if (typeof value === 'number' && Number.isFinite(value)) out.push({ concept, value, unit, shape })
  }
  const written = (stats.unit ?? '').split(' ')[0]
  const lengthUnit = kind === 'none' ? 'px' : written === 'cm' ? 'cm' : written === 'mm' || kind !== 'region' ? 'mm' : 'px'
  const said = Array.isArray(stats.modalityUnit) ? stats.modalityUnit[0] : stats.modalityUnit
  const valueUnit = said === 'HU' || said === 'SUV' || said === 'BQML' ? said : ''
  if (tool === 'length') add('length', stats.length, lengthUnit)
  if (tool === 'bidirectional') {
    add('long', stats.length, lengthUnit)
    add('short', stats.width, lengthUnit, 1)
  }
  if (tool === 'angle' || tool === 'cobb') add('angle', stats.angle, '°', tool === 'cobb' ? -1 : 0)
  if (tool === 'ratio') add('ratio', stats.ratio, '', -1)
  if (tool === 'probe') add('value', stats.value, valueUnit)
  if (tool === 'ellipse' || tool === 'rectangle' || tool === 'freehand') {
    add('mean', stats.mean, valueUnit)
    add('deviation', stats.stdDev, valueUnit)
    add('minimum', stats.min, valueUnit)
    add('maximum', stats.max, valueUnit)
    if (lengthUnit !== 'px' && /^(mm|cm|px)²?/.test(stats.areaUnit ?? '')) add('area', stats.area, (stats.areaUnit ?? '').startsWith('cm') ? 'cm²' : 'mm²')
  }
  return out
}

/** What was kept as a drawing again; null: of a kind that no tool here draws. */
export function drawingOf(kept: Kept, frame: Frame): Annotation | null {
  const { space } = kept
  const plane = space && planeThrough(space.frameOfReferenceUid, space.normal, space.up, space.shapes[0]?.points[0] ?? null)
  if (space && !plane) return null
  const drawn = space && plane ? space.shapes.map((shape) => ({ graphic_type: shape.graphic_type === 'POLYGON' ? ('POLYLINE' as const) : shape.graphic_type, points: shape.points.map(plane.flat) })) : kept.shapes
  const tool = toolOf(drawn, new Set(kept.values.map((one) => one.concept)), kept.comment !== null, kept.trackingIdentifier)
  if (!tool) return null
  const { handles, outline } = handlesOfShapes(tool, drawn)
  const place = (points: readonly Point[]) => points.map((point) => [...(plane ? plane.inSpace(point) : inSpace(frame.metadata, [point[0], point[1]]))])
  const corner = [0, 0, 0]
  const { viewPlaneNormal, viewUp } = plane ? { viewPlaneNormal: plane.normal, viewUp: plane.up } : lookOf(frame.metadata)
  const made = {
    annotationUID: uuidOf(kept.trackingUid) ?? crypto.randomUUID(),
    highlighted: false,
    invalidated: true,
    isLocked: false,
    isVisible: true,
    metadata: {
      toolName: drawnBy(tool),
      ...(plane ? {} : { referencedImageId: frame.imageId }),
      FrameOfReferenceUID: plane?.frameOfReferenceUid ?? text(frame.metadata, '00200052') ?? undefined,
      viewPlaneNormal: [...viewPlaneNormal],
      viewUp: [...viewUp],
      cameraFocalPoint: plane ? [...plane.inSpace([0, 0])] : numbers(frame.metadata, '00200032'),
    },
    data: {
      label: TOOLS[tool].counts ? '' : (kept.comment ?? ''),
      ...(plane ? { near: frame.imageId } : {}),
      handles: {
        points: place(handles),
        activeHandleIndex: null,
        ...(tool === 'arrow' ? { arrowFirst: true } : {}),
        textBox: { hasMoved: false, worldPosition: corner, worldBoundingBox: { topLeft: corner, topRight: corner, bottomLeft: corner, bottomRight: corner } },
      },
      ...(tool === 'freehand' ? { contour: { closed: true, polyline: place(outline) } } : {}),
      cachedStats: {},
    },
  } as unknown as Annotation
  const words: Data['kept'] = { comment: kept.comment, author: kept.author, values: [...kept.values], shape: shapeOf(made) }
  Object.assign(made.data, { kept: words, ...(space ? { counted: countedAs(made, space.slab) } : {}) })
  return made
}
