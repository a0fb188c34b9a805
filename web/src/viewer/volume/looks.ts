/** How a body is drawn: a name for people, and Cornerstone's preset. */
export interface Look {
  label: string
  preset: string
}

const CT: readonly Look[] = [
  { label: 'Bone', preset: 'CT-Bone' },
  { label: 'Soft tissue', preset: 'CT-Soft-Tissue' },
  { label: 'Muscle', preset: 'CT-Muscle' },
  { label: 'Vessels', preset: 'CT-AAA' },
  { label: 'Chest vessels', preset: 'CT-Chest-Vessels' },
  { label: 'Coronaries', preset: 'CT-Coronary-Arteries' },
  { label: 'Lung', preset: 'CT-Lung' },
  { label: 'Liver vessels', preset: 'CT-Liver-Vasculature' },
  { label: 'MIP', preset: 'CT-MIP' },
]

const MR: readonly Look[] = [
  { label: 'Default', preset: 'MR-Default' },
  { label: 'Angiography', preset: 'MR-Angio' },
  { label: 'T2 brain', preset: 'MR-T2-Brain' },
  { label: 'MIP', preset: 'MR-MIP' },
]

export function looksFor(modality: string | null): readonly Look[] {
  return modality === 'CT' ? CT : MR
}
