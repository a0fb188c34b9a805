export const PLANES = ['axial', 'sagittal', 'coronal'] as const
export type PlaneId = (typeof PLANES)[number]
