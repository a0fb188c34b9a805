import { fit, isJustified, justify, type Turnable } from './camera'
import { text, type DicomJson } from './dicom'
import { cross, edgesOfProjection, vec3 } from './geometry'
import { frameOf } from './pixels/remembered'

type Side = 'left' | 'right'

/** What a viewport shows, and which picture that is. */
export interface Showing extends Turnable {
  getCurrentImageId(): string | undefined
}

/** At which side of the screen a mammogram has its chest wall, as it is turned and mirrored; null: it is none, or at neither. */
export function chestWallOf(metadata: DicomJson, patientOrientation: readonly string[], camera: ReturnType<Turnable['getCamera']>): Side | null {
  if (text(metadata, '00080060') !== 'MG') return null
  const [up, toViewer] = [vec3(camera.viewUp), vec3(camera.viewPlaneNormal)]
  const edges = up && toViewer ? edgesOfProjection(patientOrientation, cross(up, toViewer), up) : null
  if (edges?.left.startsWith('P')) return 'left'
  return edges?.right.startsWith('P') ? 'right' : null
}

function sideOf(viewport: Showing): Side | null {
  const frame = frameOf(viewport.getCurrentImageId() ?? '')
  return frame && chestWallOf(frame.metadata, frame.patientOrientation, viewport.getCamera())
}

/**
 * Shows the whole picture: in the middle of its pane, and a mammogram with its chest wall at the pane's edge, so that the
 * two sides stand back to back (as Display Set Horizontal Justification has it, PS3.3 C.23.3.1).
 */
export function hang(viewport: Showing): void {
  const side = sideOf(viewport)
  if (side) justify(viewport, side)
  else fit(viewport)
}

/** Whether a pane of this size shows its mammogram so. */
export function isAtChestWall(viewport: Showing, width: number, height: number): boolean {
  const side = sideOf(viewport)
  return side !== null && isJustified(viewport, side, width, height)
}

/** Puts the chest wall at the edge, where there is one; all else stays. */
export function toChestWall(viewport: Showing): void {
  const side = sideOf(viewport)
  if (side) justify(viewport, side)
}
