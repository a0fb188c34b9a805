/** How the thickness of a slab becomes one picture. */
export const SLABS = ['thin', 'mip', 'minip', 'average'] as const
export type SlabMode = (typeof SLABS)[number]

export const SLAB_LABEL: Record<SlabMode, string> = {
  thin: 'Thin plane',
  mip: 'MIP (brightest)',
  minip: 'MinIP (darkest)',
  average: 'Average',
}

export interface Slab {
  mode: SlabMode
  /** mm; a thin plane has none. */
  thickness: number
}

export const THINNEST = 2
export const THICKEST = 80
export const AT_FIRST: Slab = { mode: 'thin', thickness: 10 }

export function thicker(slab: Slab, by: number): Slab {
  return { ...slab, thickness: Math.max(THINNEST, Math.min(THICKEST, slab.thickness + by)) }
}

export function nextMode(slab: Slab): Slab {
  return { ...slab, mode: SLABS[(SLABS.indexOf(slab.mode) + 1) % SLABS.length] ?? 'thin' }
}

/** `MIP 10 mm`, as it stands on the picture; null for a thin plane. */
export function slabWords(slab: Slab): string | null {
  return slab.mode === 'thin' ? null : `${SLAB_LABEL[slab.mode].split(' ')[0]} ${slab.thickness} mm`
}

/** Steps of a ray in the length of the smallest voxel: of a peak one voxel thick at most a sixteenth is missed, between two steps. */
const STEPS_A_VOXEL = 8
/** A ray does not take more steps than this through a slab, or drawing it would take too long. */
const STEPS_MOST = 1000

/** How far apart the rays through a slab look at the volume, mm, where its voxels have these sides and it is this thick. */
export function stepThrough(spacing: readonly number[], thickness: number): number {
  const least = Math.min(...spacing.filter((side) => side > 0))
  return Math.max(least / STEPS_A_VOXEL, thickness / STEPS_MOST)
}
